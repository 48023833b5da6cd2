// Layers of small groups against the definition: random problems of every kind, and shapes of published networks.
#include <algorithm>
#include <stdexcept>

#include "core/ops/grouped_lanes_plan.h"
#include "core/ops/grouped_run.h"
#include "core/reference/number.h"
#include "core/tests/check.h"
#include "core/tests/layer_check.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

bool taken(const LayerProblem& p) {
  return !p.complex_numbers && (p.compute == Compute::f32 || p.compute == Compute::f64);
}

void check_random(const LayerOptions& options, std::uint64_t first, int count) {
  int checked = 0;
  for (int i = 0; i < count; ++i) {
    const LayerCase c = random_layer(options, first + static_cast<std::uint64_t>(i));
    if (!taken(c.problem)) continue;
    ++checked;
    for (const Isa isa : available_isas()) check_layer(c, *plan_grouped(c.problem, isa));
  }
  CHECK(checked > count / 3);
}

bool in_lanes(const LayerProblem& p, Isa isa) {
  if (p.compute == Compute::f64 || is_integer(p.in)) return fits_lanes<double>(p, isa);
  return fits_lanes<float>(p, isa);
}

// Those with channels in lanes, of which each instruction set must meet some.
void check_lanes(const LayerOptions& options, std::uint64_t first, int count) {
  for (const Isa isa : available_isas()) {
    int checked = 0;
    for (int i = 0; i < count; ++i) {
      const LayerCase c = random_layer(options, first + static_cast<std::uint64_t>(i));
      if (!taken(c.problem) || !in_lanes(c.problem, isa)) continue;
      ++checked;
      check_layer(c, *plan_grouped(c.problem, isa));
    }
    CHECK(checked > count / 12);
  }
}

}  // namespace

FALTUNG_TEST(grouped_layers_keep_the_promise) {
  check_random({.groups = LayerGroups::several, .complex_numbers = false}, 0, repeated(300));
}
FALTUNG_TEST(grouped_layers_of_any_groups_keep_the_promise) {
  check_random({.complex_numbers = false}, 10000, repeated(150));
}
FALTUNG_TEST(grouped_layers_of_floats_on_plain_arrays) {
  check_random({.groups = LayerGroups::several,
                .types = {DType::f32, DType::f64},
                .complex_numbers = false,
                .boundaries = false,
                .views = false},
               20000, repeated(200));
}
FALTUNG_TEST(grouped_layers_of_samples_that_are_not_finite) {
  check_random({.groups = LayerGroups::several,
                .types = {DType::f32, DType::f64, DType::f16, DType::bf16},
                .complex_numbers = false,
                .not_finite = true},
               30000, repeated(200));
}
FALTUNG_TEST(grouped_layers_of_subnormal_samples) {
  check_random({.groups = LayerGroups::several,
                .types = {DType::f32, DType::f64, DType::bf16},
                .complex_numbers = false,
                .subnormal = true},
               50000, repeated(100));
}

// Strips along lines, rows and outer axes, and several groups a unit: too large for the definition everywhere.
FALTUNG_TEST(grouped_layers_are_the_same_in_strips) {
  check_random({.most_rank = 3,
                .groups = LayerGroups::several,
                .most_channels = 12,
                .most_size = 5000,
                .most_taps = 3,
                .most_products = 2000000,
                .types = {DType::f32},
                .complex_numbers = false},
               40000, repeated(25));
}

FALTUNG_TEST(grouped_layers_with_channels_in_lanes) {
  check_lanes({.most_rank = 2,
               .groups = LayerGroups::several,
               .most_channels = 128,
               .square_groups = true,
               .most_size = 60,
               .most_taps = 7,
               .types = {DType::f32, DType::f64},
               .complex_numbers = false},
              60000, repeated(120));
}
FALTUNG_TEST(grouped_layers_in_lanes_of_plain_arrays) {
  check_lanes({.most_rank = 2,
               .groups = LayerGroups::several,
               .most_channels = 200,
               .square_groups = true,
               .most_size = 3000,
               .most_taps = 3,
               .most_products = 1000000,
               .types = {DType::f32},
               .complex_numbers = false,
               .boundaries = false,
               .views = false},
              70000, repeated(40));
}
FALTUNG_TEST(grouped_layers_in_lanes_of_samples_that_are_not_finite) {
  check_lanes({.most_rank = 2,
               .groups = LayerGroups::several,
               .most_channels = 128,
               .square_groups = true,
               .most_size = 30,
               .types = {DType::f32, DType::f64},
               .complex_numbers = false,
               .not_finite = true},
              80000, repeated(80));
}

FALTUNG_TEST(grouped_layers_refuse_what_they_cannot_sum) {
  LayerProblem p;
  p.axes = {{4, 4, 1, 1, 1, 0, Boundary::constant, 4, 4, 4, 4}};
  p.complex_numbers = true;
  CHECK_THROWS(std::invalid_argument, "real numbers", plan_grouped(p, Isa::baseline));
  p.complex_numbers = false;
  p.compute = Compute::u64;
  CHECK_THROWS(std::invalid_argument, "float32 or float64", plan_grouped(p, Isa::baseline));
}

}  // namespace faltung::tests
