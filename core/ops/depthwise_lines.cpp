// What the tiles of a depthwise layer do not read or write where it lies: lines with their boundaries, converted samples,
// channels spread over their outputs; results on their way.
#include <algorithm>

#include "core/ops/depthwise_core.h"

namespace faltung {

// n neighbouring positions of the unit's channels.
template <class T>
void DepthwiseCore<T>::pack_positions(const Unit& u, const char* from, int64_t n, T* to) const {
  const int64_t step = s_.columns.axis.in_step, item = kItemSize[int(p_.in)], width = s_.width;
  const int64_t outputs = p_.group_out(), channels = u.channels / outputs;
  const bool same = p_.in == type_of<T>() && (p_.in_channel_step == item || channels == 1);
  if (same && outputs == 1) {
    if (step == width * item && channels == width) {
      std::memcpy(to, from, size_t(n * width * item));
      return;
    }
    for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * width, from + i * step, size_t(channels * item));
    return;
  }
  const auto load = convert_.load[int(p_.in)];
  const T zero = T(p_.in_zero);
  if (outputs == 1) {
    for (int64_t i = 0; i < n; ++i) {
      load(from + i * step, {channels, 1, p_.in_channel_step, 0}, to + i * width);
      if (p_.in_zero != 0)
        for (int64_t c = 0; c < channels; ++c) to[i * width + c] -= zero;
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const T* samples = reinterpret_cast<const T*>(from + i * step);
    if (!same) {
      load(from + i * step, {channels, 1, p_.in_channel_step, 0}, u.raw);
      for (int64_t c = 0; c < channels && p_.in_zero != 0; ++c) u.raw[c] -= zero;
      samples = u.raw;
    }
    T* spread = to + i * width;
    if (outputs == 2)
      for (int64_t c = 0; c < channels; ++c) spread[2 * c] = spread[2 * c + 1] = samples[c];
    else
      for (int64_t c = 0; c < channels; ++c, spread += outputs)
        std::fill(spread, spread + outputs, samples[c]);
  }
}

// The samples of one row that the outputs of a segment read, with what stands for those outside.
template <class T>
void DepthwiseCore<T>::pack_line(const Unit& u, const Segment& g, const char* row, T* line) const {
  const LayerAxis& c = s_.columns.axis;
  const int64_t first = g.begin * c.stride - c.pad, n = s_.columns.reach(g.end - g.begin);
  const int64_t lead = std::clamp<int64_t>(-first, 0, n), stop = std::clamp<int64_t>(c.in - first, lead, n);
  const int64_t width = s_.width;
  if (u.channels < width) std::fill(line, line + n * width, T(0));
  if (stop > lead) pack_positions(u, row + (first + lead) * c.in_step, stop - lead, line + lead * width);
  if (c.boundary == Boundary::constant) {
    std::fill(line, line + lead * width, T(0));
    std::fill(line + stop * width, line + n * width, T(0));
    return;
  }
  const auto outside = [&](int64_t i) {
    pack_positions(u, row + boundary_index(first + i, c.in, c.boundary) * c.in_step, 1, line + i * width);
  };
  for (int64_t i = 0; i < lead; ++i) outside(i);
  for (int64_t i = stop; i < n; ++i) outside(i);
}

template <class T>
void DepthwiseCore<T>::load_residual(const Unit& u, const Segment& g, int64_t row, int64_t rows,
                                     T* to) const {
  const LayerAxis &c = s_.columns.axis, &r = s_.rows.axis;
  const auto load = convert_.load[int(p_.out)];
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t o = g.begin; o < g.end; ++o, to += s_.width)
      load(u.residual + (u.row_class + s_.rows.classes * (row + i)) * r.residual_step + o * c.residual_step,
           {u.channels, 1, p_.residual_channel_step, 0}, to);
}

template <class T>
void DepthwiseCore<T>::store(Unit& u, const Segment& g, int64_t row, int64_t rows, T* from) const {
  const LayerAxis &c = s_.columns.axis, &r = s_.rows.axis;
  const int64_t outputs = g.end - g.begin, item = kItemSize[int(p_.out)];
  if (activate_) activate_(from, rows * outputs * s_.width, T(p_.lo), T(p_.hi));
  const auto put = convert_.store[int(p_.out)];
  const bool plain = p_.out == type_of<T>() && (p_.out_channel_step == item || u.channels == 1);
  for (int64_t i = 0; i < rows; ++i) {
    char* to = u.out + (u.row_class + s_.rows.classes * (row + i)) * r.out_step + g.begin * c.out_step;
    if (!plain && u.channels == s_.width) {
      u.reported |= put(from, to, {outputs, u.channels, c.out_step, p_.out_channel_step}, p_.store);
      from += outputs * s_.width;
      continue;
    }
    for (int64_t o = 0; o < outputs; ++o, from += s_.width, to += c.out_step)
      if (plain)
        std::memcpy(to, from, size_t(u.channels * item));
      else
        u.reported |= put(from, to, {1, u.channels, 0, p_.out_channel_step}, p_.store);
  }
}

template void DepthwiseCore<float>::pack_line(const Unit&, const Segment&, const char*, float*) const;
template void DepthwiseCore<double>::pack_line(const Unit&, const Segment&, const char*, double*) const;
template void DepthwiseCore<float>::load_residual(const Unit&, const Segment&, int64_t, int64_t,
                                                  float*) const;
template void DepthwiseCore<double>::load_residual(const Unit&, const Segment&, int64_t, int64_t,
                                                   double*) const;
template void DepthwiseCore<float>::store(Unit&, const Segment&, int64_t, int64_t, float*) const;
template void DepthwiseCore<double>::store(Unit&, const Segment&, int64_t, int64_t, double*) const;

}  // namespace faltung
