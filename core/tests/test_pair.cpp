// Pairs of layers: held to the promises of both, whatever strips they are cut into.
//
// With E the error that the first layer may have, the second may be off by sum(|w| E), and by the promise of its own sums,
// whose magnitudes hold the first layer's results and E.
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/base/memory.h"
#include "core/kernels/select.h"
#include "core/ops/pair.h"
#include "core/tests/check.h"
#include "core/tests/layer_check.h"
#include "core/tests/promise.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

// The second layer beside a LayerCase that is the first.
struct PairCase {
  LayerCase first;
  LayerProblem second;
  Heap<std::byte> weight, bias, residual, out;
};

void fill(Random& random, Heap<std::byte>& memory, DType type) {
  const std::int64_t item = kItemSize[int(type)];
  for (std::int64_t at = 0; at < memory.size(); at += item) {
    const double x = 2 * random.unit() - 1;
    convert_table<double>(Isa::baseline).store[int(type)](&x, memory.data() + at, {1, 1, 0, 0}, Store::cast);
  }
}

PairCase random_pair(std::uint64_t seed, bool hostile) {
  LayerOptions options{.groups = LayerGroups::each,
                       .most_products = 60000,
                       .types = {DType::f32, DType::f32, DType::f64, DType::f16, DType::bf16},
                       .complex_numbers = false,
                       .not_finite = hostile,
                       .subnormal = hostile};
  PairCase c{random_layer(options, seed), {}, {}, {}, {}, {}};
  LayerProblem& d = c.first.problem;
  d.residual = false;
  Random random(seed + 77);
  LayerProblem& p = c.second;
  p.batch = d.batch, p.in_channels = d.out_channels, p.out_channels = random.between(1, 40);
  p.in = p.weight = p.out = d.out, p.compute = d.compute;
  p.bias = random.one_in(2), p.residual = random.one_in(3);
  if (random.one_in(2))
    p.activation = random.of({Activation::clip, Activation::silu, Activation::gelu}), p.hi = 6;
  const std::int64_t item = kItemSize[int(d.out)];
  p.weight_in_step = item, p.weight_out_step = item * p.in_channels;
  const bool last = random.one_in(2);
  std::int64_t step = item;
  if (last) p.out_channel_step = item, step = item * (p.out_channels + random.between(0, 2));
  for (const LayerAxis& a : d.axes)
    p.axes.push_back({a.out, a.out, 1, 1, 1, 0, Boundary::constant, 0, 0, 0, 0});
  for (std::size_t a = p.axes.size(); a-- > 0;) p.axes[a].out_step = step, step *= p.axes[a].out;
  if (!last)
    p.out_channel_step = step + item * random.between(0, 2), step = p.out_channel_step * p.out_channels;
  p.out_batch_step = step;
  p.residual_batch_step = p.out_batch_step, p.residual_channel_step = p.out_channel_step;
  for (LayerAxis& a : p.axes) a.residual_step = a.out_step;
  c.out = Heap<std::byte>(p.batch * step + item), c.residual = Heap<std::byte>(p.residual ? c.out.size() : 0);
  c.weight = Heap<std::byte>(p.weight_out_step * p.out_channels),
  c.bias = Heap<std::byte>(item * p.out_channels);
  fill(random, c.weight, d.out), fill(random, c.bias, d.out), fill(random, c.residual, d.out);
  return c;
}

// Runs into a blank result, and gives it back.
Heap<std::byte> run(const PairCase& c, const LayerPair& pair, int threads) {
  constexpr std::int64_t guard = 64;
  const std::int64_t bytes = pair.packed_bytes();
  Scratch memory(static_cast<std::size_t>(bytes + 2 * guard));
  auto* packed = static_cast<std::byte*>(memory.data());
  std::memset(packed, 0xa5, static_cast<std::size_t>(bytes + 2 * guard));
  const PairWeights weights{c.first.weight.at(), c.weight.data(), c.first.bias.at()};
  pair.pack(&weights, packed + guard, threads);
  for (std::int64_t i = 0; i < guard; ++i)
    if (packed[i] != std::byte{0xa5} || packed[guard + bytes + i] != std::byte{0xa5})
      report(__FILE__, __LINE__, "pack() wrote beside the weights");
  Heap<std::byte> out(c.out.size());
  out.fill_bytes(0xa5);
  const Outcome outcome =
      pair.run({c.first.in.at(), packed + guard, c.bias.data(), c.residual.data(), out.data()}, threads, {});
  CHECK(outcome.finished && !outcome.reported);
  return out;
}

double slope(Activation a) {
  return a == Activation::silu || a == Activation::gelu ? 1.13 : 1;
}

double activated(const LayerProblem& p, double x) {
  switch (p.activation) {
    case Activation::clip:
      return x < p.lo ? p.lo : x > p.hi ? p.hi : x;
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu:
      return x * std::erfc(-x * std::sqrt(0.5)) / 2;
    default:
      return x;
  }
}

// Empty, or what is wrong with the results.
std::string broken(const PairCase& c, Heap<std::byte> got) {
  const LayerProblem &d = c.first.problem, &p = c.second;
  const LayerBounds middle = layer_bounds(c.first);
  const std::int64_t positions = p.positions(), item = kItemSize[int(p.out)];
  const bool single = p.compute == Compute::f32;
  const double u = single ? 0x1p-24 : 0x1p-53, n = static_cast<double>(p.terms() + p.bias + p.residual);
  const double units = 1.1 * std::min(n, 256.0) + std::ceil(n / 256) + 20;
  std::int64_t i = 0;
  for (const std::int64_t at : output_offsets(p)) {
    const std::int64_t position = i % positions, o = i / positions % p.out_channels,
                       first = i / positions / p.out_channels * d.out_channels * positions + position;
    ++i;
    long double y = 0, s = 0, carried = 0;
    const auto add = [&](double x, double w, double error) {
      y += static_cast<long double>(x) * w;
      s += (std::abs(static_cast<long double>(x)) + error) * std::abs(w);
      carried += static_cast<long double>(error) * std::abs(w) +
                 (single ? 0x1p-123L : 0x1p-1070L) * (std::abs(x) + 3);
    };
    for (std::int64_t k = 0; k < d.out_channels; ++k)
      add(middle.values[first + k * positions], real(c.weight.data() + (o * d.out_channels + k) * item, p.in),
          middle.errors[first + k * positions]);
    if (p.bias) add(1, real(c.bias.data() + o * item, p.in), 0);
    if (p.residual) add(1, real(c.residual.data() + at, p.in), 0);
    const double want = activated(p, static_cast<double>(y)), result = real(got.data() + at, p.out);
    std::memset(got.data() + at, 0xa5, static_cast<std::size_t>(item));
    if (std::isinf(s) ||
        std::isnan(s)) {  // a sum that is not finite, or one that a bound cannot tell from it
      if (!std::isnan(y) || std::isnan(result)) continue;
    }
    double bound = slope(p.activation) * static_cast<double>(units * u * s + carried);
    bound += 8 * u * std::abs(want) + (single ? 0x1p-126 : 0x1p-1070);
    if (p.out == DType::f16) bound += 0x1p-11 * (std::abs(want) + bound) + 0x1p-25;
    if (p.out == DType::bf16) bound += 0x1p-8 * (std::abs(want) + bound) + 0x1p-134;
    if (std::abs(result - want) <= bound) continue;
    char text[160];
    std::snprintf(text, sizeof text, "output %lld is %.17g, not %.17g; the bound is %.3g",
                  static_cast<long long>(i - 1), result, want, bound);
    return text;
  }
  for (const std::byte b : got)
    if (b != std::byte{0xa5}) return "run() wrote beside the results";
  return "";
}

void check_pairs(std::uint64_t first, int count, bool hostile) {
  for (int i = 0; i < count; ++i) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(i);
    const PairCase c = random_pair(seed, hostile);
    for (const Isa isa : available_isas()) {
      const std::int64_t middle = std::int64_t{1} << (seed % 4 * 5);  // one row, some, all, several items
      const LayerPair pair(c.first.problem, c.second, isa, middle);
      Heap<std::byte> one = run(c, pair, 1);
      const Heap<std::byte> many = run(c, pair, 3);
      const std::string where = std::string(isa_name(isa)) + ", seed " + std::to_string(seed) + ": ";
      if (!one.same_bytes(many))
        report(__FILE__, __LINE__, where + "the bits depend on the number of threads");
      const std::string what = broken(c, std::move(one));
      if (!what.empty())
        report(__FILE__, __LINE__,
               where + what + "\n  " + describe(c.first.problem) + "\n  " + describe(c.second));
    }
  }
}

LayerProblem plain(std::int64_t channels, std::int64_t outputs, std::int64_t groups, std::int64_t taps) {
  LayerProblem p;
  p.in_channels = channels, p.out_channels = outputs, p.groups = groups;
  p.axes = {{9, 9, taps, 1, 1, taps / 2, Boundary::constant, channels * 4, outputs * 4, outputs * 4, 0}};
  p.in_channel_step = p.out_channel_step = p.weight_out_step = 4, p.weight_in_step = outputs * 4;
  return p;
}

}  // namespace

FALTUNG_TEST(pair_keeps_both_promises) {
  check_pairs(0, repeated(120), false);
}
FALTUNG_TEST(pair_of_hostile_samples) {
  check_pairs(5000, repeated(40), true);
}

FALTUNG_TEST(pair_cuts_cover_everything_once) {
  for (std::int64_t size = 1; size < 60; ++size)
    for (std::int64_t most = 1; most < 62; ++most) {
      std::int64_t next = 0, shapes = 0, last = -1;
      for (const PairRange& r : cut_evenly(size, most)) {
        CHECK(r.begin == next && r.size >= 1 && r.size <= most);
        shapes += r.size != last, last = r.size, next = r.begin + r.size;
      }
      CHECK(next == size && shapes <= 2);
    }
  CHECK(cut_evenly(0, 5).empty());
  // 112 rows of a 3x3 kernel with stride 2: the first strip alone reaches beyond its end.
  const LayerAxis axis{112, 56, 3, 2, 1, 1, Boundary::constant, 0, 0, 0, 0};
  const std::vector<PairStrip> strips = cut_rows(axis, 14);
  CHECK(strips.size() == 4 && strips[0].pad == 1 && strips[0].in.begin == 0 && strips[0].in.size == 28);
  CHECK(strips[1].pad == 0 && strips[1].in.begin == 27 && strips[1].in.size == 29);
  CHECK(strips[3].in.begin == 83 && strips[3].in.size == 29);
  LayerAxis wrapped = axis;
  wrapped.boundary = Boundary::wrap;
  CHECK(cut_rows(wrapped, 14).size() == 1);
}

FALTUNG_TEST(pair_refuses_what_does_not_fit) {
  const auto make = [](const LayerProblem& d, const LayerProblem& p) { LayerPair(d, p, Isa::baseline); };
  const LayerProblem d = plain(8, 8, 8, 3), p = plain(8, 4, 1, 1);
  make(d, p);
  CHECK_THROWS(std::invalid_argument, "do not fit", (make(d, plain(4, 4, 1, 1)), 0));
  CHECK_THROWS(std::invalid_argument, "one input channel a group", (make(plain(8, 8, 1, 3), p), 0));
  CHECK_THROWS(std::invalid_argument, "ends with a 1x1 layer", (make(d, plain(8, 4, 1, 3)), 0));
  LayerProblem added = d;
  added.residual = true;
  CHECK_THROWS(std::invalid_argument, "nothing is added", (make(added, p), 0));
  LayerProblem integers = d;
  integers.in = integers.weight = integers.out = DType::i16;
  CHECK_THROWS(std::invalid_argument, "floating point", (make(integers, p), 0));
  LayerProblem complex_numbers = d;
  complex_numbers.complex_numbers = true;
  CHECK_THROWS(std::invalid_argument, "complex", (make(complex_numbers, p), 0));
}

}  // namespace faltung::tests
