// Gemm kernels on f32, avx512: 64-byte vectors; tile shapes rows x vectors.
#include "core/kernels/gemm_impl.h"

namespace faltung {
namespace {
constexpr GemmKernel<float> kRows[] = {
    FALTUNG_GEMM_14(float, 64, f32, avx512, 1),
    FALTUNG_GEMM_14(float, 64, f32, avx512, 2),
    FALTUNG_GEMM_9(float, 64, f32, avx512, 3),
    FALTUNG_GEMM_6(float, 64, f32, avx512, 4),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GemmTable<float> faltung_gemm_f32_avx512_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
