// Kernels of small groups in lanes on f64, baseline: 16-byte vectors; folded sums x columns, spread rows x columns.
#include "core/kernels/grouped_lanes_impl.h"

namespace faltung {
namespace {
constexpr GroupedLanesKernel<double> kRows[] = {
    FALTUNG_SPREAD(double, 16, f64, baseline, 1, 8),
    FALTUNG_SPREAD(double, 16, f64, baseline, 1, 4),
    FALTUNG_SPREAD(double, 16, f64, baseline, 1, 1),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_LANES_TABLE(double, 16, f64, baseline)
