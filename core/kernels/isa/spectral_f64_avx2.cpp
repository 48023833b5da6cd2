// Spectral kernels on f64, avx2: 32-byte vectors.
#include "core/kernels/spectral_impl.h"

FALTUNG_SPECTRAL_TABLE(double, 32, f64, avx2, 4)
