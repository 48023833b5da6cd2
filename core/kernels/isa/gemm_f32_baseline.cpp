// Gemm kernels on f32, baseline: 16-byte vectors; tile shapes rows x vectors.
#include "core/kernels/gemm_impl.h"

namespace faltung {
namespace {
constexpr GemmKernel<float> kRows[] = {
    FALTUNG_GEMM_6(float, 16, f32, baseline, 1),
    FALTUNG_GEMM_6(float, 16, f32, baseline, 2),
    FALTUNG_GEMM_4(float, 16, f32, baseline, 3),
    FALTUNG_GEMM_3(float, 16, f32, baseline, 4),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GemmTable<float> faltung_gemm_f32_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
