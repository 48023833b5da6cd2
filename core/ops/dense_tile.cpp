#include "core/ops/dense_tile.h"

#include <algorithm>

namespace faltung {
namespace {

constexpr int64_t kTall = 8;  // rows whose multiply-adds hide their latency and the loads of two vectors

// Cycles of one term: multiply-adds on two ports with a latency of four, two loads a cycle, half a line of weights a
// cycle from the second cache, and the loop itself.
double term_cycles(int64_t rows, int64_t vectors) {
  const double products = double(rows * vectors) / 2, loads = double(rows + vectors + 1) / 2,
               lines = double(vectors) * 2;
  return std::max({products, loads, lines, 4.0}) + 0.5;
}

double row_cycles(int64_t columns, int64_t lines, int64_t most, int64_t vectors) {
  if (lines > 1 && pairs_lines(columns, most)) return term_cycles(2 * columns, vectors) / 2;
  double cycles = 0;
  for (const TileRun& run : cut_row(columns, most).runs)
    if (run.tiles > 0) cycles += double(run.tiles) * term_cycles(run.rows, vectors);
  return cycles;
}

}  // namespace

TileCut cut_row(int64_t columns, int64_t most) {
  int64_t tiles = (columns + most - 1) / most;
  // One more tile where all are equal then, and still tall.
  if (columns % tiles != 0 && columns % (tiles + 1) == 0 && columns / (tiles + 1) >= kTall) ++tiles;
  const int64_t rows = columns / tiles, rest = columns % tiles;
  if (rest == 0) return {{{rows, tiles}, {0, 0}}};
  return {{{rows + 1, rest}, {rows, tiles - rest}}};
}

TapRange met_taps(const LayerAxis& a, int64_t begin, int64_t size) {
  TapRange all{0, a.taps};
  if (a.boundary != Boundary::constant || size == 0) return all;
  const int64_t low = begin * a.stride - a.pad, high = (begin + size - 1) * a.stride - a.pad;
  while (all.first < all.last && high + all.first * a.dilation < 0) ++all.first;
  while (all.first < all.last && low + (all.last - 1) * a.dilation >= a.in) --all.last;
  return all;
}

void cut_borders(const LayerAxis& a, int64_t begin, int64_t columns, int64_t most, int64_t vectors,
                 int64_t (&ends)[3]) {
  const int64_t left = (a.pad + a.stride - 1) / a.stride - begin;
  const int64_t reach = a.in + a.pad - (a.taps - 1) * a.dilation;
  const int64_t right = (reach + a.stride - 1) / a.stride - begin;
  if (a.boundary != Boundary::constant || a.pad < 0 || reach < 0) return;
  const int64_t cuts[3] = {std::clamp<int64_t>(left, 0, columns), std::clamp<int64_t>(right, 0, columns),
                           columns};
  if (cuts[0] > cuts[1] || (cuts[0] == 0 && cuts[1] == columns)) return;
  double cycles = 0;
  int64_t from = 0;
  for (const int64_t end : cuts) {
    if (end == from) continue;
    const TapRange met = met_taps(a, begin + from, end - from);
    cycles += row_cycles(end - from, 1, most, vectors) * double(met.last - met.first) / double(a.taps);
    from = end;
  }
  if (cycles < row_cycles(columns, 1, most, vectors)) std::copy(cuts, cuts + 3, ends);
}

template <class T>
DenseTile choose_tile(const GemmTable<T>& table, int64_t columns, int64_t lines, int64_t channels) {
  columns = std::max<int64_t>(columns, 1);
  const int64_t lanes = table.kernels[0].lanes, vectors = (channels + lanes - 1) / lanes;
  DenseTile best{1, 1};
  double least = 0;
  for (int i = 0; i < table.count; ++i) {
    const GemmKernel<T>& k = table.kernels[i];
    const bool tallest = i + 1 == table.count || table.kernels[i + 1].vectors != k.vectors;
    if (!tallest || k.vectors > vectors) continue;
    double cycles = double(vectors / k.vectors) * row_cycles(columns, lines, k.rows, k.vectors);
    if (vectors % k.vectors) cycles += row_cycles(columns, lines, k.rows, vectors % k.vectors);
    if (least == 0 || cycles < least) least = cycles, best = {k.rows, k.vectors};
  }
  return best;
}

template DenseTile choose_tile<float>(const GemmTable<float>&, int64_t, int64_t, int64_t);
template DenseTile choose_tile<double>(const GemmTable<double>&, int64_t, int64_t, int64_t);

}  // namespace faltung
