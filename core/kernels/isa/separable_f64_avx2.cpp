// Separable kernels on f64, avx2: 32-byte vectors; tiles across lines are rows x vectors.
#include "core/kernels/separable_columns_impl.h"
#include "core/kernels/separable_lines_impl.h"

namespace faltung {
namespace {
constexpr ColumnsKernel<double> kColumns[] = {
    FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 6, 2), FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 6, 1),
    FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 4, 2), FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 4, 1),
    FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 2, 4), FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 2, 1),
    FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 1, 4), FALTUNG_COLUMNS_ROW(double, 32, f64, avx2, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::ColumnsTable<double> faltung_columns_f64_avx2_table = {
    faltung::kColumns, sizeof(faltung::kColumns) / sizeof(faltung::kColumns[0])};
FALTUNG_LINES_TABLE(double, 32, f64, avx2)
