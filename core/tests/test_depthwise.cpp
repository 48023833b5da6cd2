// Depthwise layers, by channels, by turned planes and by the methods of arrays, against the definition.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/ops/depthwise.h"
#include "core/ops/depthwise_layer.h"
#include "core/ops/planes.h"
#include "core/reference/number.h"
#include "core/tests/check.h"
#include "core/tests/layer_check.h"
#include "core/tests/promise.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

LayerOptions each(std::vector<DType> types) {
  LayerOptions options;
  options.groups = LayerGroups::each;
  options.types = std::move(types);
  options.complex_numbers = false;
  return options;
}

// Whether the plan took the problem.
template <class Plan>
bool check_planned(const LayerCase& c, Plan plan) {
  std::unique_ptr<Layer> layer;
  try {
    layer = plan(c.problem);
  } catch (const std::invalid_argument&) {
    return false;
  }
  check_layer(c, *layer);
  return true;
}

template <class Plan>
void check_all(const LayerOptions& options, int count, Plan plan) {
  for (const Isa isa : available_isas()) {
    int taken = 0;
    for (int seed = 0; seed < repeated(count); ++seed)
      taken += check_planned(random_layer(options, std::uint64_t(seed)),
                             [&](const LayerProblem& p) { return plan(p, isa); });
    CHECK(taken > 0);
  }
}

std::unique_ptr<Layer> depthwise(const LayerProblem& p, Isa isa) {
  return plan_depthwise(p, isa);
}

// The way of planes alone, whatever the layout.
std::unique_ptr<Layer> rows(const LayerProblem& p, Isa isa) {
  if (p.compute == Compute::f64 || is_integer(p.in)) {
    require_depthwise<double>(p, isa);
    return plan_depthwise_rows<double>(p, isa);
  }
  require_depthwise<float>(p, isa);
  return plan_depthwise_rows<float>(p, isa);
}

// Blocks of channels turned, where rows would be taken by themselves.
std::unique_ptr<Layer> turned(const LayerProblem& p, Isa isa) {
  require_depthwise<float>(p, isa);
  return plan_depthwise_first<float>(p, isa);
}

std::unique_ptr<Layer> planes(const LayerProblem& p, Isa isa) {
  return plan_planes(p, isa, nullptr);
}

// Blocks somewhat larger than the kernel reaches.
std::unique_ptr<Layer> spectral(const LayerProblem& p, Isa isa) {
  SpectralOptions options;
  for (const LayerAxis& a : p.axes) {
    int64_t points = 16;
    while (points < (a.taps - 1) * a.dilation + 9) points *= 2;
    options.block.push_back(points);
  }
  options.local = true;
  return plan_planes(p, isa, &options);
}

}  // namespace

FALTUNG_TEST(depthwise_layers_f32) {
  check_all(each({DType::f32}), 250, depthwise);
}
FALTUNG_TEST(depthwise_layers_f64) {
  check_all(each({DType::f64}), 150, depthwise);
}
FALTUNG_TEST(depthwise_layers_of_all_types) {
  check_all(each({}), 150, depthwise);
}

FALTUNG_TEST(depthwise_layers_of_many_channels) {
  LayerOptions options = each({DType::f32});
  options.most_channels = 600;
  options.most_size = 30;
  options.views = false;
  check_all(options, 60, depthwise);
}

FALTUNG_TEST(depthwise_layers_with_large_kernels) {
  LayerOptions options = each({DType::f32});
  options.most_taps = 40;
  options.most_channels = 20;
  options.most_size = 40;
  check_all(options, 60, depthwise);
}

FALTUNG_TEST(depthwise_layers_that_are_not_finite) {
  LayerOptions options = each({DType::f32});
  options.not_finite = true;
  check_all(options, 100, depthwise);
  check_all(options, 40, planes);
}

FALTUNG_TEST(depthwise_layers_of_subnormal_numbers) {
  LayerOptions options = each({DType::f32});
  options.subnormal = true;
  check_all(options, 40, depthwise);
}

FALTUNG_TEST(depthwise_turned_layers) {
  check_all(each({DType::f32}), 250, turned);
}

FALTUNG_TEST(depthwise_rows_layers) {
  check_all(each({DType::f32}), 250, rows);
  check_all(each({DType::f64}), 100, rows);
  check_all(each({}), 150, rows);
}

// Planes of a few positions, of which a vector holds two.
FALTUNG_TEST(depthwise_rows_layers_of_small_planes) {
  LayerOptions options = each({DType::f32});
  options.most_size = 10;
  options.most_taps = 5;
  options.most_channels = 40;
  check_all(options, 200, rows);
}

// More than 256 terms a sum, kernels taller than the taps of one chunk.
FALTUNG_TEST(depthwise_rows_layers_with_large_kernels) {
  LayerOptions options = each({DType::f32});
  options.most_taps = 40;
  options.most_channels = 20;
  options.most_size = 40;
  check_all(options, 60, rows);
}

FALTUNG_TEST(depthwise_rows_layers_in_strips) {
  LayerOptions options = each({DType::f32});
  options.least_rank = options.most_rank = 2;
  options.most_channels = 2;
  options.most_size = 900;
  options.most_taps = 4;
  options.most_products = 4000000;
  check_all(options, 12, rows);
}

FALTUNG_TEST(depthwise_rows_layers_that_are_not_finite) {
  LayerOptions options = each({DType::f32});
  options.not_finite = true;
  check_all(options, 100, rows);
}

FALTUNG_TEST(planes_layers) {
  check_all(each({DType::f32}), 100, planes);
  check_all(each({}), 100, planes);
}

FALTUNG_TEST(planes_layers_in_strips) {
  LayerOptions options = each({DType::f32});
  options.least_rank = options.most_rank = 2;
  options.most_channels = 2;
  options.most_size = 900;
  options.most_taps = 3;
  options.most_products = 4000000;
  check_all(options, 12, planes);
}

// The spectral method owes 2^-44 X sum |w| more: X the largest sample.
FALTUNG_TEST(spectral_layers) {
  LayerOptions options = each({DType::f64});
  options.most_rank = 3;
  for (const Isa isa : available_isas())
    for (int seed = 0; seed < repeated(40); ++seed) {
      const LayerCase c = random_layer(options, std::uint64_t(seed));
      if (c.problem.outputs() == 0) continue;
      const std::unique_ptr<Layer> layer = spectral(c.problem, isa);
      Heap<std::byte> packed(layer->packed_bytes());
      layer->pack(c.weight.at(), packed.data(), 1);
      Array out{Heap<std::byte>(c.out.memory.size()), c.out.origin};
      layer->run(c.arrays(packed.data(), out.at()), 2, {});
      const auto largest = [](const Array& a) {
        double most = 0;
        const auto* values = reinterpret_cast<const double*>(a.memory.data());
        for (std::int64_t i = 0; i < a.memory.size() / 8; ++i) most = std::max(most, std::abs(values[i]));
        return most;
      };
      const double more = 0x1p-44 * largest(c.in) * largest(c.weight) * double(c.problem.taps());
      const LayerBounds bounds = layer_bounds(c);
      std::int64_t n = 0;
      for (const std::int64_t at : output_offsets(c.problem)) {
        const double y = real(out.at(at), DType::f64);
        REQUIRE(std::abs(y - bounds.values[n]) <= bounds.errors[n] + 1.2 * more,
                describe(c.problem) + ", output " + std::to_string(n));
        ++n;
      }
    }
}

FALTUNG_TEST(depthwise_refuses) {
  LayerCase c = random_layer(each({DType::f32}), 1);
  c.problem.groups = 1;
  c.problem.in_channels = 2;
  CHECK_THROWS(std::invalid_argument, "one input channel a group", plan_depthwise(c.problem, Isa::baseline));
  CHECK_THROWS(std::invalid_argument, "one input channel a group",
               plan_planes(c.problem, Isa::baseline, nullptr));
  c.problem.groups = 2;
  c.problem.complex_numbers = true;
  CHECK_THROWS(std::invalid_argument, "no complex numbers", plan_depthwise(c.problem, Isa::baseline));
}

}  // namespace faltung::tests
