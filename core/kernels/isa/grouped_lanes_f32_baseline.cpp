// Kernels of small groups in lanes on f32, baseline: 16-byte vectors; folded sums x columns, spread rows x columns.
#include "core/kernels/grouped_lanes_impl.h"

namespace faltung {
namespace {
constexpr GroupedLanesKernel<float> kRows[] = {
    FALTUNG_FOLDED(float, 16, f32, baseline, 2, 4), FALTUNG_FOLDED(float, 16, f32, baseline, 2, 1),
    FALTUNG_SPREAD(float, 16, f32, baseline, 1, 8), FALTUNG_SPREAD(float, 16, f32, baseline, 1, 4),
    FALTUNG_SPREAD(float, 16, f32, baseline, 1, 1),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_LANES_TABLE(float, 16, f32, baseline)
