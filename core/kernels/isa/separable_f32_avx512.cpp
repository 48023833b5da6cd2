// Correlation along turned lines on f32, avx512: 64-byte vectors.
#include "core/kernels/separable_impl.h"

FALTUNG_LINES_TABLE(float, 64, f32, avx512)
