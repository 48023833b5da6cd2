// Kernels of small groups in lanes on f32, avx512: 64-byte vectors; folded sums x columns, spread rows x columns.
#include "core/kernels/grouped_lanes_impl.h"

namespace faltung {
namespace {
constexpr GroupedLanesKernel<float> kRows[] = {
    FALTUNG_FOLDED(float, 64, f32, avx512, 2, 12), FALTUNG_FOLDED(float, 64, f32, avx512, 2, 8),
    FALTUNG_FOLDED(float, 64, f32, avx512, 2, 7),  FALTUNG_FOLDED(float, 64, f32, avx512, 2, 4),
    FALTUNG_FOLDED(float, 64, f32, avx512, 2, 1),  FALTUNG_FOLDED(float, 64, f32, avx512, 4, 6),
    FALTUNG_FOLDED(float, 64, f32, avx512, 4, 5),  FALTUNG_FOLDED(float, 64, f32, avx512, 4, 4),
    FALTUNG_FOLDED(float, 64, f32, avx512, 4, 1),  FALTUNG_FOLDED(float, 64, f32, avx512, 8, 3),
    FALTUNG_FOLDED(float, 64, f32, avx512, 8, 2),  FALTUNG_FOLDED(float, 64, f32, avx512, 8, 1),
    FALTUNG_SPREAD(float, 64, f32, avx512, 2, 7),  FALTUNG_SPREAD(float, 64, f32, avx512, 1, 14),
    FALTUNG_SPREAD(float, 64, f32, avx512, 1, 8),  FALTUNG_SPREAD(float, 64, f32, avx512, 1, 7),
    FALTUNG_SPREAD(float, 64, f32, avx512, 1, 4),  FALTUNG_SPREAD(float, 64, f32, avx512, 1, 1),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_LANES_TABLE(float, 64, f32, avx512)
