// Units of work: boxes of output rows, groups of panels, groups of the layer. The result does not depend on them.
#pragma once
#include "core/ops/dense_box.h"

namespace faltung {

struct DenseGrid {
  int64_t box[DenseBox::kMostAxes];  // of items and of every axis but the columns
  int64_t columns;
  int64_t panel_groups;
  int64_t boxes;  // of one group of the layer
  int64_t units;
};

// At most the plan's box; smaller ones and fewer panels where that keeps `threads` threads busy.
DenseGrid divide_dense(const DensePlan& plan, int threads);

DenseBox dense_box(const DensePlan& plan, const DenseGrid& grid, int64_t unit);

}  // namespace faltung
