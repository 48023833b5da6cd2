// The matrix family: products of tiles on a matrix unit, whose operands are sums of bfloat16 parts.
//
//   c[r][x] = sums[r][x] + sum over steps s, terms t < 32 of  a(r, s)[t] * b(s)[t][x]
//
// for 32 rows (positions) and 32 columns (output channels). Every number is written as the sum of its parts, each the
// nearest bfloat16 to what the parts before leave: a = a1 + a2 + a3 to 24 bits. The products that matter are taken:
//
//   6 of 3 parts   a1 b1 + a1 b2 + a2 b1 + a1 b3 + a2 b2 + a3 b1      what is left out is below 2^-23 |a| |b|
//   3 of 2 parts   a1 b1 + a1 b2 + a2 b1                              2^-15
//   1 of 1 part    a1 b1                                              2^-7
#pragma once
#include <cstdint>

namespace faltung {

struct MatrixArgs {
  const char* a;           // part 1 of the first row
  const int64_t* offsets;  // of every step: bytes to its 32 terms
  int64_t steps;
  int64_t part_step, row_step;  // bytes between parts and between rows; 32 rows are read
  const char* b;                // [step][part][16 columns][pairs of terms][column][2]
  int64_t rows;                 // that are stored
  float* c;
  int64_t ldc;            // elements between rows
  bool add;               // to what stands in c, the sums of earlier steps
  const float* bias;      // one for each column, or null
  const float* residual;  // at ldc, or null
  bool clip;              // x < lo ? lo : x > hi ? hi : x: NaN stays
  float lo, hi;
};

struct MatrixKernel {
  const char* name;
  int products, parts;
  int row_tiles, column_tiles;  // of 16 each
  void (*run)(const MatrixArgs&);
};

struct MatrixTable {
  const MatrixKernel* kernels;
  int count;
  // The tiles of this thread: to be set up before the first product, and given back after the last.
  void (*open)();
  void (*close)();
  // n numbers into their parts, which lie `part_step` elements apart. True where one is so large, or no number, that its
  // parts do not sum to it.
  bool (*split)(const float* from, int64_t n, int parts, uint16_t* to, int64_t part_step);
  // 32 terms of 16 `columns` ([term][columns]) into the tiles of their parts, 512 elements each, `tile_step` elements apart.
  bool (*split_tile)(const float* from, int64_t columns, int parts, uint16_t* to, int64_t tile_step);
};

}  // namespace faltung

extern "C" const faltung::MatrixTable faltung_matrix_bf16_amx_table;
