#include "core/ops/dense_store.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

namespace faltung {
namespace {

// Some tens of bytes, without a call.
void copy_few(const char* from, char* to, int64_t bytes) {
  constexpr int64_t kPiece = 16;
  if (bytes < kPiece) {
    for (int64_t i = 0; i < bytes; i += 4) std::memcpy(to + i, from + i, 4);
    return;
  }
  for (int64_t i = 0; i + kPiece <= bytes; i += kPiece) std::memcpy(to + i, from + i, kPiece);
  std::memcpy(to + bytes - kPiece, from + bytes - kPiece, kPiece);
}

}  // namespace

template <class T>
DenseStore<T>::DenseStore(const DensePlan& plan, const ConvertTable<T>& convert,
                          const ConvertTable<double>& wide, const TurnTable<T>& turn,
                          const EpilogueTable<T>& epilogue, DenseArena& arena)
    : plan_(plan),
      convert_(convert),
      wide_(wide),
      turn_(turn),
      epilogue_(epilogue),
      channel_size_(kItemSize[int(plan.p.out)] * plan.p.parts()) {
  const int64_t width = plan.panel_elements(), tiles = std::max<int64_t>(plan.band, plan.tile_rows) * width;
  const int64_t channels = (plan.out_channels + plan.lanes - 1) / plan.lanes * plan.lanes;
  buffer_ = arena.take<T>(tiles);
  residual_ = arena.take<T>(plan.p.residual && !plan.exact ? tiles : 0);
  planes_ = arena.take<T>(plan.out == DenseOut::planes ? tiles : 0);
  bias_ = arena.take<T>(plan.p.bias && !plan.exact ? channels : 0);
  sums_ = arena.take<double>(plan.exact ? tiles : 0);
  wide_bias_ = arena.take<double>(plan.p.bias && plan.exact ? channels : 0);
  wide_line_ = arena.take<double>(plan.exact ? width : 0);
  out_at_ = arena.take<int64_t>(plan.lines());
  residual_at_ = arena.take<int64_t>(plan.lines());
}

template <class T>
void DenseStore<T>::select(const DenseBox& box, const LayerArrays& arrays) {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  const size_t axes = p.axes.size();
  int64_t lines = 1;
  for (size_t a = 0; a < axes; ++a) lines *= box.size[a];
  for (int64_t l = 0; l < lines; ++l) {
    int64_t out = box.column * columns.out_step, residual = box.column * columns.residual_step, rest = l;
    for (size_t a = axes; a-- > 0;) {
      const int64_t i = box.begin[a] + rest % box.size[a];
      rest /= box.size[a];
      out += i * (a == 0 ? p.out_batch_step : p.axes[a - 1].out_step);
      residual += i * (a == 0 ? p.residual_batch_step : p.axes[a - 1].residual_step);
    }
    out_at_[l] = out;
    residual_at_[l] = residual;
  }
  const int64_t first = box.group * p.group_out(), item = kItemSize[int(p.out)];
  out_ = static_cast<char*>(arrays.out) + first * p.out_channel_step;
  residual_in_ =
      p.residual ? static_cast<const char*>(arrays.residual) + first * p.residual_channel_step : nullptr;
  if (!p.bias) return;
  const char* bias = static_cast<const char*>(arrays.bias) + first * channel_size_;
  const StridedLine line{plan_.out_channels, 1, item, item};
  if (plan_.exact) {
    wide_.load[int(p.out)](bias, line, wide_bias_);
  } else {
    convert_.load[int(p.out)](bias, line, bias_);
    std::fill(bias_ + plan_.out_channels,
              bias_ + (plan_.out_channels + plan_.lanes - 1) / plan_.lanes * plan_.lanes, T(0));
  }
}

template <class T>
void DenseStore<T>::set_sums(const DenseJob& job, const DensePanel& panel, bool first,
                             GemmArgs<T>& args) const {
  const int64_t width = int64_t(panel.vectors) * plan_.lanes;
  T* sums = buffer_ + job.position * width;
  args.sums = first || plan_.exact ? nullptr : sums;
  args.sums_step = width;
  args.c = sums;
  args.ldc = width;
  args.c_half = (job.rows + 1) / 2 * width;
  args.bias = args.residual = nullptr;
  args.clip = false;
}

template <class T>
void DenseStore<T>::set_last(const DenseJob& job, const DensePanel& panel, GemmArgs<T>& args) const {
  if (plan_.exact) return;
  const LayerProblem& p = plan_.p;
  const int64_t width = int64_t(panel.vectors) * plan_.lanes, item = plan_.item, half = (job.rows + 1) / 2;
  const int64_t channel = panel.channel / p.parts();
  const bool split = job.half_line != job.line;
  if (direct(panel)) {
    const int64_t step = p.axes.back().out_step;
    args.c =
        reinterpret_cast<T*>(out_ + channel * p.out_channel_step + out_at_[job.line] + job.column * step);
    args.ldc = step / item;
    args.c_half = split ? (out_at_[job.half_line] - out_at_[job.line]) / item : half * args.ldc;
  }
  if (p.bias) args.bias = bias_ + panel.channel;
  if (p.residual && residual_direct(panel)) {
    const int64_t step = p.axes.back().residual_step;
    args.residual = reinterpret_cast<const T*>(residual_in_ + channel * p.residual_channel_step +
                                               residual_at_[job.line] + job.column * step);
    args.residual_step = step / item;
    args.residual_half =
        split ? (residual_at_[job.half_line] - residual_at_[job.line]) / item : half * args.residual_step;
  } else if (p.residual) {
    args.residual = residual_ + job.position * width;
    args.residual_step = width;
    args.residual_half = half * width;
  }
  args.clip = p.activation == Activation::clip;
  args.lo = T(p.lo);
  args.hi = T(p.hi);
}

template <class T>
template <class F>
void DenseStore<T>::for_spans(const DenseJob* jobs, int64_t count, const DensePanel& panel, F visit) const {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  const int64_t channel = panel.channel / p.parts();
  Span open{0, 0, nullptr, nullptr};
  const auto add = [&](int64_t line, int64_t column, int64_t position, int64_t positions) {
    char* out = out_ + channel * p.out_channel_step + out_at_[line] + column * columns.out_step;
    const char* residual = p.residual ? residual_in_ + channel * p.residual_channel_step +
                                            residual_at_[line] + column * columns.residual_step
                                      : nullptr;
    const bool continues = open.count > 0 && position == open.position + open.count &&
                           out == open.out + open.count * columns.out_step &&
                           (!p.residual || residual == open.residual + open.count * columns.residual_step);
    if (continues) {
      open.count += positions;
      return;
    }
    if (open.count > 0) visit(open);
    open = {position, positions, out, residual};
  };
  for (int64_t i = 0; i < count; ++i) {
    const DenseJob& job = jobs[i];
    if (job.half_line == job.line) {
      add(job.line, job.column, job.position, job.positions());
    } else {
      const int64_t half = job.rows / 2;
      add(job.line, job.column, job.position, half);
      add(job.half_line, job.column, job.position + half, half);
    }
  }
  if (open.count > 0) visit(open);
}

template <class T>
void DenseStore<T>::load_residual(const DenseJob* jobs, int64_t count, const DensePanel& panel) {
  const LayerProblem& p = plan_.p;
  if (!p.residual || plan_.exact || residual_direct(panel)) return;
  const int64_t width = int64_t(panel.vectors) * plan_.lanes, item = kItemSize[int(p.out)];
  const int64_t step = p.axes.back().residual_step, channel_step = p.residual_channel_step;
  const bool own = p.out == (std::is_same_v<T, float> ? DType::f32 : DType::f64);
  const bool planes = own && p.parts() == 1 && step % item == 0 && channel_step % item == 0 &&
                      std::abs(step) < std::abs(channel_step);
  for_spans(jobs, count, panel, [&](const Span& s) {
    T* to = residual_ + s.position * width;
    if (planes) {
      turn_.turn(reinterpret_cast<const T*>(s.residual), channel_step / item, step / item, to, width,
                 panel.channels, s.count);
      return;
    }
    for (int64_t i = 0; i < s.count; ++i)
      convert_.load[int(p.out)](s.residual + i * step,
                                {panel.channels / p.parts(), p.parts(), channel_step, item}, to + i * width);
  });
}

template <class T>
void DenseStore<T>::add_exact(int64_t positions, const DensePanel& panel, bool first) {
  const int64_t n = positions * panel.vectors * plan_.lanes;
  if (first)
    for (int64_t i = 0; i < n; ++i) sums_[i] = double(buffer_[i]);
  else
    for (int64_t i = 0; i < n; ++i) sums_[i] += double(buffer_[i]);
}

template <class T>
void DenseStore<T>::finish(const DenseJob* jobs, int64_t count, int64_t positions, const DensePanel& panel) {
  if (direct(panel)) return;
  const Activation activation = plan_.p.activation;
  if (activation != Activation::none && activation != Activation::clip)
    epilogue_.activate[int(activation)](buffer_, positions * panel.vectors * plan_.lanes, T(plan_.p.lo),
                                        T(plan_.p.hi));
  for_spans(jobs, count, panel, [&](const Span& s) {
    if (plan_.exact)
      store_exact(s, panel);
    else if (plan_.out == DenseOut::planes)
      store_planes(s, panel);
    else
      store_positions(s, panel);
  });
}

template <class T>
void DenseStore<T>::store_positions(const Span& s, const DensePanel& panel) {
  const LayerProblem& p = plan_.p;
  const int64_t width = int64_t(panel.vectors) * plan_.lanes, step = p.axes.back().out_step;
  const int64_t item = kItemSize[int(p.out)];
  const T* from = buffer_ + s.position * width;
  const bool own = p.out == (std::is_same_v<T, float> ? DType::f32 : DType::f64);
  if (own && p.out_channel_step == channel_size_) {
    for (int64_t i = 0; i < s.count; ++i)
      copy_few(reinterpret_cast<const char*>(from + i * width), s.out + i * step,
               panel.channels * int64_t(sizeof(T)));
    return;
  }
  const StridedLine line{panel.channels / p.parts(), p.parts(), p.out_channel_step, item};
  for (int64_t i = 0; i < s.count; ++i)
    reported_ |= convert_.store[int(p.out)](from + i * width, s.out + i * step, line, p.store);
}

template <class T>
void DenseStore<T>::store_planes(const Span& s, const DensePanel& panel) {
  const LayerProblem& p = plan_.p;
  const int64_t width = int64_t(panel.vectors) * plan_.lanes, step = p.axes.back().out_step;
  const int64_t item = kItemSize[int(p.out)];
  const T* from = buffer_ + s.position * width;
  const bool own = p.out == (std::is_same_v<T, float> ? DType::f32 : DType::f64);
  if (own && step == item && p.out_channel_step % item == 0) {
    turn_.turn(from, width, 1, reinterpret_cast<T*>(s.out), p.out_channel_step / item, s.count,
               panel.channels);
    return;
  }
  turn_.turn(from, width, 1, planes_, s.count, s.count, panel.channels);
  for (int64_t c = 0; c < panel.channels; ++c)
    reported_ |= convert_.store[int(p.out)](planes_ + c * s.count, s.out + c * p.out_channel_step,
                                            {s.count, 1, step, item}, p.store);
}

// 8-bit integers: sums in double, which hold them exactly.
template <class T>
void DenseStore<T>::store_exact(const Span& s, const DensePanel& panel) {
  const LayerProblem& p = plan_.p;
  const int64_t width = int64_t(panel.vectors) * plan_.lanes, item = kItemSize[int(p.out)];
  const LayerAxis& columns = p.axes.back();
  for (int64_t i = 0; i < s.count; ++i) {
    double* sums = sums_ + (s.position + i) * width;
    if (p.bias)
      for (int64_t c = 0; c < panel.channels; ++c) sums[c] += wide_bias_[panel.channel + c];
    if (p.residual) {
      wide_.load[int(p.out)](s.residual + i * columns.residual_step,
                             {panel.channels, 1, p.residual_channel_step, item}, wide_line_);
      for (int64_t c = 0; c < panel.channels; ++c) sums[c] += wide_line_[c];
    }
    if (p.activation == Activation::clip)
      for (int64_t c = 0; c < panel.channels; ++c) sums[c] = std::min(std::max(sums[c], p.lo), p.hi);
    reported_ |= wide_.store[int(p.out)](sums, s.out + i * columns.out_step,
                                         {panel.channels, 1, p.out_channel_step, item}, p.store);
  }
}

template class DenseStore<float>;
template class DenseStore<double>;

}  // namespace faltung
