// Spectral kernels on f32, baseline: 16-byte vectors.
#include "core/kernels/spectral_impl.h"

FALTUNG_SPECTRAL_TABLE(float, 16, f32, baseline, 4)
