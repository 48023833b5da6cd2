// Activations of f32, baseline: 16-byte vectors.
#include "core/kernels/epilogue_impl.h"

FALTUNG_EPILOGUE_TABLE(float, 16, f32, baseline)
