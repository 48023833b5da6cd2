// Stencil kernels on u64, baseline: 16-byte vectors; tile shapes rows x vectors, kernel rows taken in groups of 1 to 2.
#include "core/kernels/stencil_impl.h"

namespace faltung {
namespace {
constexpr StencilKernel<uint64_t> kRows[] = {
    FALTUNG_ROWS_2(FALTUNG_ROW, uint64_t, 16, u64, baseline, 4, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW, uint64_t, 16, u64, baseline, 2, 1),
    FALTUNG_ROWS_2(FALTUNG_ROW, uint64_t, 16, u64, baseline, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::StencilTable<uint64_t> faltung_stencil_u64_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
