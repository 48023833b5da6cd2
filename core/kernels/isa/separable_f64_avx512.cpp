// Correlation along turned lines on f64, avx512: 64-byte vectors.
#include "core/kernels/separable_impl.h"

FALTUNG_LINES_TABLE(double, 64, f64, avx512)
