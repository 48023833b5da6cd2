// Which tile, and how a row of output positions is cut into tiles.
#pragma once
#include <cstdint>

#include "core/kernels/gemm.h"
#include "core/reference/layer.h"

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

// Taps of an axis that meet the input in some of the outputs [begin, begin + size): a range, empty where none does.
struct TapRange {
  int64_t first, last;
};
TapRange met_taps(const LayerAxis& axis, int64_t begin, int64_t size);

// Where a row of columns is cut so that tiles at its borders leave out the taps that meet no input: the ends of up to three
// pieces, counted from `begin`. Unchanged where whole tiles cost less.
void cut_borders(const LayerAxis& axis, int64_t begin, int64_t columns, int64_t most, int64_t vectors,
                 int64_t (&ends)[3]);

// The tile that costs least for rows of `columns` positions, `lines` of them, and so many output channels.
template <class T>
DenseTile choose_tile(const GemmTable<T>& table, int64_t columns, int64_t lines, int64_t channels);

}  // namespace faltung
