// A vector of 16 bytes holds no four rows of doubles: lines go one by one.
#include "core/kernels/separable.h"

extern "C" const faltung::LinesTable<double> faltung_separable_f64_baseline_table = {
    "separable_lines_f64_baseline", 0, nullptr, {}};
