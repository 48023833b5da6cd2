// Activations of f32, avx2: 32-byte vectors.
#include "core/kernels/epilogue_impl.h"

FALTUNG_EPILOGUE_TABLE(float, 32, f32, avx2)
