// Transposes of f32, avx512: 64-byte vectors.
#include "core/kernels/turn_impl.h"

FALTUNG_TURN_TABLE(float, 64, f32, avx512)
