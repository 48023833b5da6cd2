// Transposes of f32, baseline: 16-byte vectors.
#include "core/kernels/turn_impl.h"

FALTUNG_TURN_TABLE(float, 16, f32, baseline)
