// Activations of f32, avx512: 64-byte vectors.
#include "core/kernels/epilogue_impl.h"

FALTUNG_EPILOGUE_TABLE(float, 64, f32, avx512)
