// Gradient kernels on f32, baseline: 16-byte vectors of channels; tiles of kernel rows x taps.
#include "core/kernels/gradient_impl.h"

namespace faltung {
namespace {
constexpr GradientKernel<float> kRows[] = {FALTUNG_GRADIENT_16(float, 16, f32, baseline)};
}  // namespace
}  // namespace faltung

extern "C" const faltung::GradientTable<float> faltung_gradient_f32_baseline_table = {
    faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0])};
