// Stencil kernels on f64, avx2: 32-byte vectors; tile shapes rows x vectors, kernel rows taken in groups of 1 to 4.
#include "core/kernels/stencil_impl.h"

namespace faltung {
namespace {
constexpr StencilKernel<double> kRows[] = {
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 4, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 4, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 2, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 2, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 1, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 1, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 32, f64, avx2, 8, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 32, f64, avx2, 2, 2),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 32, f64, avx2, 2, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 32, f64, avx2, 1, 2),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 32, f64, avx2, 1, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 32, f64, avx2, 4, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::StencilTable<double> faltung_stencil_f64_avx2_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
