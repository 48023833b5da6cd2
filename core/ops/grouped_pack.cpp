#include "core/ops/grouped_pack.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace faltung {

// Packed rows of all channels of a unit that are read from evenly spaced rows of the input, or from none.
template <class T>
struct GroupedPack<T>::Rows {
  const LayerAxis& axis;  // of the line
  int64_t phase, begin;   // of the line
  int64_t channels;
  const char* from;  // sample 0 of the first row, channel 0; null: rows of zeros
  T* to;             // position 0 of the first row, channel 0
  int64_t rows, from_step, to_step, count;
};

template <class T>
GroupedPack<T>::GroupedPack(const LayerProblem& problem, const GroupedSchedule& schedule, Isa isa)
    : p_(problem),
      s_(schedule),
      kernels_(grouped_table<T>(isa)),
      convert_(convert_table<T>(isa)),
      turn_(turn_table<T>(isa)) {
  const int64_t item = int64_t(sizeof(T));
  const LayerAxis& line = p_.axes.back();
  const LayerAxis& row = p_.axes[p_.axes.size() - 2];
  direct_ = p_.in == (std::is_same_v<T, float> ? DType::f32 : DType::f64) && line.in_step % item == 0 &&
            row.in_step % item == 0;
  last_ = p_.in_channel_step == kItemSize[int(p_.in)] && line.in_step != p_.in_channel_step;
}

template <class T>
T GroupedPack<T>::sample(const char* at) const {
  T value;
  const int64_t item = kItemSize[int(p_.in)];
  convert_.load[int(p_.in)](at, {1, 1, item, item}, &value);
  return value - T(p_.in_zero);
}

// Positions of rows whose samples lie outside: copies of others.
template <class T>
void GroupedPack<T>::fill_ends(const Rows& w, int64_t low, int64_t high) const {
  for (int64_t q = low > 0 ? 0 : high; q < w.count; q = q + 1 == low ? high : q + 1) {
    const int64_t i =
        boundary_index((w.begin + q) * w.axis.stride + w.phase - w.axis.pad, w.axis.in, w.axis.boundary);
    for (int64_t c = 0; c < w.channels; ++c)
      for (int64_t r = 0; r < w.rows; ++r)
        w.to[c * s_.phases * s_.plane + r * w.to_step + q] =
            sample(w.from + c * p_.in_channel_step + r * w.from_step + i * w.axis.in_step);
  }
}

// Channels last: positions by channels, turned.
template <class T>
void GroupedPack<T>::turn_rows(const Rows& w, int64_t low, int64_t inner, const char* from, T* spare) const {
  const int64_t channel = s_.phases * s_.plane, step = w.axis.stride * w.axis.in_step;
  for (int64_t r = 0; r < w.rows; ++r, from += w.from_step) {
    T* to = w.to + r * w.to_step + low;
    if (direct_) {
      turn_.turn(reinterpret_cast<const T*>(from), step / int64_t(sizeof(T)), 1, to, channel, inner,
                 w.channels);
      continue;
    }
    convert_.load[int(p_.in)](from, {inner, w.channels, step, kItemSize[int(p_.in)]}, spare);
    subtract_zero(spare, inner * w.channels);
    turn_.turn(spare, w.channels, 1, to, channel, inner, w.channels);
  }
}

template <class T>
void GroupedPack<T>::subtract_zero(T* values, int64_t count) const {
  if (p_.in_zero == 0) return;
  for (int64_t i = 0; i < count; ++i) values[i] -= T(p_.in_zero);
}

template <class T>
void GroupedPack<T>::pack_rows(const Rows& w, T* spare) const {
  const int64_t channel = s_.phases * s_.plane, item = int64_t(sizeof(T)),
                step = w.axis.stride * w.axis.in_step;
  const auto [low, high] = w.from ? inside(w.axis, w.phase, w.begin, w.count) : Inside{w.count, w.count};
  const int64_t inner = high - low, first = (w.begin + low) * w.axis.stride + w.phase - w.axis.pad;
  const char* const source = inner ? w.from + first * w.axis.in_step : nullptr;
  const bool lines = direct_ && !last_ && (step == item || step == 2 * item);
  for (int64_t c = 0; c < w.channels; ++c) {
    T* to = w.to + c * channel;
    const char* from = inner ? source + c * p_.in_channel_step : nullptr;
    BorderArgs<T> b{
        reinterpret_cast<const T*>(from), to, w.rows, low, 0, 0, step / item, w.from_step / item, w.to_step};
    if (lines) {
      b.count = inner, b.after = w.count - high;
      kernels_.border(b);
      continue;
    }
    if (low > 0) kernels_.border(b);
    b.to = to + high, b.before = 0, b.after = w.count - high;
    if (b.after > 0) kernels_.border(b);
    if (last_ || inner == 0) continue;
    for (int64_t r = 0; r < w.rows; ++r, to += w.to_step, from += w.from_step) {
      convert_.load[int(p_.in)](from, {inner, 1, step, kItemSize[int(p_.in)]}, to + low);
      subtract_zero(to + low, inner);
    }
  }
  if (last_ && inner > 0) turn_rows(w, low, inner, source, spare);
  if (w.from && w.axis.boundary != Boundary::constant && inner < w.count) fill_ends(w, low, high);
}

template <class T>
void GroupedPack<T>::run(const GroupedUnit& u, const char* in, T* planes, T* spare) const {
  const size_t rank = p_.axes.size();
  const int64_t channels = u.groups * p_.group_in();
  const char* const source = in + u.item * p_.in_batch_step + u.group * p_.group_in() * p_.in_channel_step;
  const LayerAxis& row = p_.axes[rank - 2];
  const LayerAxis& line = p_.axes[rank - 1];
  int64_t outer = 1;
  for (size_t a = 0; a + 2 < rank; ++a) outer *= u.outs[a] + s_.axes[a].shifts;
  for (int64_t phase = 0; phase < s_.phases; ++phase) {
    std::vector<int64_t> phases(rank);
    int64_t rest = phase;
    for (size_t a = rank; a-- > 0;) {
      const auto& of = s_.axes[a].phases;
      phases[a] = of[size_t(rest % int64_t(of.size()))];
      rest /= int64_t(of.size());
    }
    for (int64_t n = 0; n < outer; ++n) {
      const char* from = source;
      T* to = planes + phase * s_.plane;
      rest = n;
      for (size_t a = rank - 2; a-- > 0;) {
        const LayerAxis& axis = p_.axes[a];
        const int64_t size = u.outs[a] + s_.axes[a].shifts, q = rest % size;
        rest /= size;
        const int64_t i =
            boundary_index((u.begin[a] + q) * axis.stride + phases[a] - axis.pad, axis.in, axis.boundary);
        if (i < 0) from = nullptr;
        if (from) from += i * axis.in_step;
        to += q * s_.axes[a].step;
      }
      const int64_t rows = u.outs[rank - 2] + s_.axes[rank - 2].shifts;
      const int64_t to_step = s_.axes[rank - 2].step;
      Rows w{line,
             phases[rank - 1],
             u.begin[rank - 1],
             channels,
             nullptr,
             to,
             0,
             row.stride * row.in_step,
             to_step,
             u.outs[rank - 1] + s_.axes[rank - 1].shifts};
      const Inside inner = inside(row, phases[rank - 2], u.begin[rank - 2], rows);
      for (int64_t r = 0; r < rows; r += w.rows, w.to += w.rows * to_step) {
        const bool even = r == inner.begin;
        const int64_t i = boundary_index((u.begin[rank - 2] + r) * row.stride + phases[rank - 2] - row.pad,
                                         row.in, row.boundary);
        w.from = from && i >= 0 ? from + i * row.in_step : nullptr;
        w.rows = even ? inner.end - inner.begin : 1;
        pack_rows(w, spare);
      }
    }
  }
}

template class GroupedPack<float>;
template class GroupedPack<double>;

}  // namespace faltung
