// Matrix kernels on AMX: tiles of 16 rows x 64 bytes. Intrinsics, since a compiler does not make tiles of loops.
//
// Budget: 8 tiles. 4 hold sums (2 x 2), 2 rows, 2 columns. Of 32 terms with six products: 24 tile products of 16 cycles
// each, 6 + 8 tile loads of 8 cycles each on the load ports, which run beside them; 583 of 596 GFLOP/s with rows and
// columns in the second cache (Xeon with AMX, GCC 12, November 2026). Parts are taken from the smallest product to the
// largest where that costs no load.
#include <immintrin.h>

#include "core/kernels/matrix.h"

namespace faltung {
namespace {

constexpr int kTile = 1024;  // bytes

struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// In memory of its own: GCC 12 takes the instruction to read eight bytes, and would not write the rest of a local one.
constexpr TileConfig kConfig;

void open_tiles() {
  _tile_loadconfig(&kConfig);
}

void close_tiles() {
  _tile_release();
}

// Tiles: sums 0 (row tile 0, column tile 0), 1 (0, 1), 2 (1, 0), 3 (1, 1); rows 4, 5; columns 6, 7.
template <int R>
inline void load_rows(const char* a, int64_t step) {
  _tile_loadd(4, a, step);
  if constexpr (R == 2) _tile_loadd(5, a + 16 * step, step);
}

template <int C>
inline void load_columns(const char* b) {
  _tile_loadd(6, b, 64);
  if constexpr (C == 2) _tile_loadd(7, b + kTile, 64);
}

template <int R, int C>
inline void multiply() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (C == 2) _tile_dpbf16ps(1, 4, 7);
  if constexpr (R == 2) _tile_dpbf16ps(2, 5, 6);
  if constexpr (R == 2 && C == 2) _tile_dpbf16ps(3, 5, 7);
}

template <int R, int C>
inline void store_sums(float* to) {
  _tile_stored(0, to, 64 * C);
  if constexpr (C == 2) _tile_stored(1, to + 16, 64 * C);
  if constexpr (R == 2) _tile_stored(2, to + 256 * C, 64 * C);
  if constexpr (R == 2 && C == 2) _tile_stored(3, to + 256 * C + 16, 64 * C);
}

template <int Products, int R, int C>
inline void multiply_parts(const char* a, int64_t part, int64_t row, const char* b) {
  constexpr int kPart = C * kTile;
  if constexpr (Products == 6) {
    load_rows<R>(a, row);
    load_columns<C>(b + 2 * kPart);
    multiply<R, C>();  // 1 3
    load_columns<C>(b + kPart);
    multiply<R, C>();  // 1 2
    load_columns<C>(b);
    multiply<R, C>();  // 1 1
    load_rows<R>(a + 2 * part, row);
    multiply<R, C>();  // 3 1
    load_rows<R>(a + part, row);
    multiply<R, C>();  // 2 1
    load_columns<C>(b + kPart);
    multiply<R, C>();  // 2 2
  } else if constexpr (Products == 3) {
    load_rows<R>(a, row);
    load_columns<C>(b + kPart);
    multiply<R, C>();  // 1 2
    load_columns<C>(b);
    multiply<R, C>();  // 1 1
    load_rows<R>(a + part, row);
    multiply<R, C>();  // 2 1
  } else {
    load_rows<R>(a, row);
    load_columns<C>(b);
    multiply<R, C>();
  }
}

template <int Products, int R, int C>
void product(const MatrixArgs& g) {
  constexpr int kStep = (Products == 6 ? 3 : Products == 3 ? 2 : 1) * C * kTile;
  alignas(64) float sums[256 * R * C];
  _tile_zero(0);
  if constexpr (C == 2) _tile_zero(1);
  if constexpr (R == 2) _tile_zero(2);
  if constexpr (R == 2 && C == 2) _tile_zero(3);
  const char* b = g.b;
  for (int64_t s = 0; s < g.steps; ++s, b += kStep)
    multiply_parts<Products, R, C>(g.a + g.offsets[s], g.part_step, g.row_step, b);
  store_sums<R, C>(sums);
  const int64_t rows = g.rows < 16 * R ? g.rows : 16 * R;
  const __m512 lo = _mm512_set1_ps(g.lo), hi = _mm512_set1_ps(g.hi);
  for (int64_t r = 0; r < rows; ++r) {
    float* c = g.c + r * g.ldc;
#pragma GCC unroll 2
    for (int x = 0; x < 16 * C; x += 16) {
      __m512 y = _mm512_load_ps(sums + r * 16 * C + x);
      if (g.add) y = _mm512_add_ps(_mm512_loadu_ps(c + x), y);
      if (g.bias) y = _mm512_add_ps(y, _mm512_loadu_ps(g.bias + x));
      if (g.residual) y = _mm512_add_ps(y, _mm512_loadu_ps(g.residual + r * g.ldc + x));
      if (g.clip) {  // a NaN is the second operand, which both instructions return
        y = _mm512_max_ps(lo, y);
        y = _mm512_min_ps(hi, y);
      }
      _mm512_storeu_ps(c + x, y);
    }
  }
}

template <int Products, int R, int C>
constexpr MatrixKernel matrix_row(const char* name) {
  return {name, Products, Products == 6 ? 3 : Products == 3 ? 2 : 1, R, C, &product<Products, R, C>};
}

// Rounded to bfloat16 as the same numbers in float32; not finite where the rounding leaves the range.
struct Rounded {
  __m256i bits;
  __m512 value;
};

inline Rounded round(__m512 x) {
  const __m256i bits = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
  return {bits, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}

inline __mmask16 special(__m512 rounded) {
  const __m512 size = _mm512_abs_ps(rounded);
  return _mm512_cmp_ps_mask(size, _mm512_set1_ps(3.3895314e38f), _CMP_NLE_UQ);  // the largest bfloat16; NaN too
}

bool split(const float* from, int64_t n, int parts, uint16_t* to, int64_t part_step) {
  __mmask16 found = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 live = n - i >= 16 ? __mmask16(0xffff) : __mmask16((1u << (n - i)) - 1);
    __m512 rest = _mm512_maskz_loadu_ps(live, from + i);
    for (int p = 0; p < parts; ++p) {
      const Rounded part = round(rest);
      if (p == 0) found |= special(part.value);
      _mm256_mask_storeu_epi16(to + p * part_step + i, live, part.bits);
      rest = _mm512_sub_ps(rest, part.value);
    }
  }
  return found != 0;
}

// A tile row holds, column by column, a pair of terms.
bool split_tile(const float* from, int64_t columns, int parts, uint16_t* to, int64_t tile_step) {
  __mmask16 found = 0;
  for (int pair = 0; pair < 16; ++pair) {
    __m512 even = _mm512_loadu_ps(from + 2 * pair * columns);
    __m512 odd = _mm512_loadu_ps(from + (2 * pair + 1) * columns);
    for (int p = 0; p < parts; ++p) {
      const Rounded low = round(even), high = round(odd);
      if (p == 0) found |= special(low.value) | special(high.value);
      const __m512i both = _mm512_or_si512(_mm512_cvtepu16_epi32(low.bits),
                                           _mm512_slli_epi32(_mm512_cvtepu16_epi32(high.bits), 16));
      _mm512_storeu_si512(to + p * tile_step + 32 * pair, both);
      even = _mm512_sub_ps(even, low.value);
      odd = _mm512_sub_ps(odd, high.value);
    }
  }
  return found != 0;
}

constexpr MatrixKernel kRows[] = {
    matrix_row<1, 1, 1>("matrix_bf16_1_16x16_amx"), matrix_row<1, 1, 2>("matrix_bf16_1_16x32_amx"),
    matrix_row<1, 2, 1>("matrix_bf16_1_32x16_amx"), matrix_row<1, 2, 2>("matrix_bf16_1_32x32_amx"),
    matrix_row<3, 1, 1>("matrix_bf16_3_16x16_amx"), matrix_row<3, 1, 2>("matrix_bf16_3_16x32_amx"),
    matrix_row<3, 2, 1>("matrix_bf16_3_32x16_amx"), matrix_row<3, 2, 2>("matrix_bf16_3_32x32_amx"),
    matrix_row<6, 1, 1>("matrix_bf16_6_16x16_amx"), matrix_row<6, 1, 2>("matrix_bf16_6_16x32_amx"),
    matrix_row<6, 2, 1>("matrix_bf16_6_32x16_amx"), matrix_row<6, 2, 2>("matrix_bf16_6_32x32_amx"),
};

}  // namespace
}  // namespace faltung

extern "C" const faltung::MatrixTable faltung_matrix_bf16_amx_table = {
    faltung::kRows,       sizeof(faltung::kRows) / sizeof(faltung::kRows[0]),
    &faltung::open_tiles, &faltung::close_tiles,
    &faltung::split,      &faltung::split_tile};
