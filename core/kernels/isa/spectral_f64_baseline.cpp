// Spectral kernels on f64, baseline: 16-byte vectors.
#include "core/kernels/spectral_impl.h"

FALTUNG_SPECTRAL_TABLE(double, 16, f64, baseline, 4)
