// A box of output rows, and which input rows its taps meet.
#pragma once
#include <cstdint>

#include "core/ops/dense_plan.h"

namespace faltung {

constexpr size_t dense_aligned(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// Memory laid out from front to back, every piece at a cache line. From null it only counts.
class DenseArena {
 public:
  explicit DenseArena(char* memory) : begin_(reinterpret_cast<uintptr_t>(memory)), next_(begin_) {}
  template <class E>
  E* take(int64_t count) {
    E* piece = reinterpret_cast<E*>(next_);
    next_ += dense_aligned(size_t(count) * sizeof(E));
    return piece;
  }
  size_t bytes() const { return size_t(next_ - begin_); }

 private:
  uintptr_t begin_, next_;
};

// The part of the output that a unit computes; `begin` and `size` are of items and of every axis but the columns.
struct DenseBox {
  static constexpr int kMostAxes = 64;
  int64_t group, first_panel, last_panel, column, columns;
  int64_t begin[kMostAxes], size[kMostAxes];
};

// Input rows of a box, axis by axis: every row is met by some tap of some output row, and stands once.
class DenseRows {
 public:
  DenseRows(const DensePlan& plan, DenseArena& arena);
  void select(const DenseBox& box);

  int64_t count(size_t axis) const { return counts_[axis]; }
  int64_t source(size_t axis, int64_t row) const { return axes_[axis].source[row]; }
  // The row that tap h of output o (from the box's begin) meets; -1 for none.
  int64_t met(size_t axis, int64_t o, int64_t h) const {
    return axes_[axis].met[o * plan_.p.axes[axis].taps + h];
  }

 private:
  struct Axis {
    int32_t *place, *met;  // of every input row: its place in `source`
    int64_t* source;
  };
  const DensePlan& plan_;
  int64_t counts_[DenseBox::kMostAxes];
  Axis axes_[DenseBox::kMostAxes];
};

}  // namespace faltung
