// Gemm kernels on f64, avx2: 32-byte vectors; tile shapes rows x vectors.
#include "core/kernels/gemm_impl.h"

namespace faltung {
namespace {
constexpr GemmKernel<double> kRows[] = {
    FALTUNG_GEMM_6(double, 32, f64, avx2, 1),
    FALTUNG_GEMM_6(double, 32, f64, avx2, 2),
    FALTUNG_GEMM_4(double, 32, f64, avx2, 3),
    FALTUNG_GEMM_3(double, 32, f64, avx2, 4),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GemmTable<double> faltung_gemm_f64_avx2_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
