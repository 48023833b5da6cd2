// Separable kernels on f32, avx512: 64-byte vectors; tiles across lines are rows x vectors.
#include "core/kernels/separable_columns_impl.h"
#include "core/kernels/separable_lines_impl.h"

namespace faltung {
namespace {
constexpr ColumnsKernel<float> kColumns[] = {
    FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 12, 2), FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 12, 1),
    FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 8, 3),  FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 8, 1),
    FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 4, 4),  FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 4, 1),
    FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 2, 4),  FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 2, 1),
    FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 1, 4),  FALTUNG_COLUMNS_ROW(float, 64, f32, avx512, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::ColumnsTable<float> faltung_columns_f32_avx512_table = {
    faltung::kColumns, sizeof(faltung::kColumns) / sizeof(faltung::kColumns[0])};
FALTUNG_LINES_TABLE(float, 64, f32, avx512)
