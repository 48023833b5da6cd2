#include "core/ops/dense_tile.h"

#include <algorithm>

namespace faltung {
namespace {

constexpr int64_t kTall = 8;  // rows whose multiply-adds hide their latency and the loads of two vectors

// Cycles of one term: multiply-adds on two ports with a latency of four, two loads a cycle, half a line of weights a
// cycle from
// the second cache, and the loop itself.
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
