// Grouped kernels on f32, baseline: 16-byte vectors; tiles are outs x vectors.
#include "core/kernels/grouped_impl.h"

namespace faltung {
namespace {
constexpr GroupedKernel<float> kRows[] = {
    FALTUNG_GROUPED_6(float, 16, f32, baseline, 1),
    FALTUNG_GROUPED_4(float, 16, f32, baseline, 2),
    FALTUNG_GROUPED_3(float, 16, f32, baseline, 3),
    FALTUNG_GROUPED_2(float, 16, f32, baseline, 4),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_TABLE(float, 16, f32, baseline)
