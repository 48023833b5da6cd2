// Stage 0 into the result: sums of all terms, mended where they are not finite, and stored.
#include <algorithm>

#include "core/ops/separable_run.h"

namespace faltung {
template <class T>
bool SeparableCorrelation<T>::store_rows(char* out, int64_t row_step, int64_t rows, int64_t columns,
                                         const T* c, int64_t ldc) const {
  const Roles& roles = s_.roles;
  const int64_t item = kItemSize[int(problem_.out)], step = roles.line.out_step;
  const auto store = convert_.store[int(problem_.out)];
  bool reported = false;
  for (int64_t r = 0; r < rows; ++r) {
    char* dst = out + r * row_step;
    const T* src = c + r * ldc;
    if (roles.contiguous(roles.out_inner, item))
      reported |= store(src, dst, {columns, roles.group, step, item}, problem_.store);
    else if (roles.parts == 1)
      reported |= store(src, dst, {columns, roles.group, step, roles.out_inner}, problem_.store);
    else
      for (int64_t i = 0; i < columns; ++i)
        reported |= store(src + i * roles.group, dst + i * step,
                          {roles.fused, roles.parts, roles.out_inner, item}, problem_.store);
  }
  return reported;
}

// What the cache may fetch while tiles compute: the lines of the input that come into the ring for outputs [row, row + rows).
template <class T>
NextLines SeparableCorrelation<T>::next_lines(size_t l, const char* plane, int64_t row, int64_t rows,
                                              const Unit& u, const char** next) const {
  if (s_.in_place || l + 1 < s_.stages.size()) return {};
  const ConvAxis &axis = s_.stages[l].axis, &line = s_.roles.line;
  const int64_t column = std::clamp<int64_t>(u.columns.begin * line.stride - line.pad, 0, line.in - 1);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t at = (u.begin[l] + s_.stages[l].row_classes * (row + i)) * axis.stride +
                       (axis.taps - 1) * axis.dilation - axis.pad;
    next[i] = plane + std::clamp<int64_t>(at, 0, axis.in - 1) * axis.in_step + column * line.in_step;
  }
  return {next, double(line.stride * line.in_step) / double(s_.roles.group)};
}

// `rows` outputs of a class of stage 0, for every line of the inner stages.
template <class T>
void SeparableCorrelation<T>::result_rows(int64_t row_class, int64_t row, int64_t rows, bool tame,
                                          const Unit& u, const Weights& weights, Workspace& w) const {
  const Stage& g = s_.stages[0];
  const Ring& ring = w.rings[0];
  const int64_t group = s_.roles.group, row_step = g.row_classes * g.axis.out_step;
  const bool in_place = s_.out_in_place && u.columns.size() * group >= columns_.lanes();
  const char* next[Columns<T>::kMostRows];
  for (int64_t r = 0, tile_rows = 0; r < rows; r += tile_rows) {
    tile_rows = columns_.next(rows - r, rows, g.least_taps);
    const int64_t at = std::min(r, rows - tile_rows);
    const NextLines ahead = next_lines(0, u.in, row + rows + at, tile_rows, u, next);
    const int64_t y = u.begin[0] + row_class + g.row_classes * (row + at);
    for (int64_t line = 0; line < u.lines[0]; ++line) {
      char* out = u.out + y * g.axis.out_step + u.columns.begin * s_.roles.line.out_step;
      int64_t rest = line;
      for (size_t l = s_.stages.size() - 1; l > 0; --l) {
        out += (u.begin[l] + rest % u.size(l)) * s_.stages[l].axis.out_step;
        rest /= u.size(l);
      }
      const int64_t x = line * u.elements;
      // A converted output passes through the tile buffer piece by piece, which stays in L1.
      const int64_t piece = in_place ? u.columns.size() : tile_elements_ / group;
      for (int64_t done = 0; done < u.columns.size(); done += piece) {
        const int64_t n = std::min(piece, u.columns.size() - done);
        const Piece part{
            y, g.row_classes, tile_rows, line, {u.columns.begin + done, u.columns.begin + done + n}};
        if (in_place) {
          T* c = reinterpret_cast<T*>(out);
          const int64_t ldc = g.axis.out == 1 ? 0 : row_step / int64_t(sizeof(T));
          columns_.row(ring.sums[0], ring.table + at, tile_rows, x, n * group, c, ldc, true, s_.stream,
                       ahead);
          if (!tame) mend(part, c, ldc, u, weights, w);
        } else {
          columns_.row(ring.sums[0], ring.table + at, tile_rows, x + done * group, n * group, w.tile,
                       tile_elements_, false, false, ahead.from(done * group));
          if (!tame) mend(part, w.tile, tile_elements_, u, weights, w);
          w.reported |=
              store_rows(out + done * s_.roles.line.out_step, row_step, tile_rows, n, w.tile, tile_elements_);
        }
      }
    }
  }
}

#define FALTUNG_INSTANTIATE(T)                                                                               \
  template NextLines SeparableCorrelation<T>::next_lines(size_t, const char*, int64_t, int64_t, const Unit&, \
                                                         const char**) const;                                \
  template void SeparableCorrelation<T>::result_rows(int64_t, int64_t, int64_t, bool, const Unit&,           \
                                                     const Weights&, Workspace&) const;
FALTUNG_INSTANTIATE(float)
FALTUNG_INSTANTIATE(double)

}  // namespace faltung
