// Depthwise kernels on f64, avx512: 64-byte vectors of channels; tiles of rows x positions.
#include "core/kernels/depthwise_impl.h"

namespace faltung {
namespace {
constexpr DepthwiseKernel<double> kRows[] = {
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 2, 8, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 2, 7, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 2, 4, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 2, 1, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 1, 8, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 1, 7, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 1, 4, 7),
    FALTUNG_DEPTHWISE_ROW(double, 64, f64, avx512, 1, 1, 7),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::DepthwiseTable<double> faltung_depthwise_f64_avx512_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0]),
    &faltung::depthwise_finish<double, 64>};
