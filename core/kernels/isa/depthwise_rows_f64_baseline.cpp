// Depthwise kernels on planes, f64, baseline: 16-byte vectors of positions; tiles of rows x vectors, whole or in halves.
#include "core/kernels/depthwise_rows_impl.h"

namespace faltung {
namespace {
constexpr DepthwiseRowsKernel<double> kRows[] = {
    FALTUNG_DEPTHWISE_ROWS_COLUMN(double, 16, f64, baseline, 1, 1),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::DepthwiseRowsTable<double> faltung_depthwise_rows_f64_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0]), &faltung::depthwise_pack<double, 16>};
