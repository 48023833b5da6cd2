// Transposes of f64, avx512: 64-byte vectors.
#include "core/kernels/turn_impl.h"

FALTUNG_TURN_TABLE(double, 64, f64, avx512)
