// What to compute: an N-D correlation over arrays in memory, every number resolved. The floors above decide how.
//
//   out[b, o] = sum over taps t of  in[b, o * stride + t * dilation - pad] * kernel[b, t]
//
// A convolution arrives with negative kernel steps. Steps are bytes. With complex samples `in`, `kernel` and `out` name the
// type of the parts, and a step still goes from one sample to the next.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/kernels/convert.h"

namespace faltung {

// numpy.pad's words and index maps, repeated as often as needed; a single sample maps to itself.
enum class Boundary : uint8_t { constant, edge, reflect, symmetric, wrap };

// The type that computes. `wide` sums integers in 192 bits: exact for anything, for the reference only.
enum class Compute : uint8_t { f32, f64, u64, wide };

// `order` is the axis's place in the result, in elements of a C-contiguous one: it alone decides which axis plays which
// part, so that the order of summation, and with it every bit of the result, does not depend on strides.
struct ConvAxis {
  int64_t in, out, taps, stride, dilation, pad;
  Boundary boundary;
  int64_t in_step, kernel_step, out_step, order;
};

struct BatchAxis {
  int64_t size, in_step, kernel_step, out_step, order;
};

struct Problem {
  std::vector<ConvAxis> axes;
  std::vector<BatchAxis> batch;
  DType in = DType::f32, kernel = DType::f32, out = DType::f32;
  Compute compute = Compute::f32;
  bool complex_samples = false;  // in and out are complex
  bool complex_kernel = false;   // only with complex samples
  bool conjugate = false;        // the kernel
  bool zero_fill = true;         // constant boundary of zeros: terms outside are omitted, never 0 * tap
  Store store = Store::cast;
  alignas(8) std::byte fill[16] = {};  // one sample of the input's type, for the constant boundary

  int64_t parts() const { return complex_samples ? 2 : 1; }
  int64_t outputs() const;
  int64_t taps() const;
};

// The sample that position i of an axis of n samples stands for; -1 for the constant.
int64_t boundary_index(int64_t i, int64_t n, Boundary boundary);

}  // namespace faltung
