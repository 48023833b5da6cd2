#include "core/reference/layer.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr Real kSqrtHalf = 0.70710678118654752440084436210484904L;
constexpr Real kTwoOverPi = 0.63661977236758134307553505349005745L;

Real clip(Real x, Real lo, Real hi) {
  return x < lo ? lo : x > hi ? hi : x;  // NaN stays
}

Real activate(Real x, const LayerProblem& p) {
  switch (p.activation) {
    case Activation::none:
      return x;
    case Activation::clip:
      return clip(x, Real(p.lo), Real(p.hi));
    case Activation::leaky_relu:
      return x < 0 ? Real(p.lo) * x : x;
    case Activation::hardsigmoid:
      return clip(x / 6 + 0.5L, 0, 1);
    case Activation::hardswish:
      return x * clip(x / 6 + 0.5L, 0, 1);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::gelu:
      return x * std::erfc(-x * kSqrtHalf) / 2;
    case Activation::gelu_tanh:
      return x * (1 + std::tanh(std::sqrt(kTwoOverPi) * (x + 0.044715L * x * x * x))) / 2;
  }
  return x;
}

// Where an output stands, and what adds to it.
struct Place {
  int64_t item, channel;
  std::vector<int64_t> at;
};

// Calls visit(sample, weight) for every term of an output.
template <class F>
void for_terms(const LayerProblem& p, const LayerArrays& arrays, const Place& o, F visit) {
  const int64_t first = o.channel / p.group_out() * p.group_in();
  const char* x = static_cast<const char*>(arrays.in) + o.item * p.in_batch_step + first * p.in_channel_step;
  const char* w = static_cast<const char*>(arrays.weight) + o.channel * p.weight_out_step;
  std::vector<int64_t> t(p.axes.size(), 0);
  for (int64_t tap = 0; tap < p.taps(); ++tap) {
    const char *sample = x, *weight = w;
    bool inside = true;
    int64_t rest = tap;
    for (size_t a = p.axes.size(); a-- > 0;) {
      const LayerAxis& axis = p.axes[a];
      const int64_t h = rest % axis.taps;
      rest /= axis.taps;
      const int64_t i =
          boundary_index(o.at[a] * axis.stride + h * axis.dilation - axis.pad, axis.in, axis.boundary);
      inside = inside && i >= 0;
      if (inside) sample += i * axis.in_step;
      weight += h * axis.weight_step;
    }
    if (!inside) continue;
    for (int64_t c = 0; c < p.group_in(); ++c)
      visit(sample + c * p.in_channel_step, weight + c * p.weight_in_step);
  }
}

bool one_integer(const LayerProblem& p, const LayerArrays& arrays, const Place& o, const char* bias,
                 const char* residual, char* out) {
  Wide sum;
  const int64_t weight_zero =
      p.weight_zero.empty() ? 0 : p.weight_zero[p.weight_zero.size() == 1 ? 0 : size_t(o.channel)];
  const bool shifted = p.in_zero != 0 || weight_zero != 0;  // 8-bit types only: all fits
  for_terms(p, arrays, o, [&](const char* sample, const char* weight) {
    uint64_t a = load_word(sample, p.in), w = load_word(weight, p.weight);
    bool a_negative = is_signed(p.in) && int64_t(a) < 0, w_negative = is_signed(p.weight) && int64_t(w) < 0;
    if (shifted) {
      a -= uint64_t(p.in_zero), w -= uint64_t(weight_zero);
      a_negative = int64_t(a) < 0, w_negative = int64_t(w) < 0;
    }
    sum.add_product(a, a_negative, w, w_negative);
  });
  for (const char* more : {bias, residual})
    if (more) {
      const uint64_t word = load_word(more, p.out);
      sum.add_product(word, is_signed(p.out) && int64_t(word) < 0, 1, false);
    }
  if (p.activation == Activation::clip) {  // bounds are integers or infinite
    const double y = sum.approximate();
    const double bound = y < p.lo ? p.lo : y > p.hi ? p.hi : y;
    if (bound != y) {
      sum = Wide();
      const bool minus = bound < 0;
      sum.add_product(uint64_t(int64_t(bound)), minus, 1, false);
    }
  }
  return store_wide(sum, out, p.out, p.store);
}

bool one_real(const LayerProblem& p, const LayerArrays& arrays, const Place& o, const char* bias,
              const char* residual, char* out) {
  const int64_t in_item = kItemSize[int(p.in)], weight_item = kItemSize[int(p.weight)],
                out_item = kItemSize[int(p.out)];
  Real re = 0, im = 0;
  for_terms(p, arrays, o, [&](const char* sample, const char* weight) {
    const Real a = load_real(sample, p.in), w = load_real(weight, p.weight);
    if (!p.complex_numbers) {
      re += a * w;
      return;
    }
    const Real b = load_real(sample + in_item, p.in), v = load_real(weight + weight_item, p.weight);
    re += a * w - b * v;
    im += a * v + b * w;
  });
  for (const char* more : {bias, residual})
    if (more) {
      re += load_real(more, p.out);
      if (p.complex_numbers) im += load_real(more + out_item, p.out);
    }
  bool bad = store_real(activate(re, p), out, p.out, p.store);
  if (p.complex_numbers) bad |= store_real(im, out + out_item, p.out, p.store);
  return bad;
}

}  // namespace

int64_t LayerProblem::taps() const {
  int64_t n = 1;
  for (const LayerAxis& a : axes) n *= a.taps;
  return n;
}

int64_t LayerProblem::positions() const {
  int64_t n = 1;
  for (const LayerAxis& a : axes) n *= a.out;
  return n;
}

Outcome run_layer_reference(const LayerProblem& p, const LayerArrays& arrays, int threads, Poll poll) {
  if (p.outputs() == 0) return {};
  std::atomic<bool> reported{false};
  const int64_t positions = p.positions();
  const bool integers = is_integer(p.in) && is_integer(p.out);
  const bool finished = parallel_for(
      p.batch * p.out_channels, threads,
      [&](int64_t unit, int) {
        Place o{unit / p.out_channels, unit % p.out_channels, std::vector<int64_t>(p.axes.size())};
        const int64_t item = kItemSize[int(p.out)] * p.parts();
        const char* bias = p.bias ? static_cast<const char*>(arrays.bias) + o.channel * item : nullptr;
        for (int64_t n = 0; n < positions; ++n) {
          const char* residual = p.residual ? static_cast<const char*>(arrays.residual) +
                                                  o.item * p.residual_batch_step +
                                                  o.channel * p.residual_channel_step
                                            : nullptr;
          char* out =
              static_cast<char*>(arrays.out) + o.item * p.out_batch_step + o.channel * p.out_channel_step;
          int64_t rest = n;
          for (size_t a = p.axes.size(); a-- > 0;) {
            o.at[a] = rest % p.axes[a].out;
            rest /= p.axes[a].out;
            out += o.at[a] * p.axes[a].out_step;
            if (residual) residual += o.at[a] * p.axes[a].residual_step;
          }
          if (integers ? one_integer(p, arrays, o, bias, residual, out)
                       : one_real(p, arrays, o, bias, residual, out))
            reported = true;
        }
      },
      poll);
  return {finished, reported};
}

}  // namespace faltung
