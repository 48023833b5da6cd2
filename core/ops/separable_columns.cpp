#include "core/ops/separable_columns.h"

#include <algorithm>

namespace faltung {

template <class T>
const ColumnsKernel<T>& Columns<T>::tallest(int64_t least_taps) const {
  const ColumnsKernel<T>* k = table_.kernels;
  while (k->rows > least_taps + 1) ++k;
  return *k;
}

template <class T>
int64_t Columns<T>::next(int64_t left, int64_t rows, int64_t least_taps) const {
  int64_t best = 1;
  double best_cost = 0;
  for (int i = 0; i < table_.count; ++i) {
    const int64_t tile = table_.kernels[i].rows;
    if (tile > rows || tile > least_taps + 1) continue;
    const double cost = double((left + tile - 1) / tile) * (double(tile) + 1.5);
    if (best_cost == 0 || cost < best_cost) best = tile, best_cost = cost;
  }
  return best;
}

template <class T>
typename Columns<T>::Sums Columns<T>::resolve(const std::vector<ColumnsCall>& calls, const T* weights) const {
  Sums sums;
  for (const ColumnsCall& call : calls) {
    sums.sizes.push_back(int64_t(call.size()));
    for (const ColumnsPart& p : call) sums.runs.push_back({weights + p.weights, p.line, p.taps});
  }
  return sums;
}

// Tiles side by side; a tile takes all its calls before the next begins, so that overlapping tiles agree.
template <class T>
void Columns<T>::tiles(const ColumnsKernel<T>& kernel, const Sums& sums, const T* const* table, int64_t x,
                       int64_t count, T* c, int64_t ldc, bool stream, const NextLines& next,
                       int64_t at) const {
  const int64_t width = int64_t(kernel.vectors) * kernel.lanes;
  const char* ahead[kMostRows];
  ColumnsArgs<T> args{table, sums.runs.data(), sums.sizes[0], x, count, c, ldc, false, false, nullptr, 0};
  if (next.lines) {
    for (int r = 0; r < kernel.rows; ++r)
      ahead[r] = next.lines[r] + int64_t(double(next.begin + at) * next.step);
    args.ahead = ahead;
    args.ahead_step = int64_t(double(width) * next.step);
  }
  const uintptr_t vector = uintptr_t(kernel.lanes) * sizeof(T);
  const bool aligned = reinterpret_cast<uintptr_t>(c) % vector == 0 && ldc % kernel.lanes == 0;
  if (sums.sizes.size() == 1) {
    args.stream = stream && aligned;
    return kernel.run(args);
  }
  args.tiles = 1;
  for (int64_t i = 0; i < count; ++i) {
    args.runs = sums.runs.data();
    args.add = false;
    for (const int64_t size : sums.sizes) {
      args.run_count = size;
      kernel.run(args);
      args.runs += size;
      args.add = true;
    }
    args.x += width;
    args.c += width;
  }
}

template <class T>
void Columns<T>::row(const Sums& sums, const T* const* table, int64_t rows, int64_t x, int64_t elements, T* c,
                     int64_t ldc, bool overlap, bool stream, const NextLines& next) const {
  const int64_t lanes = this->lanes();
  const ColumnsKernel<T>* wide = table_.kernels;
  while (wide->rows != rows) ++wide;
  const ColumnsKernel<T>* narrow = wide;
  while (narrow->vectors > 1) ++narrow;
  const int64_t width = wide->vectors * lanes, full = elements / width;
  if (full > 0) tiles(*wide, sums, table, x, full, c, ldc, stream, next, 0);
  int64_t done = full * width;
  if (done < elements && overlap && full > 0) {  // one wide tile, moved back
    done = elements - width;
    tiles(*wide, sums, table, x + done, 1, c + done, ldc, false, next, done);
    return;
  }
  for (; done < elements; done += lanes) {
    const int64_t at = overlap ? std::min(done, elements - lanes) : done;
    tiles(*narrow, sums, table, x + at, 1, c + at, ldc, false, next, at);
  }
}

template class Columns<float>;
template class Columns<double>;

}  // namespace faltung
