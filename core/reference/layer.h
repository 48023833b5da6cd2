// What a layer of a network computes, every number resolved. The floors above decide how.
//
//   y[n, o, i] = act(sum over channels c of o's group and taps t of x[n, c, i * stride + t * dilation - pad] * w[o, c, t]
//                    + b[o] + r[n, o, i])
//
// Terms outside a constant boundary are omitted. A kernel that flips arrives with negative weight steps. Steps are bytes and
// may be anything: both layouts, views. With complex numbers the types name the parts, and a step goes from one number to the
// next.
#pragma once
#include <vector>

#include "core/kernels/epilogue.h"
#include "core/reference/reference.h"

namespace faltung {

struct LayerAxis {
  int64_t in, out, taps, stride, dilation, pad;
  Boundary boundary;
  int64_t in_step, weight_step, out_step, residual_step;
};

// Where the caller says that channels stand, whatever the steps of one array: what decides the order of a sum follows it.
enum class ChannelOrder : uint8_t { by_steps, first, last };

struct LayerProblem {
  int64_t batch = 1, groups = 1, in_channels = 1, out_channels = 1;  // of all groups together
  std::vector<LayerAxis> axes;
  int64_t in_batch_step = 0, in_channel_step = 0;
  int64_t weight_out_step = 0, weight_in_step = 0;
  int64_t out_batch_step = 0, out_channel_step = 0;
  int64_t residual_batch_step = 0, residual_channel_step = 0;
  DType in = DType::f32, weight = DType::f32,
        out = DType::f32;  // bias, contiguous, and residual are of out's type
  Compute compute = Compute::f32;
  ChannelOrder order = ChannelOrder::by_steps;  // of the output
  bool complex_numbers = false;
  Store store = Store::cast;
  bool bias = false, residual = false;
  Activation activation = Activation::none;
  double lo = 0, hi = 0;
  // Integers only: what stands for 0 in x and in w, of every output channel or of all; terms outside stay omitted.
  int64_t in_zero = 0;
  std::vector<int64_t> weight_zero;
  bool far = false;  // a hint: part of a layer whose samples outgrow the near cache, as these alone would not

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t parts() const { return complex_numbers ? 2 : 1; }
  int64_t taps() const;
  int64_t positions() const;  // outputs of one channel of one item
  int64_t outputs() const { return batch * out_channels * positions(); }
  int64_t terms() const { return taps() * group_in(); }
};

struct LayerArrays {
  const void* in;
  const void* weight;
  const void* bias;
  const void* residual;
  void* out;
};

// The definition, slow and obviously right. Integers in 192 bits, all else in long double, rounded once at the store.
Outcome run_layer_reference(const LayerProblem& problem, const LayerArrays& arrays, int threads, Poll poll);

}  // namespace faltung
