// The matrix unit against the definition, where the machine has one.
#include "core/ops/matrix.h"

#include <stdexcept>
#include <string>

#include "core/tests/check.h"
#include "core/tests/layer_check.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

bool has_unit() {
  return available_isas().back() == Isa::amx;
}

// Six products keep the highest promise, fewer what their parts hold.
void check_cases(const LayerOptions& options, int count, std::uint64_t first) {
  if (!has_unit()) return;
  constexpr struct {
    int products;
    double looseness;
  } kKinds[] = {{6, 0}, {3, 0x1p-15}, {1, 1.01 * 0x1p-7}};
  int taken = 0, all = 0;
  for (int i = 0; i < repeated(count); ++i)
    for (const auto& kind : kKinds) {
      LayerCase c = random_layer(options, first + static_cast<std::uint64_t>(i));
      c.looseness = kind.looseness;
      ++all;
      try {
        const std::unique_ptr<Layer> layer = plan_matrix(c.problem, kind.products, Isa::amx);
        ++taken;
        check_layer(c, *layer);
      } catch (const std::invalid_argument& reason) {
        CHECK(std::string(reason.what()).find("too few terms") != std::string::npos);
      }
    }
  CHECK(3 * taken > 2 * all);
}

}  // namespace

FALTUNG_TEST(matrix_layers_of_float) {
  check_cases({.types = {DType::f32}, .complex_numbers = false}, 300, 0);
}

FALTUNG_TEST(matrix_layers_of_halves) {
  check_cases({.types = {DType::f16, DType::bf16}, .complex_numbers = false}, 150, 1000);
}

FALTUNG_TEST(matrix_layers_of_subnormals) {
  check_cases({.types = {DType::f32}, .complex_numbers = false, .subnormal = true}, 100, 2000);
}

FALTUNG_TEST(matrix_layers_that_are_not_finite) {
  check_cases({.types = {DType::f32}, .complex_numbers = false, .not_finite = true}, 150, 3000);
}

FALTUNG_TEST(matrix_layers_of_many_terms) {
  check_cases({.groups = LayerGroups::one,
               .most_channels = 700,
               .most_size = 12,
               .most_products = 600000,
               .types = {DType::f32},
               .complex_numbers = false},
              100, 4000);
}

FALTUNG_TEST(matrix_layers_of_one_tap) {
  check_cases({.groups = LayerGroups::one,
               .most_channels = 300,
               .most_size = 1200,
               .most_taps = 1,
               .most_stride = 2,
               .most_products = 2000000,
               .types = {DType::f32},
               .complex_numbers = false},
              60, 5000);
}

}  // namespace faltung::tests
