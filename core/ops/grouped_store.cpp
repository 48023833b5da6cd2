#include "core/ops/grouped_store.h"

#include <limits>
#include <type_traits>

namespace faltung {

template <class T>
GroupedStore<T>::GroupedStore(const LayerProblem& problem, const GroupedSchedule& schedule, Isa isa)
    : p_(problem),
      s_(schedule),
      kernels_(grouped_table<T>(isa)),
      convert_(convert_table<T>(isa)),
      turn_(turn_table<T>(isa)),
      epilogue_(epilogue_table<T>(isa)) {
  const int64_t item = kItemSize[int(p_.out)];
  const LayerAxis& row = p_.axes[p_.axes.size() - 2];
  const LayerAxis& line = p_.axes.back();
  const bool clips = p_.activation == Activation::none || p_.activation == Activation::clip;
  typed_ = p_.out == (std::is_same_v<T, float> ? DType::f32 : DType::f64);
  residual_direct_ = p_.residual && typed_ && line.residual_step == item && row.residual_step % item == 0;
  direct_ = typed_ && clips && line.out_step == item && row.out_step % item == 0 &&
            (!p_.residual || residual_direct_);
  last_ = !direct_ && p_.out_channel_step == item && line.out_step != item;
  residual_last_ = p_.residual && !residual_direct_ && p_.residual_channel_step == item;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  lo_ = p_.activation == Activation::clip ? T(p_.lo) : -infinity;
  hi_ = p_.activation == Activation::clip ? T(p_.hi) : infinity;
}

template <class T>
int64_t GroupedStore<T>::spare(int64_t channels) const {
  const int64_t line = s_.row_step * channels;  // at least the positions of a row
  const int64_t residuals = p_.residual && !residual_direct_ ? s_.outer_step * channels : 0;
  return channels + residuals + line;
}

template <class T>
void GroupedStore<T>::load_residuals(const Rows& w) const {
  const int64_t item = kItemSize[int(p_.out)];
  const int64_t row_step = p_.axes[p_.axes.size() - 2].residual_step, step = p_.axes.back().residual_step;
  const auto load = convert_.load[int(p_.out)];
  for (int64_t r = 0; r < w.rows; ++r) {
    const char* from = w.residual + r * row_step;
    T* to = w.residuals + r * s_.row_step;
    if (residual_last_) {
      load(from, {w.count, w.channels, step, item}, w.line);
      turn_.turn(w.line, w.channels, 1, to, s_.outer_step, w.count, w.channels);
    } else {
      for (int64_t o = 0; o < w.channels; ++o)
        load(from + o * p_.residual_channel_step, {w.count, 1, step, item}, to + o * s_.outer_step);
    }
  }
}

template <class T>
void GroupedStore<T>::activate(const Rows& w, T* sums) const {
  const auto function = epilogue_.activate[int(p_.activation)];
  if (s_.flat) {
    function(sums, (w.rows - 1) * s_.row_step + w.count, T(p_.lo), T(p_.hi));
  } else {
    for (int64_t r = 0; r < w.rows; ++r) function(sums + r * s_.row_step, w.count, T(p_.lo), T(p_.hi));
  }
}

template <class T>
bool GroupedStore<T>::store_rows(const Rows& w) const {
  const int64_t item = kItemSize[int(p_.out)];
  const LayerAxis& row = p_.axes[p_.axes.size() - 2];
  const int64_t step = p_.axes.back().out_step;
  if (p_.residual && !residual_direct_) load_residuals(w);
  for (int64_t o = 0; o < w.channels; ++o) {
    T* const sums = w.sums + o * s_.sum_plane;
    FinishArgs<T> f{sums, sums, nullptr, w.rows, w.count, s_.row_step, s_.row_step, 0, w.bias[o], lo_, hi_};
    if (direct_)
      f.out = reinterpret_cast<T*>(w.out + o * p_.out_channel_step), f.out_step = row.out_step / item;
    if (p_.residual && residual_direct_) {
      f.residual = reinterpret_cast<const T*>(w.residual + o * p_.residual_channel_step);
      f.residual_step = row.residual_step / item;
    } else if (p_.residual) {
      f.residual = w.residuals + o * s_.outer_step;
      f.residual_step = s_.row_step;
    }
    kernels_.finish(f);
    if (p_.activation != Activation::none && p_.activation != Activation::clip) activate(w, sums);
  }
  bool reported = false;
  for (int64_t r = 0; r < w.rows && !direct_; ++r) {
    const T* const sums = w.sums + r * s_.row_step;
    char* const out = w.out + r * row.out_step;
    if (last_ && typed_ && step % item == 0) {
      turn_.turn(sums, s_.sum_plane, 1, reinterpret_cast<T*>(out), step / item, w.channels, w.count);
    } else if (last_) {
      turn_.turn(sums, s_.sum_plane, 1, w.line, w.channels, w.channels, w.count);
      reported |= convert_.store[int(p_.out)](w.line, out, {w.count, w.channels, step, item}, p_.store);
    } else {
      for (int64_t o = 0; o < w.channels; ++o)
        reported |= convert_.store[int(p_.out)](sums + o * s_.sum_plane, out + o * p_.out_channel_step,
                                                {w.count, 1, step, item}, p_.store);
    }
  }
  return reported;
}

template <class T>
bool GroupedStore<T>::run(const GroupedUnit& u, int64_t first, int64_t channels, const LayerArrays& arrays,
                          T* sums, T* spare) const {
  const size_t rank = p_.axes.size();
  const int64_t item = kItemSize[int(p_.out)];
  T* const bias = spare;
  for (int64_t o = 0; o < channels; ++o) bias[o] = 0;
  if (p_.bias)
    convert_.load[int(p_.out)](static_cast<const char*>(arrays.bias) + first * item,
                               {channels, 1, item, item}, bias);
  Rows w{channels, u.outs[rank - 2], u.outs[rank - 1], sums, nullptr,
         nullptr,  spare + channels, nullptr,          bias};
  w.line = w.residuals + (p_.residual && !residual_direct_ ? s_.outer_step * channels : 0);
  int64_t outer = 1;
  for (size_t a = 0; a + 2 < rank; ++a) outer *= u.outs[a];
  bool reported = false;
  for (int64_t n = 0; n < outer; ++n, w.sums += s_.outer_step) {
    w.out = static_cast<char*>(arrays.out) + u.item * p_.out_batch_step + first * p_.out_channel_step;
    w.residual = static_cast<const char*>(arrays.residual);
    if (p_.residual) w.residual += u.item * p_.residual_batch_step + first * p_.residual_channel_step;
    int64_t rest = n;
    for (size_t a = rank; a-- > 0;) {
      const bool is_outer = a + 2 < rank;
      const int64_t at = u.begin[a] + (is_outer ? rest % u.outs[a] : 0);
      if (is_outer) rest /= u.outs[a];
      w.out += at * p_.axes[a].out_step;
      if (p_.residual) w.residual += at * p_.axes[a].residual_step;
    }
    reported |= store_rows(w);
  }
  return reported;
}

template class GroupedStore<float>;
template class GroupedStore<double>;

}  // namespace faltung
