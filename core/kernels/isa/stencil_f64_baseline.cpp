// Stencil kernels on f64, baseline: 16-byte vectors; tile shapes rows x vectors, kernel rows taken in groups of 1 to 4.
#include "core/kernels/stencil_impl.h"

namespace faltung {
namespace {
constexpr StencilKernel<double> kRows[] = {
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 4, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 4, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 2, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 2, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 1, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 1, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, double, 16, f64, baseline, 8, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 16, f64, baseline, 2, 2),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 16, f64, baseline, 2, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 16, f64, baseline, 1, 2),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 16, f64, baseline, 1, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW_COMPLEX, double, 16, f64, baseline, 4, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::StencilTable<double> faltung_stencil_f64_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
