// Gemm kernels on f32, avx2: 32-byte vectors; tile shapes rows x vectors.
#include "core/kernels/gemm_impl.h"

namespace faltung {
namespace {
constexpr GemmKernel<float> kRows[] = {
    FALTUNG_GEMM_6(float, 32, f32, avx2, 1),
    FALTUNG_GEMM_6(float, 32, f32, avx2, 2),
    FALTUNG_GEMM_4(float, 32, f32, avx2, 3),
    FALTUNG_GEMM_3(float, 32, f32, avx2, 4),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GemmTable<float> faltung_gemm_f32_avx2_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
