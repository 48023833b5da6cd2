#include <algorithm>
#include <cstring>

#include "core/ops/grouped_lanes.h"

namespace faltung {

template <class T>
GroupedLanesArrays<T>::GroupedLanesArrays(const LayerProblem& problem, const GroupedLanesSchedule& schedule,
                                          Isa isa)
    : p_(problem), s_(schedule), kernels_(grouped_lanes_table<T>(isa)), turn_(turn_table<T>(isa)) {
  const int64_t item = int64_t(sizeof(T));
  const bool clips = p_.activation == Activation::none || p_.activation == Activation::clip;
  const auto whole = [](int64_t batch, int64_t row, int64_t column) {
    return (batch | row | column) % int64_t(sizeof(T)) == 0;
  };
  const LayerAxis &row = p_.axes[0], &column = p_.axes[1];
  out_direct_ =
      clips && p_.out_channel_step == item && whole(p_.out_batch_step, row.out_step, column.out_step);
  residual_direct_ = p_.residual && p_.residual_channel_step == item &&
                     whole(p_.residual_batch_step, row.residual_step, column.residual_step);
}

// Positions of channels, by any steps in bytes.
template <class T>
static void copy_block(const char* from, int64_t from_step, int64_t from_channel, char* to, int64_t to_step,
                       int64_t to_channel, int64_t positions, int64_t channels) {
  const int64_t item = int64_t(sizeof(T));
  const bool lines = from_channel == item && to_channel == item;
  for (int64_t i = 0; i < positions; ++i, from += from_step, to += to_step) {
    if (lines) {
      std::memcpy(to, from, size_t(channels * item));
      continue;
    }
    for (int64_t c = 0; c < channels; ++c)
      std::memcpy(to + c * to_channel, from + c * from_channel, sizeof(T));
  }
}

// `count` positions of some neighbouring channels into one panel.
template <class T>
void GroupedLanesArrays<T>::pack_panel(const char* from, int64_t channels, int64_t count, T* to) const {
  const int64_t item = int64_t(sizeof(T)), step = p_.axes[1].in_step, L = s_.lanes;
  constexpr int64_t piece = 16 / int64_t(sizeof(T));  // whole pieces are turned fast: the last overlaps
  if (step == item && p_.in_channel_step % item == 0 && count >= piece) {
    const T* const samples = reinterpret_cast<const T*>(from);
    const int64_t whole = count / piece * piece, planes = p_.in_channel_step / item;
    turn_.turn(samples, planes, 1, to, L, channels, whole);
    if (whole < count)
      turn_.turn(samples + count - piece, planes, 1, to + (count - piece) * L, L, channels, piece);
  } else {
    copy_block<T>(from, step, p_.in_channel_step, reinterpret_cast<char*>(to), L * item, item, count,
                  channels);
  }
}

// `count` positions of all panels of a unit; `from` is channel 0 of the first.
template <class T>
void GroupedLanesArrays<T>::pack_positions(const GroupedLanesUnit& u, const char* from, int64_t count,
                                           T* to) const {
  const int64_t item = int64_t(sizeof(T)), panels = u.bundles * s_.panels, L = s_.lanes;
  const auto first = [&](int64_t n) { return s_.first_channel(u.bundle + n / s_.panels, n % s_.panels); };
  for (int64_t n = 0; n < panels;) {
    const char* const source = from + first(n) * p_.in_channel_step;
    int64_t same = 1;  // whole panels whose channels follow each other
    const bool full = s_.panel_channels(n % s_.panels) == L;
    while (full && n + same < panels && first(n + same) == first(n) + same * L &&
           s_.panel_channels((n + same) % s_.panels) == L)
      ++same;
    if (full && p_.in_channel_step == item && p_.axes[1].in_step % item == 0) {
      kernels_.collect(reinterpret_cast<const T*>(source), p_.axes[1].in_step / item, to + n * s_.panel,
                       s_.panel, same, count);
      n += same;
    } else {
      pack_panel(source, s_.panel_channels(n % s_.panels), count, to + n * s_.panel);
      ++n;
    }
  }
}

template <class T>
void GroupedLanesArrays<T>::pack(const GroupedLanesUnit& u, const char* in, T* panels) const {
  const LayerAxis &row = p_.axes[0], &column = p_.axes[1];
  const int64_t rows = (u.rows - 1) * row.stride + (row.taps - 1) * row.dilation + 1;
  const int64_t n = (u.columns - 1) * column.stride + (column.taps - 1) * column.dilation + 1;
  const int64_t first = u.column * column.stride - column.pad, L = s_.lanes;
  const int64_t lead = std::clamp<int64_t>(-first, 0, n),
                stop = std::clamp<int64_t>(column.in - first, lead, n);
  in += u.item * p_.in_batch_step;
  const auto clear = [&](T* to, int64_t count) {
    for (int64_t b = 0; count > 0 && b < u.bundles * s_.panels; ++b)
      std::fill(to + b * s_.panel, to + b * s_.panel + count * L, T(0));
  };
  for (int64_t r = 0; r < rows; ++r, panels += s_.line) {
    const int64_t y = boundary_index(u.row * row.stride + r - row.pad, row.in, row.boundary);
    if (y < 0) {
      clear(panels, n);
      continue;
    }
    const char* const from = in + y * row.in_step;
    if (stop > lead)
      pack_positions(u, from + (first + lead) * column.in_step, stop - lead, panels + lead * L);
    if (column.boundary == Boundary::constant) {
      clear(panels, lead);
      clear(panels + stop * L, n - stop);
      continue;
    }
    for (int64_t i = lead > 0 ? 0 : stop; i < n; i = i + 1 == lead ? stop : i + 1)
      pack_positions(u, from + boundary_index(first + i, column.in, column.boundary) * column.in_step, 1,
                     panels + i * L);
  }
}

// Rows of the unit's outputs, in memory by the steps given: visit(bytes, first position of the unit, positions).
template <class Visit>
static void for_rows(const GroupedLanesUnit& u, int64_t row_step, int64_t step, int64_t columns,
                     Visit visit) {
  const bool one = u.columns == columns && row_step == step * columns;  // all rows are one
  const int64_t rows = one ? 1 : u.rows, count = u.rows * u.columns / rows;
  for (int64_t r = 0; r < rows; ++r) visit((u.row + r) * row_step + u.column * step, r * count, count);
}

template <class T>
void GroupedLanesArrays<T>::load_residual(const GroupedLanesUnit& u, const char* residual, T* to) const {
  const int64_t item = int64_t(sizeof(T)), step = p_.axes[1].residual_step, planes = p_.residual_channel_step;
  residual += u.item * p_.residual_batch_step + u.out * planes;
  for_rows(u, p_.axes[0].residual_step, step, p_.axes[1].out, [&](int64_t at, int64_t first, int64_t count) {
    T* const block = to + first * u.outs;
    if (step == item && planes % item == 0)
      return turn_.turn(reinterpret_cast<const T*>(residual + at), planes / item, 1, block, u.outs, u.outs,
                        count);
    copy_block<T>(residual + at, step, planes, reinterpret_cast<char*>(block), u.outs * item, item, count,
                  u.outs);
  });
}

template <class T>
void GroupedLanesArrays<T>::store(const GroupedLanesUnit& u, const T* from, char* out) const {
  const int64_t item = int64_t(sizeof(T)), step = p_.axes[1].out_step, planes = p_.out_channel_step;
  out += u.item * p_.out_batch_step + u.out * planes;
  for_rows(u, p_.axes[0].out_step, step, p_.axes[1].out, [&](int64_t at, int64_t first, int64_t count) {
    const T* const block = from + first * u.outs;
    if (step == item && planes != item && planes % item == 0)
      return turn_.turn(block, u.outs, 1, reinterpret_cast<T*>(out + at), planes / item, count, u.outs);
    copy_block<T>(reinterpret_cast<const char*>(block), u.outs * item, item, out + at, step, planes, count,
                  u.outs);
  });
}

template class GroupedLanesArrays<float>;
template class GroupedLanesArrays<double>;

}  // namespace faltung
