// Activations of f64, baseline: 16-byte vectors.
#include "core/kernels/epilogue_impl.h"

FALTUNG_EPILOGUE_TABLE(double, 16, f64, baseline)
