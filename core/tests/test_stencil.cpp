// The operation against the definition, on random problems; the same bits from any threads and any layout.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/kernels/select.h"
#include "core/ops/correlate.h"
#include "core/tests/check.h"
#include "core/tests/problems.h"

namespace faltung::tests {
namespace {

constexpr int kUntouched = 0xa5;

bool is_float(DType t) {
  return t >= DType::f16;
}

double real(const std::byte* p, DType type) {
  double x;
  convert_table<double>(Isa::baseline).load[int(type)](p, {1, 1, 0, 0}, &x);
  return x;
}

Array blank(const Array& like) {
  Array a{Heap<std::byte>(like.memory.size()), like.origin};
  a.memory.fill_bytes(kUntouched);
  return a;
}

// The results in C order, parts side by side, taken out of `out`, where nothing else may have been written.
Heap<std::byte> take_results(const Problem& p, Array& out, const std::string& where) {
  const std::int64_t size = kItemSize[int(p.out)] * p.parts();
  Heap<std::byte> results(p.outputs() * size);
  std::int64_t n = 0;
  for (const std::int64_t offset : output_offsets(p)) {
    std::memcpy(results.data() + n++ * size, out.at(offset), static_cast<std::size_t>(size));
    std::memset(out.at(offset), kUntouched, static_cast<std::size_t>(size));
  }
  const bool clean = std::all_of(out.memory.begin(), out.memory.end(),
                                 [](std::byte b) { return b == std::byte{kUntouched}; });
  if (!clean) report(__FILE__, __LINE__, where + "\n  wrote beside the results");
  return results;
}

// Equal to the bit, but for the bits of NaN.
std::int64_t first_difference(const Problem& p, const Heap<std::byte>& a, const Heap<std::byte>& b) {
  const std::int64_t item = kItemSize[int(p.out)];
  for (std::int64_t i = 0; i * item < a.size(); ++i) {
    const std::byte *x = a.data() + i * item, *y = b.data() + i * item;
    if (std::memcmp(x, y, static_cast<std::size_t>(item)) == 0) continue;
    if (!is_float(p.out) || !std::isnan(real(x, p.out)) || !std::isnan(real(y, p.out))) return i;
  }
  return -1;
}

// The definition in double of the same data, or of their magnitudes.
Heap<double> in_double(const Case& c, bool magnitudes, bool conjugate) {
  Case m = in_c_order(c);
  Problem& p = m.problem;
  const auto clear_signs = [](std::byte* data, std::int64_t bytes, std::int64_t item) {
    for (std::int64_t at = item - 1; at < bytes; at += item) data[at] &= std::byte{0x7f};
  };
  if (magnitudes) {
    clear_signs(m.in.memory.data(), m.in.memory.size(), kItemSize[int(p.in)]);
    clear_signs(m.kernel.memory.data(), m.kernel.memory.size(), kItemSize[int(p.kernel)]);
    clear_signs(p.fill, sizeof p.fill, kItemSize[int(p.in)]);
  }
  const std::int64_t scale = kItemSize[int(DType::f64)], old = kItemSize[int(p.out)];
  for (ConvAxis& a : p.axes) a.out_step = a.out_step / old * scale;
  for (BatchAxis& b : p.batch) b.out_step = b.out_step / old * scale;
  p.out = DType::f64;
  p.compute = Compute::f64;
  p.conjugate = conjugate;
  Heap<double> results(p.outputs() * p.parts());
  run_reference(p, whole(p), m.in.at(), m.kernel.at(), results.data(), 1, {});
  return results;
}

// The promise: |error| <= (1.1 min(n, 256) + ceil(n / 256) + 20) u S, and half an ulp for a narrower result.
std::string broken_promise(const Case& c, const Heap<std::byte>& results) {
  const Problem& p = c.problem;
  const Heap<double> y = in_double(c, false, p.conjugate);
  // With magnitudes the conjugated product's real part and the plain one's imaginary part have no minus.
  const Heap<double> sums = in_double(c, true, true),
                     imaginary = p.complex_kernel ? in_double(c, true, false) : Heap<double>();
  const double n = static_cast<double>(p.taps() * (p.complex_samples ? 2 : 1));
  const bool single = p.compute == Compute::f32;
  const double units = 1.1 * std::min(n, 256.0) + std::ceil(n / 256) + 20, u = single ? 0x1p-24 : 0x1p-53;
  const double tiny = n * (single ? 0x1p-150 : 0x1p-1074);
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const double sum = p.complex_kernel && i % 2 == 1 ? imaginary[i] : sums[i];
    const double got = real(results.data() + i * kItemSize[int(p.out)], p.out);
    double bound = units * u * sum + tiny;
    if (p.out == DType::f32 && !single) bound += 0x1p-24 * (sum + bound) + 0x1p-150;
    if (p.out == DType::f16) bound += 0x1p-11 * (sum + bound) + 0x1p-25;
    if (p.out == DType::bf16) bound += 0x1p-8 * (sum + bound) + 0x1p-134;
    const bool same = std::isnan(y[i])   ? std::isnan(got)
                      : std::isinf(y[i]) ? got == y[i]
                                         : std::abs(got - y[i]) <= bound;
    const bool overflow = p.out == DType::f16 && std::abs(y[i]) + bound >= 65520 && std::isinf(got);
    if (!same && !overflow) {
      char text[160];
      std::snprintf(text, sizeof text, "output %lld is %.17g, not %.17g; the bound is %.3g",
                    static_cast<long long>(i), got, y[i], bound);
      return text;
    }
  }
  return "";
}

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
        const std::string broken = broken_promise(c, first);
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
