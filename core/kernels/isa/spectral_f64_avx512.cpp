// Spectral kernels on f64, avx512: 64-byte vectors.
#include "core/kernels/spectral_impl.h"

FALTUNG_SPECTRAL_TABLE(double, 64, f64, avx512, 8)
