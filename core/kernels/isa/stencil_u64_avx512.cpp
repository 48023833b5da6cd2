// Stencil kernels on u64, avx512: 64-byte vectors; tile shapes rows x vectors, kernel rows taken in groups of 1 to 4.
#include "core/kernels/stencil_impl.h"

namespace faltung {
namespace {
constexpr StencilKernel<uint64_t> kRows[] = {
    FALTUNG_ROWS_4(FALTUNG_ROW, uint64_t, 64, u64, avx512, 4, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, uint64_t, 64, u64, avx512, 4, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, uint64_t, 64, u64, avx512, 1, 2),
    FALTUNG_ROWS_4(FALTUNG_ROW, uint64_t, 64, u64, avx512, 1, 1),
    FALTUNG_ROWS_4(FALTUNG_ROW, uint64_t, 64, u64, avx512, 8, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::StencilTable<uint64_t> faltung_stencil_u64_avx512_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
