// Separable kernels on f64, baseline: 16-byte vectors; tiles across lines are rows x vectors.
#include "core/kernels/separable_columns_impl.h"

namespace faltung {
namespace {
constexpr ColumnsKernel<double> kColumns[] = {
    FALTUNG_COLUMNS_ROW(double, 16, f64, baseline, 4, 2),
    FALTUNG_COLUMNS_ROW(double, 16, f64, baseline, 4, 1),
    FALTUNG_COLUMNS_ROW(double, 16, f64, baseline, 2, 4),
    FALTUNG_COLUMNS_ROW(double, 16, f64, baseline, 2, 1),
    FALTUNG_COLUMNS_ROW(double, 16, f64, baseline, 1, 4),
    FALTUNG_COLUMNS_ROW(double, 16, f64, baseline, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::ColumnsTable<double> faltung_columns_f64_baseline_table = {
    faltung::kColumns, sizeof(faltung::kColumns) / sizeof(faltung::kColumns[0])};
// A vector of 16 bytes holds no four doubles to turn: lines go one by one.
extern "C" const faltung::LinesTable<double> faltung_lines_f64_baseline_table = {
    "lines_f64_baseline", 0, nullptr, {}};
