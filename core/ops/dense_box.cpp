#include "core/ops/dense_box.h"

#include <algorithm>

namespace faltung {

DenseRows::DenseRows(const DensePlan& plan, DenseArena& arena) : plan_(plan) {
  for (size_t a = 0; a + 1 < plan.p.axes.size(); ++a) {
    const LayerAxis& axis = plan.p.axes[a];
    const int64_t met = plan.box[a + 1] * axis.taps;
    axes_[a].place = arena.take<int32_t>(axis.in);
    axes_[a].met = arena.take<int32_t>(met);
    axes_[a].source = arena.take<int64_t>(std::min(axis.in, met));
  }
}

void DenseRows::select(const DenseBox& box) {
  for (size_t a = 0; a + 1 < plan_.p.axes.size(); ++a) {
    const LayerAxis& axis = plan_.p.axes[a];
    Axis& rows = axes_[a];
    std::fill(rows.place, rows.place + axis.in, -1);
    int32_t count = 0;
    for (int64_t o = 0; o < box.size[a + 1]; ++o)
      for (int64_t h = 0; h < axis.taps; ++h) {
        const int64_t i = boundary_index((box.begin[a + 1] + o) * axis.stride + h * axis.dilation - axis.pad,
                                         axis.in, axis.boundary);
        if (i >= 0 && rows.place[i] < 0) {
          rows.source[count] = i;
          rows.place[i] = count++;
        }
        rows.met[o * axis.taps + h] = i < 0 ? -1 : rows.place[i];
      }
    counts_[a] = count;
  }
}

}  // namespace faltung
