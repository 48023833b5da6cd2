// Grouped kernels on f32, avx2: 32-byte vectors; tiles are outs x vectors.
#include "core/kernels/grouped_impl.h"

namespace faltung {
namespace {
constexpr GroupedKernel<float> kRows[] = {
    FALTUNG_GROUPED_6(float, 32, f32, avx2, 1), FALTUNG_GROUPED_5(float, 32, f32, avx2, 2),
    FALTUNG_GROUPED_4(float, 32, f32, avx2, 3), FALTUNG_GROUPED_3(float, 32, f32, avx2, 4),
    FALTUNG_GROUPED_2(float, 32, f32, avx2, 5), FALTUNG_GROUPED_2(float, 32, f32, avx2, 6),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_TABLE(float, 32, f32, avx2)
