// Depthwise kernels on planes, f32, avx2: 32-byte vectors of positions; tiles of rows x vectors, whole or in halves.
#include "core/kernels/depthwise_rows_impl.h"

namespace faltung {
namespace {
constexpr DepthwiseRowsKernel<float> kRows[] = {
    FALTUNG_DEPTHWISE_ROWS_COLUMN(float, 32, f32, avx2, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::DepthwiseRowsTable<float> faltung_depthwise_rows_f32_avx2_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0]), &faltung::depthwise_pack<float, 32>};
