// Transposes of f32, avx2: 32-byte vectors.
#include "core/kernels/turn_impl.h"

FALTUNG_TURN_TABLE(float, 32, f32, avx2)
