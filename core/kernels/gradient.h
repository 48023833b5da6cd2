// The gradient family: weights' gradients of depthwise layers, channels side by side in vectors.
//
//   sums[k][t] += sum over runs s, positions j of
//                 g_s[j * g_step] * (x[k * x_next + s] + at)[j * x_step_s + (tap + t) * tap_step_s]     k < rows, t < taps
//
// A run is of neighbouring positions in one row of the output; k are kernel rows, t the taps of one. At most 256 positions a
// call: every sum is one register, from zero, and is then added to what stood there.
#pragma once
#include <cstdint>

namespace faltung {

template <class T>
struct GradientRun {
  const T* g;
  int64_t depth, x_step, tap_step;
};

template <class T>
struct GradientArgs {
  const GradientRun<T>* runs;
  const T* const* x;  // of every kernel row, `x_next` entries apart, and run
  int64_t count, x_next;
  int64_t at, tap;  // elements from g and x to the vector; the first tap
  int64_t g_step;
  T* sums;
  int64_t row_step, sum_step;  // elements between kernel rows and between taps
  bool first;                  // nothing stood there
};

// One kernel: a row of a constexpr table. `dense` ones want x_step == tap_step, and load every sample once for all taps.
template <class T>
struct GradientKernel {
  const char* name;
  bool dense;
  int rows, taps, lanes;
  void (*run)(const GradientArgs<T>&);
};

// All numbers of taps from 1 to the most; each with all rows from 1 to its most, ascending; dense ones first.
template <class T>
struct GradientTable {
  const GradientKernel<T>* kernels;
  int count;
};

}  // namespace faltung

#define FALTUNG_DECLARE_GRADIENT(isa)                                                \
  extern "C" const faltung::GradientTable<float> faltung_gradient_f32_##isa##_table; \
  extern "C" const faltung::GradientTable<double> faltung_gradient_f64_##isa##_table;
FALTUNG_DECLARE_GRADIENT(baseline)
FALTUNG_DECLARE_GRADIENT(avx2)
FALTUNG_DECLARE_GRADIENT(avx512)
