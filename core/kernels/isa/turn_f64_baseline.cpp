// Transposes of f64, baseline: 16-byte vectors.
#include "core/kernels/turn_impl.h"

FALTUNG_TURN_TABLE(double, 16, f64, baseline)
