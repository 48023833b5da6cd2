#include "core/ops/dense_strip.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace faltung {
namespace {

template <class T>
constexpr DType own_type() {
  return std::is_same_v<T, float> ? DType::f32 : DType::f64;
}

// Calls visit(index, number) for every point of a box, in C order.
template <class F>
void for_points(const int64_t* size, size_t axes, F visit) {
  int64_t at[DenseBox::kMostAxes] = {};
  for (size_t a = 0; a < axes; ++a)
    if (size[a] == 0) return;
  for (int64_t n = 0;; ++n) {
    visit(at, n);
    size_t a = axes;
    while (a > 0 && ++at[a - 1] == size[a - 1]) at[--a] = 0;
    if (a == 0) return;
  }
}

// Few planes side by side: pixels of a first layer.
template <int64_t Channels, class T>
void weave(const T* from, int64_t plane, T* to, int64_t pixels) {
  for (int64_t j = 0; j < pixels; ++j)
    for (int64_t c = 0; c < Channels; ++c) to[j * Channels + c] = from[c * plane + j];
}

}  // namespace

template <class T>
DenseStrip<T>::DenseStrip(const DensePlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                          DenseArena& arena)
    : plan_(plan), convert_(convert), turn_(turn), rows_(plan, arena) {
  row_elements_ = plan.row_pixels(plan.columns) * plan.pixel_step;
  strip_ = arena.take<T>(plan.packs ? plan.strip_rows() * row_elements_ : 0);
  zeros_ = arena.take<T>(plan.pads_rows ? row_elements_ : 0);
  planes_ = arena.take<T>(plan.packs ? plan.row_pixels(plan.columns) * plan.in_channels : 0);
  table_ = arena.take<const T*>(plan.lines() * plan.entries());
}

template <class T>
void DenseStrip<T>::select(const DenseBox& box, const char* in) {
  rows_.select(box);
  if (plan_.pads_rows && !zeros_ready_) {
    std::fill(zeros_, zeros_ + row_elements_, T(0));
    zeros_ready_ = true;
  }
  const char* group = in + box.group * plan_.p.group_in() * plan_.p.in_channel_step;
  if (plan_.packs) pack_rows(box, group);
  fill_table(box, group);
}

template <class T>
void DenseStrip<T>::pack_rows(const DenseBox& box, const char* in) {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  const size_t axes = p.axes.size();
  int64_t size[DenseBox::kMostAxes] = {box.size[0]};
  for (size_t a = 0; a + 1 < axes; ++a) size[a + 1] = rows_.count(a);
  const int64_t pixels = plan_.row_pixels(box.columns);
  for_points(size, axes, [&](const int64_t* at, int64_t n) {
    const char* from = in + (box.begin[0] + at[0]) * p.in_batch_step;
    for (size_t a = 0; a + 1 < axes; ++a) from += rows_.source(a, at[a + 1]) * p.axes[a].in_step;
    pack_row(from, box.column * columns.stride - columns.pad, pixels, strip_ + n * row_elements_);
  });
}

// `first` is the place of the first pixel on the axis of columns.
template <class T>
void DenseStrip<T>::pack_row(const char* from, int64_t first, int64_t pixels, T* to) {
  const LayerAxis& columns = plan_.p.axes.back();
  const int64_t step = plan_.pixel_stride;
  const int64_t begin = std::clamp<int64_t>(first >= 0 ? 0 : (-first + step - 1) / step, 0, pixels);
  const int64_t end =
      std::clamp<int64_t>(first >= columns.in ? 0 : (columns.in - first + step - 1) / step, begin, pixels);
  if (begin < end)
    load_pixels(from + (first + begin * step) * columns.in_step, end - begin, to + begin * plan_.pixel_step);
  fill_outside(from, first, 0, begin, to);
  fill_outside(from, first, end, pixels, to);
}

template <class T>
void DenseStrip<T>::load_pixels(const char* from, int64_t pixels, T* to) {
  const LayerProblem& p = plan_.p;
  const int64_t channels = plan_.in_channels, item = kItemSize[int(p.in)], pixel = plan_.pixel_step;
  const int64_t step = p.axes.back().in_step * plan_.pixel_stride;
  const bool own = p.in == own_type<T>() && step % item == 0 && p.in_channel_step % item == 0;
  const bool contiguous = p.in_channel_step == item * p.parts() || channels == 1;
  const auto load = convert_.load[int(p.in)];
  if (contiguous && step == channels * item && pixel == channels) {
    if (own)
      std::memcpy(to, from, size_t(pixels * channels) * sizeof(T));
    else
      load(from, {pixels * channels, 1, item, item}, to);
  } else if (contiguous && own) {
    for (int64_t j = 0; j < pixels; ++j)
      std::memcpy(to + j * pixel, from + j * step, size_t(channels) * sizeof(T));
  } else if (p.parts() == 1 && own && step == item && pixel == channels && channels >= 2 && channels <= 4) {
    const T* planes = reinterpret_cast<const T*>(from);
    const int64_t plane = p.in_channel_step / item;
    if (channels == 2)
      weave<2>(planes, plane, to, pixels);
    else if (channels == 3)
      weave<3>(planes, plane, to, pixels);
    else
      weave<4>(planes, plane, to, pixels);
  } else if (p.parts() == 1 && own && step == item) {
    turn_.turn(reinterpret_cast<const T*>(from), p.in_channel_step / item, 1, to, pixel, channels, pixels);
  } else if (p.parts() == 1 && std::abs(step) <= std::abs(p.in_channel_step)) {
    for (int64_t c = 0; c < channels; ++c)
      load(from + c * p.in_channel_step, {pixels, 1, step, item}, planes_ + c * pixels);
    turn_.turn(planes_, pixels, 1, to, pixel, channels, pixels);
  } else {
    for (int64_t j = 0; j < pixels; ++j)
      load(from + j * step, {p.group_in(), p.parts(), p.in_channel_step, item}, to + j * pixel);
  }
  if (p.in_zero != 0)
    for (int64_t j = 0; j < pixels; ++j)
      for (int64_t c = 0; c < channels; ++c) to[j * pixel + c] -= T(p.in_zero);
}

// Pixels [begin, end) of a row, all beyond the input.
template <class T>
void DenseStrip<T>::fill_outside(const char* from, int64_t first, int64_t begin, int64_t end, T* row) {
  const LayerAxis& columns = plan_.p.axes.back();
  for (int64_t j = begin; j < end; ++j) {
    T* to = row + j * plan_.pixel_step;
    const int64_t i = boundary_index(first + j * plan_.pixel_stride, columns.in, columns.boundary);
    if (i < 0)
      std::fill(to, to + plan_.pixel_step, T(0));
    else
      load_pixels(from + i * columns.in_step, 1, to);
  }
}

template <class T>
void DenseStrip<T>::fill_table(const DenseBox& box, const char* in) {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  const size_t axes = p.axes.size();
  const int64_t taps = plan_.tap_entries ? columns.taps : 1;
  const int64_t tap_step = columns.dilation * plan_.pixel_step;
  const T** entry = table_;
  int64_t tap_size[DenseBox::kMostAxes] = {1};
  for (size_t a = 0; a + 1 < axes; ++a) tap_size[a + 1] = p.axes[a].taps;
  for_points(box.size, axes, [&](const int64_t* at, int64_t) {
    for_points(tap_size, axes, [&](const int64_t* h, int64_t) {
      int64_t row = at[0];
      const char* place =
          in + (box.begin[0] + at[0]) * p.in_batch_step + box.column * columns.stride * columns.in_step;
      bool inside = true;
      for (size_t a = 0; a + 1 < axes; ++a) {
        const int64_t met = rows_.met(a, at[a + 1], h[a + 1]);
        inside = inside && met >= 0;
        row = row * rows_.count(a) + met;
        if (inside && !plan_.packs) place += rows_.source(a, met) * p.axes[a].in_step;
      }
      const T* begin = !inside       ? zeros_
                       : plan_.packs ? strip_ + row * row_elements_
                                     : reinterpret_cast<const T*>(place);
      for (int64_t w = 0; w < taps; ++w) *entry++ = begin + w * tap_step;
    });
  });
}

template class DenseStrip<float>;
template class DenseStrip<double>;

}  // namespace faltung
