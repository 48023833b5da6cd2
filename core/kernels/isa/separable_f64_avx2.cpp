// Correlation along turned lines on f64, avx2: 32-byte vectors.
#include "core/kernels/separable_impl.h"

FALTUNG_LINES_TABLE(double, 32, f64, avx2)
