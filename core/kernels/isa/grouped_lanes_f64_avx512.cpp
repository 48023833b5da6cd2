// Kernels of small groups in lanes on f64, avx512: 64-byte vectors; folded sums x columns, spread rows x columns.
#include "core/kernels/grouped_lanes_impl.h"

namespace faltung {
namespace {
constexpr GroupedLanesKernel<double> kRows[] = {
    FALTUNG_FOLDED(double, 64, f64, avx512, 2, 12), FALTUNG_FOLDED(double, 64, f64, avx512, 2, 8),
    FALTUNG_FOLDED(double, 64, f64, avx512, 2, 7),  FALTUNG_FOLDED(double, 64, f64, avx512, 2, 4),
    FALTUNG_FOLDED(double, 64, f64, avx512, 2, 1),  FALTUNG_FOLDED(double, 64, f64, avx512, 4, 6),
    FALTUNG_FOLDED(double, 64, f64, avx512, 4, 5),  FALTUNG_FOLDED(double, 64, f64, avx512, 4, 4),
    FALTUNG_FOLDED(double, 64, f64, avx512, 4, 1),  FALTUNG_SPREAD(double, 64, f64, avx512, 2, 7),
    FALTUNG_SPREAD(double, 64, f64, avx512, 1, 14), FALTUNG_SPREAD(double, 64, f64, avx512, 1, 8),
    FALTUNG_SPREAD(double, 64, f64, avx512, 1, 7),  FALTUNG_SPREAD(double, 64, f64, avx512, 1, 4),
    FALTUNG_SPREAD(double, 64, f64, avx512, 1, 1),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_LANES_TABLE(double, 64, f64, avx512)
