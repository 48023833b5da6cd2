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

// A number's nearest bfloat16, ties away from zero, in the upper half of its bits: two additions of integers, where the
// conversion instruction and its inverse take seven operations. What is left is exact, and so is the third part as it stands.
inline __m512i upper(__m512 x) {
  return _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)),
                          _mm512_set1_epi32(int(0xffff0000)));
}

inline __m512 rest_of(__m512 x, __m512i part) {
  return _mm512_sub_ps(x, _mm512_castsi512_ps(part));
}

// Rests of numbers that are too large or none are no numbers; times zero they leave a trace in a sum.
inline bool traced(__m512 trace) {
  return _mm512_cmp_ps_mask(trace, trace, _CMP_UNORD_Q) != 0;
}

// Upper halves of 2 x 16 numbers, in order.
inline __m512i pack_upper(__m512i low, __m512i high) {
  const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29,
                                       27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return _mm512_permutex2var_epi16(low, odd, high);
}

template <int Parts>
bool split_parts(const float* from, int64_t n, uint16_t* to, int64_t part_step) {
  __m512 trace = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += 32) {
    const uint32_t live = n - i >= 32 ? 0xffffffffu : (uint32_t(1) << (n - i)) - 1;
    __m512 x = _mm512_maskz_loadu_ps(__mmask16(live), from + i);
    __m512 y = _mm512_maskz_loadu_ps(__mmask16(live >> 16), from + i + 16);
#pragma GCC unroll 3
    for (int p = 0; p < Parts; ++p) {
      const bool last = p == 2;  // as it stands
      const __m512i a = last ? _mm512_castps_si512(x) : upper(x),
                    b = last ? _mm512_castps_si512(y) : upper(y);
      _mm512_mask_storeu_epi16(to + p * part_step + i, live, pack_upper(a, b));
      if (!last) x = rest_of(x, a), y = rest_of(y, b);
    }
    trace = _mm512_fmadd_ps(x, _mm512_setzero_ps(), trace);
    trace = _mm512_fmadd_ps(y, _mm512_setzero_ps(), trace);
  }
  return traced(trace);
}

bool split(const float* from, int64_t n, int parts, uint16_t* to, int64_t part_step) {
  return parts == 3   ? split_parts<3>(from, n, to, part_step)
         : parts == 2 ? split_parts<2>(from, n, to, part_step)
                      : split_parts<1>(from, n, to, part_step);
}

// A tile row holds, column by column, a pair of terms.
bool split_tile(const float* from, int64_t columns, int parts, uint16_t* to, int64_t tile_step) {
  __m512 trace = _mm512_setzero_ps();
  for (int pair = 0; pair < 16; ++pair) {
    __m512 even = _mm512_loadu_ps(from + 2 * pair * columns);
    __m512 odd = _mm512_loadu_ps(from + (2 * pair + 1) * columns);
    for (int p = 0; p < parts; ++p) {
      const __m512i low = upper(even), high = upper(odd);
      _mm512_storeu_si512(to + p * tile_step + 32 * pair, _mm512_or_si512(_mm512_srli_epi32(low, 16), high));
      even = rest_of(even, low);
      odd = rest_of(odd, high);
    }
    trace = _mm512_fmadd_ps(even, _mm512_setzero_ps(), trace);
    trace = _mm512_fmadd_ps(odd, _mm512_setzero_ps(), trace);
  }
  return traced(trace);
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
