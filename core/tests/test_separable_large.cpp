// The separable method on arrays of many blocks, against the direct one; infinities, NaN and overflow amid the passes;
// runs that are stopped or shared.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/ops/correlate.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

struct Extent {
  std::int64_t in, taps, stride = 1, dilation = 1;
  Boundary boundary = Boundary::reflect;
};

// float32 in C order; axes of one tap and stride become batch axes where `batch` says so. The kernel is float64 in C order.
Problem grid(const std::vector<Extent>& extents, std::int64_t channels = 1) {
  Problem p;
  p.kernel = DType::f64;
  std::int64_t in_step = 4 * channels, out_step = 4 * channels, tap_step = 8;
  for (std::size_t i = extents.size(); i-- > 0;) {
    const Extent& e = extents[i];
    const std::int64_t reach = (e.taps - 1) * e.dilation, out = (e.in - 1) / e.stride + 1;
    p.axes.insert(p.axes.begin(), {e.in, out, e.taps, e.stride, e.dilation, reach / 2, e.boundary, in_step,
                                   tap_step, out_step, out_step / 4});
    in_step *= e.in, out_step *= out, tap_step *= e.taps;
  }
  if (channels > 1) p.batch = {{channels, 4, 0, 4, 1}};
  return p;
}

std::int64_t samples(const Problem& p) {
  std::int64_t n = 1;
  for (const ConvAxis& a : p.axes) n *= a.in;
  for (const BatchAxis& b : p.batch) n *= b.size;
  return n;
}

struct Kernel {
  Heap<double> factors, product;
};

// Factors of small integers: every sum is exact in float32.
Kernel integers(const Problem& p, std::int64_t terms, std::uint64_t seed) {
  Random random(seed);
  std::int64_t all = 0;
  for (const ConvAxis& a : p.axes) all += a.taps;
  Kernel k{Heap<double>(all * terms), Heap<double>(p.taps())};
  for (double& v : k.factors) v = static_cast<double>(random.between(-2, 2));
  for (std::int64_t i = 0; i < p.taps(); ++i) {
    k.product[i] = 0;
    for (std::int64_t term = 0; term < terms; ++term) {
      double tap = 1;
      std::int64_t begin = term * all;
      for (const ConvAxis& a : p.axes) {
        tap *= k.factors[begin + i / (a.kernel_step / 8) % a.taps];
        begin += a.taps;
      }
      k.product[i] += tap;
    }
  }
  return k;
}

Heap<float> integer_samples(const Problem& p, std::uint64_t seed) {
  Random random(seed);
  Heap<float> in(samples(p));
  for (float& v : in) v = static_cast<float>(random.between(-3, 3));
  return in;
}

// The same bits as the direct method, where no sum is rounded.
void check_against_direct(const Problem& p, std::int64_t terms, const std::string& name) {
  const Kernel k = integers(p, terms, 1);
  const Heap<float> in = integer_samples(p, 2);
  const Isa best = available_isas().back();
  Heap<float> right(p.outputs());
  plan_stencil(p, best)->run(in.data(), k.product.data(), right.data(), 2, {});
  for (const Isa isa : available_isas()) {
    const std::unique_ptr<Correlation> plan = plan_separable(p, static_cast<int>(terms), isa);
    for (const int threads : {1, 3}) {
      Heap<float> out(p.outputs());
      out.fill_bytes(0xff);
      plan->run(in.data(), k.factors.data(), out.data(), threads, {});
      REQUIRE(std::equal(out.begin(), out.end(), right.begin()),
              name + ", " + isa_name(isa) + ": differs from the direct method");
    }
    REQUIRE(plan->summary().scratch < 3 << 19,
            name + ": much scratch, " + std::to_string(plan->summary().scratch));
  }
}

// What 0 * x, x - x and overflow distinguish.
int kind(float x) {
  return std::isnan(x) ? 2 : std::isinf(x) ? (x > 0 ? 1 : -1) : 0;
}

bool count_and_stop(void* count) {
  ++*static_cast<int*>(count);
  return true;
}

}  // namespace

FALTUNG_TEST(separable_of_large_planes) {
  for (const Boundary b :
       {Boundary::constant, Boundary::edge, Boundary::reflect, Boundary::symmetric, Boundary::wrap}) {
    check_against_direct(grid({{300, 9, 1, 1, b}, {1500, 13, 1, 1, b}}), 1, "plane");
    check_against_direct(grid({{700, 17, 2, 1, b}, {90, 5, 3, 2, b}}), 1, "strided plane");
    check_against_direct(grid({{400, 7, 2, 3, b}, {300, 6, 1, 4, b}}), 2, "dilated plane");
  }
  check_against_direct(grid({{5, 31, 1, 1, Boundary::wrap}, {6000, 9}}), 3, "kernel larger than the array");
  check_against_direct(grid({{60, 3}, {9000, 25}}), 1, "long lines");
}

FALTUNG_TEST(separable_of_large_volumes) {
  check_against_direct(grid({{40, 9}, {150, 9}, {130, 9}}), 1, "volume");
  check_against_direct(grid({{30, 15, 1, 1, Boundary::constant}, {200, 15, 1, 1, Boundary::wrap}, {64, 3}}),
                       2, "volume of two terms");
  check_against_direct(grid({{60, 5, 2}, {90, 5, 2, 2}, {80, 5, 2}}), 1, "strided volume");
  check_against_direct(grid({{12, 5}, {14, 5}, {40, 5}, {70, 5}}), 1, "four axes");
}

FALTUNG_TEST(separable_of_channels_last) {
  for (const std::int64_t channels : {3, 16, 17, 64})
    for (const std::int64_t terms : {1, 2}) {
      check_against_direct(grid({{60, 7}, {70, 9, 1, 1, Boundary::constant}}, channels), terms,
                           std::to_string(channels) + " channels");
      check_against_direct(grid({{9, 3}, {30, 7}, {20, 5, 2}}, channels), terms,
                           "volume of " + std::to_string(channels) + " channels");
    }
}

// u v x is of the size of one, u x is beyond the largest float: only the definition finds it.
FALTUNG_TEST(separable_overflow_amid_the_passes) {
  const Problem p = grid({{90, 5}, {200, 7}});
  for (const Isa isa : available_isas()) {
    Heap<double> factors(12);
    for (std::int64_t i = 0; i < 12; ++i) factors[i] = i < 5 ? 1e-30 : 1e30;
    Heap<float> in(samples(p)), out(p.outputs()), again(p.outputs());
    for (float& v : in) v = 1e9f;
    in[0] = 1;
    const std::unique_ptr<Correlation> plan = plan_separable(p, 1, isa);
    plan->run(in.data(), factors.data(), out.data(), 1, {});
    for (const float v : out) CHECK(std::abs(v - 35e9f) <= 5e9f);
    plan->run(in.data(), factors.data(), again.data(), 3, {});
    CHECK(again.same_bytes(out));
  }
}

// Infinities and NaN reach exactly the outputs whose window holds one.
FALTUNG_TEST(separable_of_samples_that_are_not_finite) {
  for (const std::int64_t channels : {1, 3, 20}) {
    const Problem p = grid({{100, 5}, {120, 7, 1, 1, Boundary::constant}}, channels);
    Kernel k = integers(p, 1, 5);
    k.factors[1] = 0, k.factors[7] = 0;
    for (std::int64_t i = 0; i < 35; ++i) k.product[i] = k.factors[i / 7] * k.factors[5 + i % 7];
    Random random(7);
    for (const int kinds : {1, 2, 3}) {
      Heap<float> in = integer_samples(p, 9);
      for (int n = 0; n < 40; ++n) {
        const std::int64_t at = random.between(0, in.size() - 1);
        in[at] = kinds == 1 ? nan : kinds == 2 ? infinity : random.of({nan, infinity, -infinity});
      }
      for (const Isa isa : available_isas()) {
        Heap<float> right(p.outputs()), out(p.outputs()), again(p.outputs());
        run_reference(p, whole(p), in.data(), k.product.data(), right.data(), 1, {});
        const std::unique_ptr<Correlation> plan = plan_separable(p, 1, isa);
        plan->run(in.data(), k.factors.data(), out.data(), 1, {});
        for (std::int64_t i = 0; i < out.size(); ++i)
          REQUIRE(kind(out[i]) == kind(right[i]) && (kind(right[i]) != 0 || out[i] == right[i]),
                  "output " + std::to_string(i) + " is " + std::to_string(out[i]) + ", not " +
                      std::to_string(right[i]));
        plan->run(in.data(), k.factors.data(), again.data(), 2, {});
        CHECK(again.same_bytes(out));
      }
    }
  }
}

// What integers report is what stands: an overflow that is mended is no NaN, a NaN is one.
FALTUNG_TEST(separable_reports_what_stands_in_the_result) {
  Problem p = grid({{40, 3}, {50, 3}});
  p.out = DType::i32;
  for (const Store store : {Store::check, Store::saturate, Store::wrap})
    for (const Isa isa : available_isas()) {
      p.store = store;
      const Heap<double> factors = [] {
        Heap<double> f(6);
        for (std::int64_t i = 0; i < 6; ++i) f[i] = i < 3 ? 1e-30 : 1e30;
        return f;
      }();
      Heap<float> in(samples(p));
      for (float& v : in) v = 1e6f;
      Heap<std::int32_t> out(p.outputs());
      const std::unique_ptr<Correlation> plan = plan_separable(p, 1, isa);
      in[777] = 3e9f;  // overflows between the passes, and is too large an integer
      CHECK(plan->run(in.data(), factors.data(), out.data(), 2, {}).reported == (store == Store::check));
      in[777] = 1e8f;  // overflows between the passes, and fits
      CHECK(!plan->run(in.data(), factors.data(), out.data(), 2, {}).reported);
      CHECK(std::abs(out[777] - 108e6) < 100);
      in[777] = nan;
      CHECK(plan->run(in.data(), factors.data(), out.data(), 2, {}).reported);
    }
}

FALTUNG_TEST(separable_stops_when_asked) {
  const Problem p = grid({{3000, 31}, {3000, 31}});
  const Kernel k = integers(p, 1, 1);
  const Heap<float> in = integer_samples(p, 2);
  Heap<float> out(p.outputs());
  const std::unique_ptr<Correlation> plan = plan_separable(p, 1, Isa::baseline);
  for (const int threads : {1, 2, 3}) {
    int asked = 0;
    const Outcome outcome =
        plan->run(in.data(), k.factors.data(), out.data(), threads, {count_and_stop, &asked});
    CHECK(asked <= 1);
    CHECK(outcome.finished == (asked == 0));
  }
}

FALTUNG_TEST(separable_plan_serves_many_threads) {
  const Problem p = grid({{120, 5}, {90, 7}});
  const Kernel k = integers(p, 2, 3);
  const Heap<float> in = integer_samples(p, 4);
  for (const Isa isa : available_isas()) {
    const std::unique_ptr<Correlation> plan = plan_separable(p, 2, isa);
    Heap<float> right(p.outputs());
    plan->run(in.data(), k.factors.data(), right.data(), 1, {});
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] {
        for (int job = 0; job < 10; ++job) {
          Heap<float> out(p.outputs());
          plan->run(in.data(), k.factors.data(), out.data(), 1 + (caller + job) % 3, {});
          if (!out.same_bytes(right)) ++wrong;
        }
      });
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0);
  }
}

// With one axis there is nothing to separate: the direct method takes the sum of the factors.
FALTUNG_TEST(separable_of_one_axis) {
  for (const std::int64_t terms : {1, 3}) {
    const Problem p = grid({{500, 9}});
    const Kernel k = integers(p, terms, 1);
    const Heap<float> in = integer_samples(p, 2);
    Heap<float> out(p.outputs()), right(p.outputs());
    run_reference(p, whole(p), in.data(), k.product.data(), right.data(), 1, {});
    plan_separable(p, static_cast<int>(terms), Isa::baseline)
        ->run(in.data(), k.factors.data(), out.data(), 2, {});
    CHECK(std::equal(out.begin(), out.end(), right.begin()));
  }
}

FALTUNG_TEST(separable_needs_terms_and_floats) {
  Problem p = grid({{9, 3}, {9, 3}});
  CHECK_THROWS(std::invalid_argument, "at least one term", plan_separable(p, 0, Isa::baseline));
  p.compute = Compute::u64;
  CHECK_THROWS(std::invalid_argument, "float32 or float64", plan_separable(p, 1, Isa::baseline));
}

}  // namespace faltung::tests
