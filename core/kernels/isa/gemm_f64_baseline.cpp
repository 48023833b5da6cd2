// Gemm kernels on f64, baseline: 16-byte vectors; tile shapes rows x vectors.
#include "core/kernels/gemm_impl.h"

namespace faltung {
namespace {
constexpr GemmKernel<double> kRows[] = {
    FALTUNG_GEMM_6(double, 16, f64, baseline, 1),
    FALTUNG_GEMM_6(double, 16, f64, baseline, 2),
    FALTUNG_GEMM_4(double, 16, f64, baseline, 3),
    FALTUNG_GEMM_3(double, 16, f64, baseline, 4),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GemmTable<double> faltung_gemm_f64_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
