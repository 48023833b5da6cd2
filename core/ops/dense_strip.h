// The input as the kernels read it: a table of pointers for every output row of a box, one for each segment.
//
// Where the input cannot be read in place, its rows are packed into a strip [item][rows of the axes][pixel][channel]
// with the boundary around, in the type that computes. Rows outside a constant boundary all are one row of zeros.
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/turn.h"
#include "core/ops/dense_box.h"

namespace faltung {

template <class T>
class DenseStrip {
 public:
  DenseStrip(const DensePlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
             DenseArena& arena);

  // Packs what the box needs and fills the table.
  void select(const DenseBox& box, const char* in);
  // Pointers of one output row of the box; rows in C order.
  const T* const* line(int64_t index) const { return table_ + index * plan_.entries(); }
  // Whether a pointer of a table stands for a kernel row beyond a constant boundary.
  bool outside(const T* segment) const { return segment >= zeros_ && segment < zeros_ + row_elements_; }
  // Whether two output rows have the same kernel rows outside.
  bool outside_alike(int64_t a, int64_t b) const {
    if (!plan_.pads_rows) return true;
    for (int64_t i = 0; i < plan_.entries(); ++i)
      if (outside(line(a)[i]) != outside(line(b)[i])) return false;
    return true;
  }

 private:
  void pack_rows(const DenseBox& box, const char* in);
  void pack_row(const char* from, int64_t first, int64_t pixels, T* to);
  void load_pixels(const char* from, int64_t pixels, T* to);
  void fill_outside(const char* from, int64_t first, int64_t begin, int64_t end, T* row);
  void fill_table(const DenseBox& box, const char* in);

  const DensePlan& plan_;
  const ConvertTable<T>& convert_;
  const TurnTable<T>& turn_;
  DenseRows rows_;
  int64_t row_elements_;
  bool zeros_ready_ = false;
  T *strip_, *zeros_, *planes_;
  const T** table_;
};

}  // namespace faltung
