// The dense method against the definition: random layers of every kind, and shapes that take its special ways.
#include "core/ops/dense.h"

#include "core/ops/dense_planes.h"
#include "core/tests/check.h"
#include "core/tests/layer_check.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

void check_cases(const LayerOptions& options, int count, std::uint64_t first = 0) {
  const std::vector<Isa> isas = available_isas();
  for (int i = 0; i < repeated(count); ++i) {
    const LayerCase c = random_layer(options, first + static_cast<std::uint64_t>(i));
    check_layer(c, *plan_dense(c.problem, isas[static_cast<std::size_t>(i) % isas.size()]));
  }
}

}  // namespace

FALTUNG_TEST(dense_layers_of_float) {
  check_cases({.groups = LayerGroups::one, .types = {DType::f32, DType::f64}, .complex_numbers = false}, 200);
}

FALTUNG_TEST(dense_layers_of_any_type) {
  check_cases({}, 400, 1000);
}

FALTUNG_TEST(dense_layers_of_halves_and_subnormals) {
  check_cases({.types = {DType::f16, DType::bf16, DType::f32}, .subnormal = true}, 150, 2000);
}

FALTUNG_TEST(dense_layers_of_bytes) {
  check_cases({.types = {DType::u8, DType::i8}}, 100, 3000);
}

// A weight that is not finite must not meet the zeros around the input.
FALTUNG_TEST(dense_layers_that_are_not_finite) {
  check_cases({.not_finite = true}, 150, 4000);
}

// Reductions of many chunks.
FALTUNG_TEST(dense_layers_of_many_terms) {
  check_cases({.groups = LayerGroups::one, .most_channels = 700, .most_size = 12, .most_products = 600000},
              100, 5000);
}

// Matrix products: positions in rows, in planes, in the batch.
FALTUNG_TEST(dense_layers_of_one_tap) {
  check_cases({.groups = LayerGroups::one,
               .most_channels = 300,
               .most_size = 1200,
               .most_taps = 1,
               .most_stride = 2,
               .most_products = 2000000,
               .types = {DType::f32, DType::f64}},
              100, 6000);
}

// Several taps on planes that are not turned, and what is left of their rows; weights that are not finite at a border.
FALTUNG_TEST(dense_layers_on_planes) {
  const std::vector<Isa> isas = available_isas();
  int planes = 0;
  for (std::uint64_t i = 0; i < 3000 && planes < repeated(60); ++i) {
    const LayerCase c = random_layer({.most_rank = 2,
                                      .groups = LayerGroups::one,
                                      .most_channels = 80,
                                      .most_size = 200,
                                      .most_taps = 3,
                                      .most_stride = 1,
                                      .most_products = 3000000,
                                      .types = {DType::f32, DType::f64},
                                      .complex_numbers = false,
                                      .views = false,
                                      .not_finite = i % 4 == 0},
                                     7000 + i);
    for (const Isa isa : isas) {
      const auto plan = plan_dense(c.problem, isa);
      if (c.problem.taps() == 1 || (dynamic_cast<const DensePlanes<float>*>(plan.get()) == nullptr &&
                                    dynamic_cast<const DensePlanes<double>*>(plan.get()) == nullptr))
        continue;
      ++planes;
      check_layer(c, *plan);
    }
  }
  CHECK(planes >= 30);
}

}  // namespace faltung::tests
