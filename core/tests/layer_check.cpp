#include "core/tests/layer_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/base/memory.h"
#include "core/kernels/select.h"
#include "core/reference/number.h"
#include "core/tests/check.h"
#include "core/tests/promise.h"

namespace faltung::tests {
namespace {

constexpr std::byte kUntouched{0xa5};
constexpr int kThreads = 2;  // of the definition

// ---- the definition in double, of the samples or of their magnitudes ------------------------------------

enum class Of { samples, magnitudes, magnitudes_and_one };

// The same memory in double; with `turned` the imaginary parts are negative.
Array in_double(const Array& array, DType type, Of of, bool turned) {
  const std::int64_t item = kItemSize[int(type)], n = array.memory.size() / item;
  Array d{Heap<std::byte>(n * 8), array.origin / item * 8};
  auto* values = reinterpret_cast<double*>(d.memory.data());
  convert_table<double>(Isa::baseline).load[int(type)](array.memory.data(), {n, 1, item, item}, values);
  for (std::int64_t i = 0; i < n && of != Of::samples; ++i) {
    values[i] = std::abs(values[i]) + (of == Of::magnitudes_and_one);
    if (turned && (i - array.origin / item) % 2 != 0) values[i] = -values[i];
  }
  return d;
}

void make_double(LayerProblem& p) {
  const std::int64_t in = kItemSize[int(p.in)], weight = kItemSize[int(p.weight)],
                     out = kItemSize[int(p.out)];
  const auto scale = [](std::int64_t& step, std::int64_t item) { step = step / item * 8; };
  for (std::int64_t* step : {&p.in_batch_step, &p.in_channel_step}) scale(*step, in);
  for (std::int64_t* step : {&p.weight_out_step, &p.weight_in_step}) scale(*step, weight);
  for (std::int64_t* step : {&p.residual_batch_step, &p.residual_channel_step}) scale(*step, out);
  for (LayerAxis& a : p.axes) scale(a.in_step, in), scale(a.weight_step, weight), scale(a.residual_step, out);
  std::int64_t step = 8 * p.parts();
  for (std::size_t a = p.axes.size(); a-- > 0;) p.axes[a].out_step = step, step *= p.axes[a].out;
  p.out_channel_step = step;
  p.out_batch_step = step * p.out_channels;
  p.in = p.weight = p.out = DType::f64;
  p.compute = Compute::f64;
}

Heap<double> run_in_double(const LayerCase& c, Of of, bool turned) {
  LayerProblem p = c.problem;
  make_double(p);
  if (of != Of::samples) p.activation = Activation::none;
  const DType out = c.problem.out;
  const Array in = in_double(c.in, c.problem.in, of, false),
              weight = in_double(c.weight, c.problem.weight, of, turned),
              bias = in_double(c.bias, out, of, false), residual = in_double(c.residual, out, of, false);
  Heap<double> results(p.outputs() * p.parts());
  run_layer_reference(p, {in.at(), weight.at(), bias.at(), residual.at(), results.data()}, kThreads, {});
  return results;
}

// Sums of magnitudes. With a turned kernel the real part a w - b v has no minus, with the plain one the imaginary part.
Heap<double> sums(const LayerCase& c, Of of) {
  Heap<double> s = run_in_double(c, of, false);
  if (c.problem.complex_numbers) {
    const Heap<double> real_parts = run_in_double(c, of, true);
    for (std::int64_t i = 0; i < s.size(); i += 2) s[i] = real_parts[i];
  }
  return s;
}

double lipschitz(const LayerProblem& p) {
  switch (p.activation) {
    case Activation::none:
    case Activation::clip:
    case Activation::tanh:
      return 1;
    case Activation::leaky_relu:
      return std::max(1.0, std::abs(p.lo));
    case Activation::hardsigmoid:
      return 1.0 / 6;
    case Activation::hardswish:
      return 1.5;
    case Activation::sigmoid:
      return 0.25;
    case Activation::silu:
      return 1.1;
    case Activation::gelu:
    case Activation::gelu_tanh:
      return 1.13;
  }
  return 1;
}

// ---- one run --------------------------------------------------------------------------------------------

struct Run {
  Outcome outcome;
  Array out;
};

// Empty, or what went wrong.
std::string run(const LayerCase& c, const Layer& layer, int threads, Run& r) {
  const std::int64_t bytes = layer.packed_bytes();
  if (bytes < 0) return "the size of prepared weights is negative";
  constexpr std::int64_t guard = 64;
  Scratch memory(static_cast<std::size_t>(bytes + 2 * guard));
  auto* packed = static_cast<std::byte*>(memory.data());
  std::fill(packed, packed + bytes + 2 * guard, kUntouched);
  layer.pack(c.weight.at(), packed + guard, threads);
  for (std::int64_t i = 0; i < guard; ++i)
    if (packed[i] != kUntouched || packed[guard + bytes + i] != kUntouched)
      return "pack() wrote beside the weights";
  const std::vector<std::byte> prepared(packed, packed + bytes + 2 * guard);
  r.out = blank(c.out);
  r.outcome = layer.run(c.arrays(packed + guard, r.out.at()), threads, {});
  if (!std::equal(prepared.begin(), prepared.end(), packed)) return "run() changed the prepared weights";
  return r.outcome.finished ? "" : "run() stopped";
}

// Results in C order, taken out of `out`; empty where something else was written.
Heap<std::byte> take(const LayerProblem& p, Array& out, bool& clean) {
  const std::int64_t size = kItemSize[int(p.out)] * p.parts();
  Heap<std::byte> results(p.outputs() * size);
  std::int64_t n = 0;
  for (const std::int64_t offset : output_offsets(p)) {
    std::memcpy(results.data() + n++ * size, out.at(offset), static_cast<std::size_t>(size));
    std::memset(out.at(offset), static_cast<int>(kUntouched), static_cast<std::size_t>(size));
  }
  clean = std::all_of(out.memory.begin(), out.memory.end(), [](std::byte b) { return b == kUntouched; });
  return results;
}

std::string broken_integers(const LayerCase& c, const Outcome& outcome, const Heap<std::byte>& got) {
  const LayerProblem& p = c.problem;
  Array expected = blank(c.out);
  const Outcome exact = run_layer_reference(p, c.arrays(c.weight.at(), expected.at()), kThreads, {});
  if (exact.reported != outcome.reported)
    return exact.reported ? "nothing was reported" : "something was reported";
  if (exact.reported) return "";  // results are nobody's promise
  bool clean;
  const Heap<std::byte> want = take(p, expected, clean);
  const std::int64_t item = kItemSize[int(p.out)];
  for (std::int64_t i = 0; i * item < want.size(); ++i) {
    if (std::memcmp(want.data() + i * item, got.data() + i * item, static_cast<std::size_t>(item)) == 0)
      continue;
    char text[120];
    std::snprintf(text, sizeof text, "output %lld is %.17g, not %.17g", static_cast<long long>(i),
                  real(got.data() + i * item, p.out), real(want.data() + i * item, p.out));
    return text;
  }
  return "";
}

std::string broken_promise(const LayerCase& c, const Outcome& outcome, const Heap<std::byte>& results) {
  if (outcome.reported) return "something was reported";
  const LayerProblem& p = c.problem;
  const LayerBounds bounds = layer_bounds(c);
  for (std::int64_t i = 0; i < bounds.values.size(); ++i) {
    const double y = bounds.values[i], bound = bounds.errors[i];
    const double got = real(results.data() + i * kItemSize[int(p.out)], p.out);
    const bool right = std::isnan(y)   ? std::isnan(got)
                       : std::isinf(y) ? got == y
                                       : std::abs(got - y) <= bound;
    const bool overflow = p.out == DType::f16 && std::abs(y) + bound >= 65520 && std::isinf(got);
    if (right || overflow) continue;
    char text[160];
    std::snprintf(text, sizeof text, "output %lld is %.17g, not %.17g; the bound is %.3g",
                  static_cast<long long>(i), got, y, bound);
    return text;
  }
  return "";
}

std::string broken(const LayerCase& c, const Layer& layer, int threads) {
  Run one, many;
  if (const std::string what = run(c, layer, 1, one); !what.empty()) return what;
  if (const std::string what = run(c, layer, threads, many); !what.empty()) return what + ", several threads";
  if (!one.out.memory.same_bytes(many.out.memory)) return "the bits depend on the number of threads";
  if (one.outcome.reported != many.outcome.reported) return "the report depends on the number of threads";
  bool clean;
  const Heap<std::byte> results = take(c.problem, one.out, clean);
  if (!clean) return "run() wrote beside the results";
  return is_integer(c.problem.out) ? broken_integers(c, one.outcome, results)
                                   : broken_promise(c, one.outcome, results);
}

bool same(const Array& a, const Heap<std::byte>& before) {
  return a.memory.same_bytes(before);
}

Heap<std::byte> copy(const Array& a) {
  Heap<std::byte> c(a.memory.size());
  if (c.size() > 0) std::memcpy(c.data(), a.memory.data(), c.bytes());
  return c;
}

}  // namespace

std::vector<std::int64_t> output_offsets(const LayerProblem& p) {
  std::vector<std::int64_t> offsets;
  offsets.reserve(static_cast<std::size_t>(p.outputs()));
  for (std::int64_t i = 0; i < p.outputs(); ++i) {
    std::int64_t rest = i, offset = 0;
    for (std::size_t a = p.axes.size(); a-- > 0;)
      offset += rest % p.axes[a].out * p.axes[a].out_step, rest /= p.axes[a].out;
    offset += rest % p.out_channels * p.out_channel_step;
    offsets.push_back(offset + rest / p.out_channels * p.out_batch_step);
  }
  return offsets;
}

LayerBounds layer_bounds(const LayerCase& c) {
  const LayerProblem& p = c.problem;
  const bool single = p.compute == Compute::f32;
  const double n = static_cast<double>(p.terms() * p.parts() + p.bias + p.residual);
  const double u = single ? 0x1p-24 : 0x1p-53, slope = lipschitz(p);
  const double units = 1.1 * std::min(n, 256.0) + std::ceil(n / 256) + 20;
  LayerBounds b{run_in_double(c, Of::samples, false), sums(c, Of::magnitudes)};
  const Heap<double> flushed = single ? sums(c, Of::magnitudes_and_one) : Heap<double>();
  for (std::int64_t i = 0; i < b.values.size(); ++i) {
    const double y = std::abs(b.values[i]);
    double bound = (units * u + c.looseness) * b.errors[i] + (single ? 0x1p-123 * flushed[i] : n * 0x1p-1073);
    bound *= slope;
    if (p.activation != Activation::none) bound += 8 * u * y + (single ? 0x1p-126 : 0x1p-1072);
    if (p.out == DType::f16) bound += 0x1p-11 * (y + bound) + 0x1p-25;
    if (p.out == DType::bf16) bound += 0x1p-8 * (y + bound) + 0x1p-134;
    b.errors[i] = bound;
  }
  return b;
}

void check_layer(const LayerCase& c, const Layer& layer, int threads) {
  const Array* const arrays[] = {&c.in, &c.weight, &c.bias, &c.residual};
  Heap<std::byte> before[4];
  for (int i = 0; i < 4; ++i) before[i] = copy(*arrays[i]);
  std::string what = broken(c, layer, threads);
  for (int i = 0; i < 4; ++i)
    if (!same(*arrays[i], before[i]))
      what += what.empty() ? "an input was changed" : "; an input was changed";
  if (!what.empty())
    report(__FILE__, __LINE__,
           layer.summary().kernel + ", seed " + std::to_string(c.seed) + ": " + what + "\n  " +
               describe(c.problem));
}

}  // namespace faltung::tests
