// Correlation along turned lines on f32, avx2: 32-byte vectors.
#include "core/kernels/separable_impl.h"

FALTUNG_LINES_TABLE(float, 32, f32, avx2)
