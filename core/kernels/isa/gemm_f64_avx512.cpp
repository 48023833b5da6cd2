// Gemm kernels on f64, avx512: 64-byte vectors; tile shapes rows x vectors.
#include "core/kernels/gemm_impl.h"

namespace faltung {
namespace {
constexpr GemmKernel<double> kRows[] = {
    FALTUNG_GEMM_14(double, 64, f64, avx512, 1),
    FALTUNG_GEMM_14(double, 64, f64, avx512, 2),
    FALTUNG_GEMM_9(double, 64, f64, avx512, 3),
    FALTUNG_GEMM_6(double, 64, f64, avx512, 4),
};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GemmTable<double> faltung_gemm_f64_avx512_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
