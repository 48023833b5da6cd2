// Grouped kernels on f64, avx2: 32-byte vectors; tiles are outs x vectors.
#include "core/kernels/grouped_impl.h"

namespace faltung {
namespace {
constexpr GroupedKernel<double> kRows[] = {
    FALTUNG_GROUPED_6(double, 32, f64, avx2, 1), FALTUNG_GROUPED_5(double, 32, f64, avx2, 2),
    FALTUNG_GROUPED_4(double, 32, f64, avx2, 3), FALTUNG_GROUPED_3(double, 32, f64, avx2, 4),
    FALTUNG_GROUPED_2(double, 32, f64, avx2, 5), FALTUNG_GROUPED_2(double, 32, f64, avx2, 6),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_TABLE(double, 32, f64, avx2)
