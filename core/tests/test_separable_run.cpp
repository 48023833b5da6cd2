// The separable method against the definition with the kernel that its factors stand for.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/ops/correlate.h"
#include "core/tests/check.h"
#include "core/tests/promise.h"

namespace faltung::tests {
namespace {

struct Factored {
  std::int64_t terms = 1;
  Heap<double> factors;  // [term][axis][tap]
  Case c;                // its kernel is the sum of products
  Case magnitudes;       // and here of their magnitudes
};

// The kernel of a case in float64, one for the whole batch.
void set_kernel(Case& c, const Heap<double>& factors, std::int64_t terms, bool magnitudes) {
  Problem& p = c.problem;
  std::int64_t step = 8, all = 0;
  for (std::size_t a = p.axes.size(); a-- > 0;) {
    p.axes[a].kernel_step = step;
    step *= p.axes[a].taps;
  }
  for (const ConvAxis& a : p.axes) all += a.taps;
  for (BatchAxis& b : p.batch) b.kernel_step = 0;
  p.kernel = DType::f64;
  p.complex_kernel = p.conjugate = false;
  c.kernel = Array{Heap<std::byte>(p.taps() * 8), 0};
  for (std::int64_t i = 0; i < p.taps(); ++i) {
    double sum = 0;
    for (std::int64_t term = 0; term < terms; ++term) {
      double tap = 1;
      std::int64_t begin = term * all;
      for (const ConvAxis& a : p.axes) {
        tap *= factors[begin + i / (a.kernel_step / 8) % a.taps];
        begin += a.taps;
      }
      sum += magnitudes ? std::abs(tap) : tap;
    }
    std::memcpy(c.kernel.at(i * 8), &sum, 8);
  }
}

Case copy(const Case& c) {
  Case d;
  d.problem = c.problem;
  d.exact = c.exact;
  const auto same = [](const Array& a) {
    Array b{Heap<std::byte>(a.memory.size()), a.origin};
    std::memcpy(b.memory.data(), a.memory.data(), a.memory.bytes());
    return b;
  };
  d.in = same(c.in), d.kernel = same(c.kernel), d.out = same(c.out);
  return d;
}

// The largest finite part of a sample, with gaps and fill.
double largest_sample(const Case& c) {
  const Problem& p = c.problem;
  const std::int64_t item = kItemSize[int(p.in)];
  double most = 0;
  const auto look = [&](const std::byte* data, std::int64_t bytes) {
    for (std::int64_t at = 0; at + item <= bytes; at += item) {
      const double x = std::abs(real(data + at, p.in));
      if (std::isfinite(x)) most = std::max(most, x);
    }
  };
  look(c.in.memory.data(), c.in.memory.size());
  look(p.fill, p.parts() * item);
  return most;
}

// A random case with factors for a kernel; none where it computes in integers, or where no factors keep an exact one exact.
bool random_factored(Family family, std::uint64_t seed, Factored& f) {
  f.c = random_case(family, seed);
  Problem& p = f.c.problem;
  if (p.compute == Compute::u64) return false;
  Random random(seed + 77);
  f.terms = random.one_in(2) ? 1 : random.between(2, 3);
  std::int64_t elements = 0;
  for (const ConvAxis& a : p.axes) elements += a.taps;
  f.factors = Heap<double>(elements * f.terms);
  if (f.c.exact) {
    const double digits = p.compute == Compute::f32 ? 0x1p23 : 0x1p51;
    const double room = digits / (4 * largest_sample(f.c) * static_cast<double>(p.taps() * f.terms));
    const double most =
        std::floor(std::pow(room, 1.0 / static_cast<double>(std::max<std::size_t>(1, p.axes.size()))));
    if (!(most >= 1)) return false;
    const auto bound = static_cast<std::int64_t>(std::min(most, 50.0));
    for (double& x : f.factors) x = static_cast<double>(random.between(-bound, bound));
  } else {
    for (double& x : f.factors)
      x = std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-3, 3)));
  }
  f.magnitudes = copy(f.c);
  set_kernel(f.magnitudes, f.factors, f.terms, true);
  set_kernel(f.c, f.factors, f.terms, false);
  return true;
}

void check_case(Factored& f, Isa isa, const std::string& name) {
  Case& c = f.c;
  Problem& p = c.problem;
  Outcome expected;
  Heap<std::byte> right;
  const std::string where =
      name + ", " + isa_name(isa) + ", " + std::to_string(f.terms) + " terms: " + describe(p);
  if (c.exact) {
    Array out = blank(c.out);
    expected = run_reference(p, whole(p), c.in.at(), c.kernel.at(), out.at(), 1, {});
    right = take_results(p, out, where + " (the definition)");
  }
  const int terms = static_cast<int>(f.terms);
  const std::unique_ptr<Correlation> plan = plan_separable(p, terms, isa);
  Heap<std::byte> first;
  for (const int threads : {1, 2, 3}) {
    Array out = blank(c.out);
    const Outcome outcome = plan->run(c.in.at(), f.factors.data(), out.at(), threads, {});
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
        Exact exact = exact_results(c);
        exact.sums = exact_results(f.magnitudes).sums;
        const std::string broken =
            broken_promise(c, exact, direct_units(c) + static_cast<double>(f.terms), first);
        REQUIRE(broken.empty(), where + "\n  " + broken);
      }
    } else {
      REQUIRE(expected.reported || results.same_bytes(first),
              where + "\n  other bits on " + std::to_string(threads) + " threads");
    }
  }
  Case plain = in_c_order(c);
  Array out = blank(plain.out);
  plan_separable(plain.problem, terms, isa)->run(plain.in.at(), f.factors.data(), out.at(), 1, {});
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
    Factored f;
    if (random_factored(family, seed, f))
      check_case(f, isas[seed % isas.size()], std::string(name) + ", seed " + std::to_string(seed));
  }
}

}  // namespace

FALTUNG_TEST(separable_of_any_problem) {
  check_family(Family::any, "any", 2000);
}
FALTUNG_TEST(separable_along_a_line) {
  check_family(Family::line, "line", 100);
}
FALTUNG_TEST(separable_on_images) {
  check_family(Family::image, "image", 800);
}
FALTUNG_TEST(separable_of_many_taps) {
  check_family(Family::many_taps, "many taps", 500);
}
FALTUNG_TEST(separable_of_far_taps) {
  check_family(Family::far_taps, "far taps", 300);
}
FALTUNG_TEST(separable_in_many_units) {
  check_family(Family::strips, "strips", 100);
}

}  // namespace faltung::tests
