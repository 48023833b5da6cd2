// The operation against the definition, on random problems; the same bits from any threads and any layout.
#include <cstdlib>

#include "core/ops/correlate.h"
#include "core/tests/check.h"
#include "core/tests/promise.h"

namespace faltung::tests {
namespace {

void check_case(Case& c, Isa isa, const std::string& name) {
  Problem& p = c.problem;
  Outcome expected;
  Heap<std::byte> right;
  std::string where = name + ", " + isa_name(isa) + ": " + describe(p);
  if (c.exact) {
    Array out = blank(c.out);
    expected = run_reference(p, whole(p), c.in.at(), c.kernel.at(), out.at(), 1, {});
    if (p.store == Store::check && !expected.reported && p.outputs() % 2 == 0) p.store = Store::fits;
    right = take_results(p, out, where + " (the definition)");
  }
  const std::unique_ptr<Correlation> plan = plan_stencil(p, isa);
  Heap<std::byte> first;
  for (const int threads : {1, 2, 3, 5}) {
    Array out = blank(c.out);
    const Outcome outcome = plan->run(c.in.at(), c.kernel.at(), out.at(), threads, {});
    Heap<std::byte> results = take_results(p, out, where);
    REQUIRE(outcome.finished, where + "\n  did not finish");
    REQUIRE(outcome.reported == expected.reported,
            where + (outcome.reported ? "\n  reported for nothing" : "\n  not reported"));
    if (threads == 1) {
      first = std::move(results);
      if (expected.reported) continue;
      if (c.exact) {
        const std::int64_t at = first_difference(p, first, right);
        REQUIRE(at < 0, where + "\n  wrong at part " + std::to_string(at));
      } else {
        const std::string broken = broken_promise(c, exact_results(c), direct_units(c), first);
        REQUIRE(broken.empty(), where + "\n  " + broken);
      }
    } else {
      REQUIRE(expected.reported || results.same_bytes(first),
              where + "\n  other bits on " + std::to_string(threads) + " threads");
    }
  }
  Case plain = in_c_order(c);
  Array out = blank(plain.out);
  plan_stencil(plain.problem, isa)->run(plain.in.at(), plain.kernel.at(), out.at(), 1, {});
  const Heap<std::byte> results = take_results(plain.problem, out, where + " (in C order)");
  const std::int64_t at = expected.reported ? -1 : first_difference(p, results, first);
  REQUIRE(at < 0, where + "\n  other bits in C order at part " + std::to_string(at));
}

// FALTUNG_TEST_SEED=n runs that seed alone.
void check_family(Family family, const char* name, int count) {
  const std::vector<Isa> isas = available_isas();
  const char* only = std::getenv("FALTUNG_TEST_SEED");
  const std::uint64_t begin = only ? std::strtoull(only, nullptr, 10) : 0;
  const std::uint64_t end = only ? begin + 1 : static_cast<std::uint64_t>(repeated(count));
  for (std::uint64_t seed = begin; seed < end; ++seed) {
    Case c = random_case(family, seed);
    check_case(c, isas[seed % isas.size()], std::string(name) + ", seed " + std::to_string(seed));
  }
}

}  // namespace

FALTUNG_TEST(stencil_of_any_problem) {
  check_family(Family::any, "any", 1500);
}
FALTUNG_TEST(stencil_along_a_line) {
  check_family(Family::line, "line", 600);
}
FALTUNG_TEST(stencil_on_images) {
  check_family(Family::image, "image", 400);
}
FALTUNG_TEST(stencil_of_many_taps) {
  check_family(Family::many_taps, "many taps", 300);
}
FALTUNG_TEST(stencil_of_far_taps) {
  check_family(Family::far_taps, "far taps", 300);
}
FALTUNG_TEST(stencil_in_many_units) {
  check_family(Family::strips, "strips", 60);
}

}  // namespace faltung::tests
