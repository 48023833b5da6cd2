// Kernels of small groups in lanes on f32, avx2: 32-byte vectors; folded sums x columns, spread rows x columns.
#include "core/kernels/grouped_lanes_impl.h"

namespace faltung {
namespace {
constexpr GroupedLanesKernel<float> kRows[] = {
    FALTUNG_FOLDED(float, 32, f32, avx2, 2, 6), FALTUNG_FOLDED(float, 32, f32, avx2, 2, 4),
    FALTUNG_FOLDED(float, 32, f32, avx2, 2, 1), FALTUNG_FOLDED(float, 32, f32, avx2, 4, 3),
    FALTUNG_FOLDED(float, 32, f32, avx2, 4, 2), FALTUNG_FOLDED(float, 32, f32, avx2, 4, 1),
    FALTUNG_SPREAD(float, 32, f32, avx2, 1, 8), FALTUNG_SPREAD(float, 32, f32, avx2, 1, 7),
    FALTUNG_SPREAD(float, 32, f32, avx2, 1, 4), FALTUNG_SPREAD(float, 32, f32, avx2, 1, 1),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_LANES_TABLE(float, 32, f32, avx2)
