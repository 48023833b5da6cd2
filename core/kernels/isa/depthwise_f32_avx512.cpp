// Depthwise kernels on f32, avx512: 64-byte vectors of channels; tiles of rows x positions.
#include "core/kernels/depthwise_impl.h"

namespace faltung {
namespace {
constexpr DepthwiseKernel<float> kRows[] = {
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 2, 8, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 2, 7, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 2, 4, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 2, 1, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 1, 8, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 1, 7, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 1, 4, 7),
    FALTUNG_DEPTHWISE_ROW(float, 64, f32, avx512, 1, 1, 7),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::DepthwiseTable<float> faltung_depthwise_f32_avx512_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0]),
    &faltung::depthwise_finish<float, 64>};
