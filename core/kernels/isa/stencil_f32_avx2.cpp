// Stencil kernels on f32, avx2: 32-byte vectors; tile shapes rows x vectors, kernel rows taken in groups of 1 to 4.
#include "core/kernels/stencil_impl.h"

namespace faltung {
namespace {
constexpr StencilKernel<float> kRows[] = {
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 4, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 4, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 2, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 2, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 1, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 1, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, float, 32, f32, avx2, 8, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, float, 32, f32, avx2, 2, 2),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, float, 32, f32, avx2, 2, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, float, 32, f32, avx2, 1, 2),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, float, 32, f32, avx2, 1, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, float, 32, f32, avx2, 4, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::StencilTable<float> faltung_stencil_f32_avx2_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
