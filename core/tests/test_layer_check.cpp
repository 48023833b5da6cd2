// The check of layers: the definition passes it for everything that random_layer() makes, and what is wrong does not.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/base/memory.h"
#include "core/tests/check.h"
#include "core/tests/layer_check.h"

namespace faltung::tests {
namespace {

// Runs the definition, then spoils something.
class Spoiled final : public Layer {
 public:
  enum class What { nothing, one_output, no_output, a_gap, threads };
  Spoiled(const LayerProblem& problem, What what)
      : problem_(problem), exact_(plan_layer_reference(problem)), what_(what) {}
  std::int64_t packed_bytes() const override { return exact_->packed_bytes(); }
  void pack(const void* weights, void* packed, int threads) const override {
    exact_->pack(weights, packed, threads);
  }
  const LayerSummary& summary() const override { return exact_->summary(); }
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    if (what_ == What::no_output) return {};
    const Outcome outcome = exact_->run(arrays, threads, poll);
    auto* out = static_cast<float*>(arrays.out);
    if (what_ == What::one_output) *out += 1e-3f;
    if (what_ == What::threads && threads > 1) *out = std::nextafter(*out, 1e9f);
    if (what_ == What::a_gap) out[1] = 0;
    return outcome;
  }

 private:
  LayerProblem problem_;
  std::unique_ptr<Layer> exact_;
  What what_;
};

// One channel, two outputs with a gap between them.
LayerCase two_outputs() {
  LayerCase c;
  c.problem.axes = {{2, 2, 1, 1, 1, 0, Boundary::constant, 4, 4, 8, 0}};
  c.in = {Heap<std::byte>(8), 0}, c.weight = {Heap<std::byte>(4), 0}, c.out = {Heap<std::byte>(12), 0};
  const float x[2] = {1, 2}, w = 3;
  std::memcpy(c.in.at(), x, 8), std::memcpy(c.weight.at(), &w, 4);
  return c;
}

bool passes(Spoiled::What what) {
  const LayerCase c = two_outputs();
  const Spoiled layer(c.problem, what);
  const int before = failures(), seen = shown();
  shown() = 1000;  // no text
  check_layer(c, layer);
  const bool passed = failures() == before;
  failures() = before, shown() = seen;
  return passed;
}

void check_definition(const LayerOptions& options, std::uint64_t first, int count) {
  for (int i = 0; i < count; ++i) {
    const LayerCase c = random_layer(options, first + static_cast<std::uint64_t>(i));
    check_layer(c, *plan_layer_reference(c.problem));
  }
}

}  // namespace

FALTUNG_TEST(layer_check_accepts_the_definition) {
  check_definition({}, 0, repeated(300));
}
FALTUNG_TEST(layer_check_accepts_the_definition_of_hostile_samples) {
  check_definition({.not_finite = true, .subnormal = true}, 1000, repeated(100));
}
FALTUNG_TEST(layer_check_finds_what_is_wrong) {
  using What = Spoiled::What;
  CHECK(passes(What::nothing));
  for (const What what : {What::one_output, What::no_output, What::a_gap, What::threads})
    CHECK(!passes(what));
}

// What a helper asks for is what it gets, and nothing that was not asked away is missing.
FALTUNG_TEST(random_layers_are_what_was_asked_for) {
  bool rank[5] = {}, batch[4] = {}, type[kDTypes] = {}, activation[kActivations] = {}, boundary[5] = {};
  bool one = false, each = false, multiplied = false, several = false, long_sum = false, large_kernel = false;
  bool bias = false, residual = false, zeros = false, complex_numbers = false, flipped = false,
       outside = false;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    const LayerCase c = random_layer({.most_products = 30000}, seed);
    const LayerProblem& p = c.problem;
    rank[p.axes.size()] = batch[p.batch] = type[int(p.in)] = activation[int(p.activation)] = true;
    one |= p.groups == 1, each |= p.groups > 1 && p.group_in() == 1;
    multiplied |= p.groups > 1 && p.group_in() == 1 && p.group_out() > 1;
    several |= p.groups > 1 && p.group_in() > 1;
    long_sum |= p.terms() > 256;
    bias |= p.bias, residual |= p.residual, complex_numbers |= p.complex_numbers;
    zeros |= p.in_zero != 0 && p.weight_zero.size() > 1;
    for (const LayerAxis& a : p.axes) {
      boundary[int(a.boundary)] = true;
      large_kernel |= a.taps > a.in, flipped |= a.weight_step < 0;
      outside |= a.pad > a.dilation * (a.taps - 1);
    }
  }
  for (int r = 1; r <= 4; ++r) CHECK(rank[r]);
  for (int b = 0; b < 4; ++b) CHECK(batch[b] && activation[b] && boundary[b]);
  for (const bool seen : activation) CHECK(seen);
  for (int t = 1; t < kDTypes; ++t) CHECK(type[t]);
  CHECK(one && each && multiplied && several && long_sum && large_kernel && boundary[4]);
  CHECK(bias && residual && zeros && complex_numbers && flipped && outside);

  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const LayerOptions options{.least_rank = 2,
                               .most_rank = 2,
                               .groups = LayerGroups::each,
                               .most_multiplier = 1,
                               .types = {DType::f16, DType::i8},
                               .boundaries = false,
                               .views = false,
                               .extras = false};
    const LayerProblem p = random_layer(options, seed).problem;
    CHECK(p.axes.size() == 2 && p.groups == p.in_channels && p.groups == p.out_channels);
    CHECK(!p.bias && !p.residual && p.activation == Activation::none);
    CHECK(p.in == DType::f16 || p.in == DType::i8);
    for (const LayerAxis& a : p.axes) CHECK(a.boundary == Boundary::constant && a.in_step > 0);
  }
}

}  // namespace faltung::tests
