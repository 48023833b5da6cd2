// Which tile, and how a row of output positions is cut into tiles.
#pragma once
#include <cstdint>

#include "core/kernels/gemm.h"

namespace faltung {

struct DenseTile {
  int rows, vectors;
};

// Tiles of `rows` rows side by side.
struct TileRun {
  int64_t rows, tiles;
};

// A row of `columns` positions in tiles of at most `most` rows, as equal as can be: at most two sizes, the second maybe
// empty.
struct TileCut {
  TileRun runs[2];
};
TileCut cut_row(int64_t columns, int64_t most);

// Two lines of so few columns share a tile.
inline bool pairs_lines(int64_t columns, int64_t most) {
  return 2 * columns <= most;
}

// The tile that costs least for rows of `columns` positions, `lines` of them, and so many output channels.
template <class T>
DenseTile choose_tile(const GemmTable<T>& table, int64_t columns, int64_t lines, int64_t channels);

}  // namespace faltung
