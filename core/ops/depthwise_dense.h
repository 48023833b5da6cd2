// A strided and dilated axis as dense stencils.
//
// With stride S, dilation D and g = gcd(S, D), output o + (D/g) j and tap p + (S/g) q meet at sample
// o S + p D - pad + (j + q) lcm(S, D): each pair of an output class o < D/g and a tap class p < S/g is a stencil in j and q
// without stride or dilation, over samples that are lcm(S, D) apart.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/reference/layer.h"

namespace faltung {

struct DenseAxis {
  explicit DenseAxis(const LayerAxis& a) : axis(a) {
    if (axis.taps == 1) axis.dilation = axis.stride;
    const int64_t g = std::gcd(axis.stride, axis.dilation);
    classes = axis.dilation / g;
    spread = axis.stride / g;
    step = axis.stride / g * axis.dilation;
    for (int64_t p = 0; p < std::min(spread, axis.taps); ++p)
      class_taps.push_back((axis.taps - p + spread - 1) / spread);
  }

  // Outputs of a class; the one of index j is class + classes * j.
  int64_t outputs(int64_t output_class) const {
    return output_class < axis.out ? (axis.out - output_class + classes - 1) / classes : 0;
  }
  // Sample `entry` = j + q of a tap class, which may lie outside.
  int64_t sample(int64_t output_class, int64_t tap_class, int64_t entry) const {
    return output_class * axis.stride + tap_class * axis.dilation - axis.pad + entry * step;
  }
  int64_t tap(int64_t tap_class, int64_t q) const { return tap_class + spread * q; }
  int64_t most_taps() const { return class_taps[0]; }
  // Samples from the first to the last that `outputs` neighbouring outputs read.
  int64_t reach(int64_t outputs_read) const {
    return (outputs_read - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1;
  }

  LayerAxis axis;
  int64_t classes, spread, step;
  std::vector<int64_t> class_taps;
};

}  // namespace faltung
