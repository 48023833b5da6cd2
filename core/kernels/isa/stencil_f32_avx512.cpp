// Stencil kernels on f32, avx512: 64-byte vectors; tile shapes rows x vectors, kernel rows taken in groups of 1 to 8.
#include "core/kernels/stencil_impl.h"

namespace faltung {
namespace {
constexpr StencilKernel<float> kRows[] = {
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 6, 3),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 6, 2),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 6, 1),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 2, 3),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 2, 2),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 2, 1),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 1, 3),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 1, 2),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 1, 1),
    FALTUNG_ROWS_8(FALTUNG_ROW, float, 64, f32, avx512, 20, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW_COMPLEX, float, 64, f32, avx512, 4, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW_COMPLEX, float, 64, f32, avx512, 4, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW_COMPLEX, float, 64, f32, avx512, 1, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW_COMPLEX, float, 64, f32, avx512, 1, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW_COMPLEX, float, 64, f32, avx512, 10, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::StencilTable<float> faltung_stencil_f32_avx512_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
