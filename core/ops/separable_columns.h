// Tiles across lines: which shapes an instruction set offers, and rows of tiles over a table of lines.
#pragma once
#include <cstdint>
#include <vector>

#include "core/kernels/separable.h"

namespace faltung {

// Taps in a row of the table of lines, and where their weights stand.
struct ColumnsPart {
  int64_t line, weights, taps;
};

// Parts that a tile sums from zero: at most 256 terms.
using ColumnsCall = std::vector<ColumnsPart>;

// Lines that are read next, one for each row, from where they begin; `step` bytes of each for an element. None: null.
struct NextLines {
  const char* const* lines = nullptr;
  double step = 0;
  int64_t begin = 0;  // elements behind the start
  NextLines from(int64_t elements) const { return {lines, step, begin + elements}; }
};

template <class T>
class Columns {
 public:
  static constexpr int kMostRows = 32;
  explicit Columns(const ColumnsTable<T>& table) : table_(table) {}
  int64_t lanes() const { return table_.kernels[0].lanes; }
  const ColumnsKernel<T>& tallest(int64_t least_taps) const;

  // Rows of the next tile where `left` of `rows` rows are left, and no part has fewer than `least_taps` taps: the least work, a
  // tile that reaches back counted whole.
  int64_t next(int64_t left, int64_t rows, int64_t least_taps) const;

  // What one thread needs for one set of weights.
  struct Sums {
    std::vector<ColumnsRun<T>> runs;
    std::vector<int64_t> sizes;  // runs of each call
  };
  Sums resolve(const std::vector<ColumnsCall>& calls, const T* weights) const;

  // One row of tiles, `elements` wide, from element x of the lines. Overlapping: the last tile ends where the row ends
  // (elements >= lanes). Else it is padded to whole vectors. Streaming: whole tiles that are aligned go past the caches.
  void row(const Sums& sums, const T* const* table, int64_t rows, int64_t x, int64_t elements, T* c,
           int64_t ldc, bool overlap, bool stream, const NextLines& next) const;

 private:
  void tiles(const ColumnsKernel<T>& kernel, const Sums& sums, const T* const* table, int64_t x,
             int64_t count, T* c, int64_t ldc, bool stream, const NextLines& next, int64_t at) const;

  const ColumnsTable<T>& table_;
};

}  // namespace faltung
