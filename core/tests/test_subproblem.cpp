// A box of outputs, computed as a problem of its own, has the values that the whole problem has there.
#include <cstring>

#include "core/ops/correlate.h"
#include "core/ops/subproblem.h"
#include "core/tests/check.h"
#include "core/tests/promise.h"

namespace faltung::tests {
namespace {

void random_range(Random& random, std::int64_t size, std::vector<std::int64_t>& begin,
                  std::vector<std::int64_t>& end) {
  const std::int64_t a = random.between(0, size - 1), b = random.between(0, size - 1);
  begin.push_back(std::min(a, b));
  end.push_back(std::max(a, b) + 1);
}

// The whole problem, then a box of it through another plan in its place: all must keep the promise.
void check_boxes(Case& c, Isa isa, Random& random, const std::string& name) {
  const Problem& p = c.problem;
  const std::string where = name + ", " + isa_name(isa) + ": " + describe(p);
  Array out = blank(c.out);
  const Outcome outcome = plan_stencil(p, isa)->run(c.in.at(), c.kernel.at(), out.at(), 1, {});
  for (int box_number = 0; box_number < 2; ++box_number) {
    Box box, items;
    for (const ConvAxis& a : p.axes) random_range(random, a.out, box.begin, box.end);
    for (const BatchAxis& b : p.batch) random_range(random, b.size, items.begin, items.end);
    const Subproblem part = subproblem(p, box, items);
    Array apart = blank(c.out);
    const Outcome again = plan_stencil(part.problem, isa)
                              ->run(c.in.at(part.in), c.kernel.at(part.kernel), apart.at(part.out), 1, {});
    REQUIRE(again.finished && (outcome.reported || !again.reported), where + "\n  a box reports for nothing");
    const std::int64_t size = kItemSize[int(p.out)] * p.parts();
    for (const std::int64_t offset : output_offsets(part.problem))
      std::memcpy(out.at(part.out + offset), apart.at(part.out + offset), static_cast<std::size_t>(size));
    Array moved{std::move(apart.memory), apart.origin + part.out};
    take_results(part.problem, moved, where + " (a box)");
  }
  const Heap<std::byte> results = take_results(p, out, where);
  if (outcome.reported) return;
  if (c.exact) {
    Array definition = blank(c.out);
    run_reference(p, whole(p), c.in.at(), c.kernel.at(), definition.at(), 1, {});
    const std::int64_t at = first_difference(p, results, take_results(p, definition, where));
    REQUIRE(at < 0, where + "\n  wrong at part " + std::to_string(at));
  } else {
    const std::string broken = broken_promise(c, exact_results(c), direct_units(c), results);
    REQUIRE(broken.empty(), where + "\n  " + broken);
  }
}

}  // namespace

FALTUNG_TEST(subproblem_of_random_boxes) {
  const std::vector<Isa> isas = available_isas();
  std::uint64_t seed = 0;
  for (int round = 0; round < repeated(100, 5); ++round)
    for (const Family family :
         {Family::any, Family::line, Family::image, Family::many_taps, Family::far_taps, Family::strips}) {
      if (family == Family::strips && round % 4 != 0) continue;
      Case c = random_case(family, ++seed + 500000);
      Random random(seed);
      check_boxes(c, isas[seed % isas.size()], random, "seed " + std::to_string(seed));
    }
}

}  // namespace faltung::tests
