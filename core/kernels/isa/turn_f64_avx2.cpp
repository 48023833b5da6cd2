// Transposes of f64, avx2: 32-byte vectors.
#include "core/kernels/turn_impl.h"

FALTUNG_TURN_TABLE(double, 32, f64, avx2)
