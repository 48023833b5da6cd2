// Grouped kernels on f32, avx512: 64-byte vectors; tiles are outs x vectors.
#include "core/kernels/grouped_impl.h"

namespace faltung {
namespace {
constexpr GroupedKernel<float> kRows[] = {
    FALTUNG_GROUPED_8(float, 64, f32, avx512, 1), FALTUNG_GROUPED_12(float, 64, f32, avx512, 2),
    FALTUNG_GROUPED_8(float, 64, f32, avx512, 3), FALTUNG_GROUPED_6(float, 64, f32, avx512, 4),
    FALTUNG_GROUPED_5(float, 64, f32, avx512, 5), FALTUNG_GROUPED_4(float, 64, f32, avx512, 6),
    FALTUNG_GROUPED_3(float, 64, f32, avx512, 7), FALTUNG_GROUPED_3(float, 64, f32, avx512, 8),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_TABLE(float, 64, f32, avx512)
