#include "core/ops/stencil_shapes.h"

#include <algorithm>

namespace faltung {

template <class T>
Shapes<T>::Shapes(const StencilTable<T>& table, bool complex_weights) {
  for (int i = 0; i < table.count; ++i) {
    const StencilKernel<T>& k = table.kernels[i];
    if (k.complex_weights != complex_weights) continue;
    if (shapes_.empty() || shapes_.back().rows != k.rows || shapes_.back().vectors != k.vectors)
      shapes_.push_back({k.rows, k.vectors, k.lanes, {}});
    shapes_.back().kernels.push_back(&k);
  }
  for (const Shape<T>& s : shapes_) {
    grid_[size_t(s.rows)][size_t(s.vectors)] = &s;
    limits_.lanes = s.lanes;
    limits_.group = int(s.kernels.size());
    limits_.vectors = std::max(limits_.vectors, s.vectors);
    limits_.tall_rows = std::max(limits_.tall_rows, s.rows);
  }
  for (const Shape<T>& s : shapes_) widest_[size_t(s.rows)] = std::max(widest_[size_t(s.rows)], s.vectors);
  for (const Shape<T>& s : shapes_)
    if (s.vectors == limits_.vectors) limits_.rows = std::max(limits_.rows, s.rows);
}

template <class T>
int64_t Shapes<T>::next(int64_t left, int64_t strip, bool tall) const {
  if (tall && left >= limits_.tall_rows) return limits_.tall_rows;
  int64_t best = 1;
  double best_cost = 0;
  for (int64_t rows = 1; rows <= (tall ? limits_.tall_rows : limits_.rows) && rows <= strip; ++rows) {
    if (widest_[size_t(rows)] == 0) continue;
    const int64_t count = (left + rows - 1) / rows;
    const double cost =
        double(count) * (double(rows) + 1.5);  // a tile's fixed cost is about that of 1.5 rows
    if (rows == 1 || cost < best_cost) best = rows, best_cost = cost;
  }
  return best;
}

template class Shapes<float>;
template class Shapes<double>;
template class Shapes<uint64_t>;

}  // namespace faltung
