// One unit of work: a block of outputs of one batch item, stage by stage.
#include <algorithm>

#include "core/ops/separable_run.h"

namespace faltung {
namespace {

// Goes over `count` positions of a stage, `step` apart: for each the sample it stands for (-1: the constant), its slot in the
// ring and the key that the slot then holds.
template <class F>
void visit(const Stage& g, int64_t position, int64_t step, int64_t count, F f) {
  int64_t key = position / g.gcd, slot = key % g.slots;
  const int64_t keys = step / g.gcd, slots = keys % g.slots;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = position - g.axis.pad;
    if (at < 0 || at >= g.axis.in) at = boundary_index(at, g.axis.in, g.axis.boundary);
    if (g.by_source)
      f(i, at, at, at);
    else
      f(i, at, slot, key);
    position += step;
    key += keys;
    slot += slots;
    if (slot >= g.slots) slot -= g.slots;
  }
}

}  // namespace

// Makes the slots that outputs [row, end) of every class need and the ring does not hold.
template <class T>
void SeparableCorrelation<T>::fetch(size_t l, const char* plane, int64_t row, int64_t end, const Unit& u,
                                    const Weights& weights, Workspace& w) const {
  const bool last = l + 1 == s_.stages.size();
  if (s_.in_place && last) return;
  const Stage& g = s_.stages[l];
  Ring& ring = w.rings[l];
  ring.missing.clear();
  for (int64_t c = 0; c < g.row_classes; ++c) {
    const int64_t first = u.begin[l] + c + g.row_classes * row;
    const int64_t n = std::min(end - row, (u.end[l] - first + g.row_classes - 1) / g.row_classes);
    if (n <= 0) break;
    for (int64_t p = 0; p < g.kernel_classes; ++p) {
      // What earlier rows needed is still there.
      const int64_t held = row == 0 ? 0 : g.class_taps[size_t(p)] - 1, step = g.row_classes * g.axis.stride;
      visit(g, first * g.axis.stride + p * g.axis.dilation + held * step, step,
            n + g.class_taps[size_t(p)] - 1 - held, [&](int64_t, int64_t at, int64_t slot, int64_t key) {
              if (at < 0 || ring.holds[size_t(slot)] == key) return;
              ring.holds[size_t(slot)] = key;
              ring.missing.push_back({slot, at});
            });
    }
  }
  const int64_t slab = u.lines[l] * u.elements, stride = s_.terms * slab;
  if (!last) {
    for (const typename Ring::Missing& m : ring.missing)
      ring.tame[size_t(m.slot)] =
          run_stage(l + 1, plane + m.source * g.axis.in_step, ring.slots + m.slot * stride, u, weights, w);
    return;
  }
  const char* sources[LinePass<T>::kMost];
  T* into[LinePass<T>::kMost];
  for (size_t begin = 0; begin < ring.missing.size();) {
    const size_t n = std::min(ring.missing.size() - begin, size_t(line_.most()));
    for (size_t i = 0; i < n; ++i) {
      sources[i] = plane + ring.missing[begin + i].source * g.axis.in_step;
      into[i] = ring.slots + ring.missing[begin + i].slot * stride;
    }
    const T squares = line_.run(sources, into, int64_t(n), u.columns.size(), slab, w.line);
    for (size_t i = 0; i < n; ++i)
      ring.tame[size_t(ring.missing[begin + i].slot)] = squares < weights.squares;
    begin += n;
  }
}

// The row table for `rows` outputs of a class, from its output `row` on. Whether all that they sum over is tame.
template <class T>
bool SeparableCorrelation<T>::fill_table(size_t l, const char* plane, int64_t row_class, int64_t row,
                                         int64_t rows, const Unit& u, const Weights& weights,
                                         Ring& ring) const {
  const Stage& g = s_.stages[l];
  const bool in_place = s_.in_place && l + 1 == s_.stages.size();
  const int64_t slab = u.lines[l] * u.elements, stride = s_.terms * slab, terms = g.panels / g.kernel_classes;
  const int64_t first = (u.begin[l] + row_class + g.row_classes * row) * g.axis.stride;
  bool tame = !in_place;
  for (int64_t p = 0; p < g.kernel_classes; ++p) {
    const T** table = ring.table + p * g.panel_stride;
    visit(g, first + p * g.axis.dilation, g.row_classes * g.axis.stride, rows + g.class_taps[size_t(p)] - 1,
          [&](int64_t i, int64_t at, int64_t slot, int64_t) {
            if (at < 0)
              table[i] = ring.constant, tame &= weights.tame_constants;
            else if (in_place)
              table[i] =
                  reinterpret_cast<const T*>(plane + at * g.axis.in_step) + u.columns.begin * s_.roles.group;
            else
              table[i] = ring.slots + slot * stride, tame &= bool(ring.tame[size_t(slot)]);
            for (int64_t term = 1; term < terms; ++term)
              table[term * g.kernel_classes * g.panel_stride + i] = table[i] + term * slab;
          });
  }
  return tame;
}

// A stage from a plane of the input: into a slot of the stage above, or (stage 0) into the result. Whether the slot is tame.
template <class T>
bool SeparableCorrelation<T>::run_stage(size_t l, const char* plane, T* into, const Unit& u,
                                        const Weights& weights, Workspace& w) const {
  const Stage& g = s_.stages[l];
  Ring& ring = w.rings[l];
  std::fill(ring.holds.begin(), ring.holds.end(), -1);
  const bool last = l + 1 == s_.stages.size(), in_place = s_.in_place && last;
  const int64_t size = u.size(l), rows = (size + g.row_classes - 1) / g.row_classes;
  const int64_t slab = u.lines[l] * u.elements;
  bool all_tame = true;
  const char* next[Columns<T>::kMostRows];
  for (int64_t row = 0; row < rows; row += g.chunk) {
    const int64_t end = std::min(rows, row + g.chunk);
    fetch(l, plane, row, end, u, weights, w);
    for (int64_t c = 0; c < g.row_classes; ++c) {
      const int64_t n = std::min(end, (size - c + g.row_classes - 1) / g.row_classes) - row;
      if (n <= 0) break;
      const bool tame = fill_table(l, plane, c, row, n, u, weights, ring);
      all_tame &= tame;
      if (l == 0) {
        result_rows(c, row, n, tame, u, weights, w);
        continue;
      }
      // The lines of a slot are one long line. In place it is the input's, which ends where it ends.
      const int64_t elements = in_place ? u.columns.size() * s_.roles.group : slab;
      for (int64_t r = 0, tile_rows = 0; r < n; r += tile_rows) {
        tile_rows = columns_.next(n - r, n, g.least_taps);
        const int64_t at = std::min(r, n - tile_rows);
        const NextLines ahead = next_lines(l, plane, row + n + at, tile_rows, u, next);
        for (int64_t term = 0; term < s_.terms; ++term)
          columns_.row(ring.sums[size_t(term)], ring.table + at, tile_rows, in_place ? 0 : term * slab,
                       elements, into + (term * size + c + g.row_classes * (row + at)) * slab,
                       g.row_classes * slab, in_place, false, term == 0 ? ahead : NextLines());
      }
    }
  }
  return all_tame;
}

template <class T>
void SeparableCorrelation<T>::run_unit(int64_t unit, const char* in, char* out, const Weights& weights,
                                       Workspace& w) const {
  Unit& u = w.unit;
  u.in = in;
  u.out = out;
  const auto take = [&unit](int64_t n) {
    const int64_t at = unit % n;
    unit /= n;
    return at;
  };
  const int64_t columns = s_.roles.line.out, block = take(s_.column_blocks);
  u.columns = {block * columns / s_.column_blocks, (block + 1) * columns / s_.column_blocks};
  u.elements = s_.line_elements(u.columns.size());
  int64_t lines = 1;
  for (size_t l = s_.stages.size(); l-- > 0;) {
    const Stage& g = s_.stages[l];
    u.begin[l] = take(g.blocks()) * g.block;
    u.end[l] = std::min(g.axis.out, u.begin[l] + g.block);
    u.lines[l] = lines;
    lines *= u.size(l);
  }
  for (size_t b = s_.roles.batch.size(); b-- > 0;) {
    const int64_t at = take(s_.roles.batch[b].size);
    u.in += at * s_.roles.batch[b].in_step;
    u.out += at * s_.roles.batch[b].out_step;
  }
  line_.aim(u.columns, w.line);
  for (size_t l = 0; l < s_.stages.size(); ++l) fill_constant(l, weights, u, w.rings[l]);
  w.stays_finite = -1;
  run_stage(0, u.in, nullptr, u, weights, w);
}

template class SeparableCorrelation<float>;
template class SeparableCorrelation<double>;

}  // namespace faltung
