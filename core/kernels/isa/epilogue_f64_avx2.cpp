// Activations of f64, avx2: 32-byte vectors.
#include "core/kernels/epilogue_impl.h"

FALTUNG_EPILOGUE_TABLE(double, 32, f64, avx2)
