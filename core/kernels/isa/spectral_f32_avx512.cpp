// Spectral kernels on f32, avx512: 64-byte vectors.
#include "core/kernels/spectral_impl.h"

FALTUNG_SPECTRAL_TABLE(float, 64, f32, avx512, 8)
