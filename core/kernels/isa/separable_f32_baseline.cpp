// Correlation along turned lines on f32, baseline: 16-byte vectors.
#include "core/kernels/separable_impl.h"

FALTUNG_LINES_TABLE(float, 16, f32, baseline)
