// Activations of f64, avx512: 64-byte vectors.
#include "core/kernels/epilogue_impl.h"

FALTUNG_EPILOGUE_TABLE(double, 64, f64, avx512)
