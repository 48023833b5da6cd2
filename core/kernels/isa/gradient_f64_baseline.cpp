// Gradient kernels on f64, baseline: 16-byte vectors of channels; tiles of kernel rows x taps.
#include "core/kernels/gradient_impl.h"

namespace faltung {
namespace {
constexpr GradientKernel<double> kRows[] = {FALTUNG_GRADIENT_16(double, 16, f64, baseline)};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GradientTable<double> faltung_gradient_f64_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
