// Grouped kernels on f64, baseline: 16-byte vectors; tiles are outs x vectors.
#include "core/kernels/grouped_impl.h"

namespace faltung {
namespace {
constexpr GroupedKernel<double> kRows[] = {
    FALTUNG_GROUPED_6(double, 16, f64, baseline, 1),
    FALTUNG_GROUPED_4(double, 16, f64, baseline, 2),
    FALTUNG_GROUPED_3(double, 16, f64, baseline, 3),
    FALTUNG_GROUPED_2(double, 16, f64, baseline, 4),
};
}  // namespace
}  // namespace faltung

FALTUNG_GROUPED_TABLE(double, 16, f64, baseline)
