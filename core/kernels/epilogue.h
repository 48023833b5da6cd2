// The epilogue family: activations of finished sums, where they lie.
//
// Kernels that hold their sums in registers add bias and residual and clip there; all else goes over a line that was just
// written. At most 4 units in the last place beside the exact function; NaN stays NaN.
#pragma once
#include <cstdint>

namespace faltung {

// `lo` and `hi` of a clip, `lo` the slope of a leaky relu.
enum class Activation : uint8_t {
  none,
  clip,
  leaky_relu,
  hardsigmoid,  // min(max(x / 6 + 1/2, 0), 1)
  hardswish,    // x hardsigmoid(x)
  sigmoid,
  silu,
  tanh,
  gelu,  // x (1 + erf(x / sqrt 2)) / 2
  gelu_tanh,
};
inline constexpr int kActivations = 10;

template <class T>
struct EpilogueTable {
  // values[i] = act(values[i]); by Activation, null for none.
  void (*activate[kActivations])(T* values, int64_t count, T lo, T hi);
};

}  // namespace faltung

#define FALTUNG_DECLARE_EPILOGUE(isa)                                                \
  extern "C" const faltung::EpilogueTable<float> faltung_epilogue_f32_##isa##_table; \
  extern "C" const faltung::EpilogueTable<double> faltung_epilogue_f64_##isa##_table;
FALTUNG_DECLARE_EPILOGUE(baseline)
FALTUNG_DECLARE_EPILOGUE(avx2)
FALTUNG_DECLARE_EPILOGUE(avx512)
