// The tile shapes that one instruction set offers for one type.
#pragma once
#include <array>
#include <vector>

#include "core/kernels/stencil.h"
#include "core/ops/stencil_plan.h"

namespace faltung {

// One shape: kernels[group - 1] takes that many kernel rows at once.
template <class T>
struct Shape {
  int rows = 0, vectors = 0, lanes = 0;
  std::vector<const StencilKernel<T>*> kernels;
};

// Tile shapes of one table, by rows and vectors.
template <class T>
class Shapes {
 public:
  Shapes(const StencilTable<T>& table, bool complex_weights);
  TileLimits limits() const { return limits_; }
  bool has(int64_t rows, int64_t vectors) const { return grid_[size_t(rows)][size_t(vectors)] != nullptr; }
  const Shape<T>& at(int64_t rows, int64_t vectors) const { return *grid_[size_t(rows)][size_t(vectors)]; }
  int64_t widest(int64_t rows) const { return widest_[size_t(rows)]; }
  // Rows of the next tile where `left` rows of a strip are left: the least work, a partial tile counted whole.
  int64_t next(int64_t left, int64_t strip, bool tall) const;

 private:
  std::vector<Shape<T>> shapes_;
  std::array<std::array<const Shape<T>*, 8>, 32> grid_{};
  std::array<int, 32> widest_{};
  TileLimits limits_{};
};

}  // namespace faltung
