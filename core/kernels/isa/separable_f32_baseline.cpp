// Separable kernels on f32, baseline: 16-byte vectors; tiles across lines are rows x vectors.
#include "core/kernels/separable_columns_impl.h"
#include "core/kernels/separable_lines_impl.h"

namespace faltung {
namespace {
constexpr ColumnsKernel<float> kColumns[] = {
    FALTUNG_COLUMNS_ROW(float, 16, f32, baseline, 4, 2), FALTUNG_COLUMNS_ROW(float, 16, f32, baseline, 4, 1),
    FALTUNG_COLUMNS_ROW(float, 16, f32, baseline, 2, 4), FALTUNG_COLUMNS_ROW(float, 16, f32, baseline, 2, 1),
    FALTUNG_COLUMNS_ROW(float, 16, f32, baseline, 1, 4), FALTUNG_COLUMNS_ROW(float, 16, f32, baseline, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::ColumnsTable<float> faltung_columns_f32_baseline_table = {
    faltung::kColumns, sizeof(faltung::kColumns) / sizeof(faltung::kColumns[0])};
FALTUNG_LINES_TABLE(float, 16, f32, baseline)
