// Spectral kernels on f32, avx2: 32-byte vectors.
#include "core/kernels/spectral_impl.h"

FALTUNG_SPECTRAL_TABLE(float, 32, f32, avx2, 4)
