// Outputs that came out infinite or as NaN. The definition multiplies samples by products of factors; a separable sum
// multiplies one factor after another, and its intermediates may overflow, or infinities meet, where in the definition they do
// not. Such outputs, and no others, are taken from the direct method with the whole kernel, which works in cells of a fixed
// grid: so their bits depend neither on the units nor on strides.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/ops/separable_run.h"
#include "core/ops/subproblem.h"

namespace faltung {
namespace {

constexpr int64_t kCellRows = 16, kCellColumns = 128;

template <class T>
bool all_finite(const T* c, int64_t ldc, int64_t rows, int64_t n) {
  using Word = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr Word infinity = sizeof(T) == 4 ? Word(0x7f800000) : Word(0x7ff0000000000000);
  constexpr int64_t step = 32;
  Word bad = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const T* p = c + r * ldc;
    Word words[step], any[step] = {};
    int64_t i = 0;
    for (; i + step <= n; i += step) {
      __builtin_memcpy(words, p + i, sizeof words);
      for (int64_t k = 0; k < step; ++k) any[k] |= Word((words[k] & infinity) == infinity);
    }
    for (; i < n; ++i) {
      __builtin_memcpy(words, p + i, sizeof(Word));
      bad |= Word((words[0] & infinity) == infinity);
    }
    for (int64_t k = 0; k < step; ++k) bad |= any[k];
  }
  return bad == 0;
}

}  // namespace

// Whether every infinity and NaN among the outputs comes from a NaN in its window, which the definition answers alike: no
// sample is infinite, and no sum of finite ones can overflow. Images with missing samples stay fast by that.
template <class T>
bool SeparableCorrelation<T>::sums_stay_finite(const Unit& u, const Weights& weights, Workspace& w) const {
  double largest = 0;
  const auto look = [&](const T* p, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const double x = std::abs(double(p[i]));
      if (x > largest) largest = x;  // NaN is passed over
    }
  };
  look(fill_, s_.roles.parts);
  // Every line that the unit reads: the odometer goes over positions of the stages.
  std::vector<int64_t> at(s_.stages.size()), first(s_.stages.size()), last(s_.stages.size());
  for (size_t l = 0; l < at.size(); ++l) {
    const Stage& g = s_.stages[l];
    first[l] = at[l] = u.begin[l] * g.axis.stride;
    last[l] =
        std::min((u.end[l] - 1) * g.axis.stride + (g.axis.taps - 1) * g.axis.dilation,
                 first[l] + 2 * g.axis.in + std::abs(g.axis.pad));  // a period or the array and all before it
  }
  const double limit = double(std::numeric_limits<T>::max()) / 4;
  for (;;) {
    const char* line = u.in;
    for (size_t l = 0; l < at.size(); ++l) {
      const ConvAxis& a = s_.stages[l].axis;
      const int64_t from = boundary_index(at[l] - a.pad, a.in, a.boundary);
      line = from < 0 || !line ? nullptr : line + from * a.in_step;
    }
    if (line) {
      line_.pack(line, w.line);
      look(w.line.lines, line_.packed_elements());
      if (!(largest * weights.growth < limit)) return false;
    }
    size_t l = at.size();
    while (l > 0 && ++at[l - 1] > last[l - 1]) at[l - 1] = first[l - 1], --l;
    if (l == 0) return largest * weights.growth < limit;
  }
}

template <class T>
void SeparableCorrelation<T>::mend(const Piece& piece, T* c, int64_t ldc, const Unit& u,
                                   const Weights& weights, Workspace& w) const {
  const int64_t group = s_.roles.group, parts = s_.roles.parts;
  if (all_finite(c, ldc, piece.rows, piece.columns.size() * group)) return;
  if (w.stays_finite < 0) w.stays_finite = sums_stay_finite(u, weights, w);
  if (w.stays_finite) return;
  // Along a line of the batch every sample is a column of its own.
  const int64_t wide = s_.line_convolved ? kCellColumns : 1;
  const int64_t last_row = piece.row + (piece.rows - 1) * piece.step;
  for (int64_t y = piece.row / kCellRows * kCellRows; y <= last_row; y += kCellRows)
    for (int64_t x = piece.columns.begin / wide * wide; x < piece.columns.end; x += wide)
      for (int64_t item = 0; item < s_.roles.fused; ++item) {
        Box cell{{y}, {std::min(y + kCellRows, s_.stages[0].axis.out)}};
        int64_t rest = piece.line;
        for (size_t l = s_.stages.size(); l-- > 1;) {
          const int64_t at = u.begin[l] + rest % u.size(l);
          rest /= u.size(l);
          cell.begin.insert(cell.begin.begin() + 1, at);
          cell.end.insert(cell.end.begin() + 1, at + 1);
        }
        const int64_t end = std::min(x + wide, s_.roles.line.out);
        // The outputs of the piece inside the cell, and whether one of them is to be replaced.
        const Interval columns{std::max(x, piece.columns.begin), std::min(end, piece.columns.end)};
        std::vector<T> right;
        for (int64_t r = 0; r < piece.rows; ++r) {
          const int64_t row = piece.row + r * piece.step;
          if (row < cell.begin[0] || row >= cell.end[0]) continue;
          for (int64_t at = columns.begin; at < columns.end; ++at)
            for (int64_t p = 0; p < parts; ++p) {
              T& value = c[r * ldc + (at - piece.columns.begin) * group + item * parts + p];
              if (value - value == 0) continue;
              if (right.empty()) right = by_product(cell, {x, end}, item, u, weights);
              value = right[size_t(((row - cell.begin[0]) * (end - x) + at - x) * parts + p)];
            }
        }
      }
}

// A cell by the direct method, in the computing type: rows of stage 0, columns of one item.
template <class T>
std::vector<T> SeparableCorrelation<T>::by_product(Box cell, Interval columns, int64_t item, const Unit& u,
                                                   const Weights& weights) const {
  std::call_once(weights.once,
                 [&] { weights.product = weights.factors.product(s_.terms, item_axes_, problem_); });
  Box items;
  if (!s_.line_convolved) {
    items = {{columns.begin}, {columns.end}};
  } else {
    cell.begin.push_back(columns.begin);
    cell.end.push_back(columns.end);
    if (s_.roles.fused > 1) items = {{item}, {item + 1}};
  }
  Subproblem part = subproblem(item_, cell, items);
  part.problem.out = sizeof(T) == 4 ? DType::f32 : DType::f64;
  part.problem.store = Store::cast;
  const int64_t size = s_.roles.parts * int64_t(sizeof(T));
  for (ConvAxis& a : part.problem.axes) a.out_step = 0;
  part.problem.axes[0].out_step = columns.size() * size;
  if (s_.line_convolved) part.problem.axes.back().out_step = size;
  std::vector<T> results(size_t((cell.end[0] - cell.begin[0]) * columns.size() * s_.roles.parts));
  plan_stencil(part.problem, isa_)->run(u.in + part.in, weights.product.data(), results.data(), 1, {});
  return results;
}

template void SeparableCorrelation<float>::mend(const Piece&, float*, int64_t, const Unit&, const Weights&,
                                                Workspace&) const;
template void SeparableCorrelation<double>::mend(const Piece&, double*, int64_t, const Unit&, const Weights&,
                                                 Workspace&) const;

}  // namespace faltung
