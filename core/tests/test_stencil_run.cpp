// How a planned operation runs: stopped, repaired, shared by threads, with more taps than any other test.
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "core/ops/correlate.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// Two axes of float32, stride 1, zeros around, `pad` samples at each end.
Problem plane(std::int64_t rows, std::int64_t columns, std::int64_t taps, std::int64_t pad) {
  Problem p;
  const std::int64_t out_rows = rows + 2 * pad - taps + 1, out_columns = columns + 2 * pad - taps + 1;
  p.axes = {{rows, out_rows, taps, 1, 1, pad, Boundary::constant, columns * 4, taps * 4, out_columns * 4,
             out_columns},
            {columns, out_columns, taps, 1, 1, pad, Boundary::constant, 4, 4, 4, 1}};
  return p;
}

Problem line(std::int64_t samples, std::int64_t outputs, std::int64_t taps, std::int64_t pad, DType out) {
  Problem p;
  p.axes = {{samples, outputs, taps, 1, 1, pad, Boundary::constant, 4, 4, kItemSize[int(out)], 1}};
  p.out = out;
  p.store = out == DType::f32 ? Store::cast : Store::check;
  return p;
}

Heap<float> small_integers(std::int64_t n, std::uint64_t seed) {
  Random random(seed);
  Heap<float> values(n);
  for (float& v : values) v = static_cast<float>(random.between(-4, 4));
  return values;
}

bool count_and_stop(void* count) {
  ++*static_cast<int*>(count);
  return true;
}

}  // namespace

FALTUNG_TEST(stencil_stops_when_asked) {
  const Problem p = plane(1500, 1500, 31, 15);
  const Heap<float> in = small_integers(1500 * 1500, 1), kernel = small_integers(31 * 31, 2);
  Heap<float> out(1500 * 1500);
  const std::unique_ptr<Correlation> plan = plan_stencil(p, Isa::baseline);  // the slowest: it will be asked
  for (const int threads : {1, 2, 3}) {
    int asked = 0;
    const Outcome outcome =
        plan->run(in.data(), kernel.data(), out.data(), threads, {count_and_stop, &asked});
    CHECK(asked <= 1);
    CHECK(outcome.finished == (asked == 0));
  }
}

// The repair of borders is slow, and stops as well.
FALTUNG_TEST(stencil_stops_amid_repairs) {
  const Problem p = plane(200, 200, 31, 15);
  const Heap<float> in = small_integers(200 * 200, 1);
  Heap<float> kernel = small_integers(31 * 31, 2), out(200 * 200);
  kernel[31 * 15 + 15] = infinity;
  const std::unique_ptr<Correlation> plan = plan_stencil(p, available_isas().back());
  for (const int threads : {1, 2}) {
    int asked = 0;
    const Outcome outcome =
        plan->run(in.data(), kernel.data(), out.data(), threads, {count_and_stop, &asked});
    CHECK(asked <= 1);
    CHECK(outcome.finished == (asked == 0));
  }
}

// A tap that is not finite makes NaN of the zeros outside; where the repair removes it, nobody hears of it.
FALTUNG_TEST(stencil_reports_what_stands_in_the_result) {
  for (const Isa isa : available_isas()) {
    const Problem p = line(2, 2, 6, 3, DType::i32);
    const Heap<float> in = small_integers(2, 1);
    Heap<float> kernel = small_integers(6, 2);
    kernel[0] = infinity;  // never meets a sample
    Heap<std::int32_t> out(2), right(2);
    CHECK(!run_reference(p, whole(p), in.data(), kernel.data(), right.data(), 1, {}).reported);
    CHECK(!plan_stencil(p, isa)->run(in.data(), kernel.data(), out.data(), 1, {}).reported);
    CHECK(out.same_bytes(right));
    kernel[2] = infinity;  // meets one
    CHECK(plan_stencil(p, isa)->run(in.data(), kernel.data(), out.data(), 1, {}).reported);
  }
}

FALTUNG_TEST(stencil_of_very_many_taps) {
  constexpr std::int64_t taps = 300000;
  const Problem p = line(taps + 2, 3, taps, 0, DType::f32);
  Heap<float> in(taps + 2), kernel(taps), right(3);
  for (float& v : in) v = 0.1f;
  for (float& v : kernel) v = 0.3f;
  run_reference(p, whole(p), in.data(), kernel.data(), right.data(), 1, {});
  for (const Isa isa : available_isas()) {
    Heap<float> out(3);
    plan_stencil(p, isa)->run(in.data(), kernel.data(), out.data(), 1, {});
    const double units = 1.1 * 256 + std::ceil(taps / 256.0) + 20;
    for (std::int64_t i = 0; i < 3; ++i) CHECK(std::abs(out[i] - right[i]) <= units * 0x1p-24 * right[i]);
  }
}

FALTUNG_TEST(stencil_plan_serves_many_threads) {
  const Problem p = plane(60, 70, 5, 2);
  const Heap<float> in = small_integers(60 * 70, 1), kernel = small_integers(25, 2);
  Heap<float> right(60 * 70);
  run_reference(p, whole(p), in.data(), kernel.data(), right.data(), 1, {});
  for (const Isa isa : available_isas()) {
    const std::unique_ptr<Correlation> plan = plan_stencil(p, isa);
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] {
        for (int job = 0; job < 20; ++job) {
          Heap<float> out(60 * 70);
          plan->run(in.data(), kernel.data(), out.data(), 1 + (caller + job) % 3, {});
          if (!out.same_bytes(right)) ++wrong;
        }
      });
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0);
  }
}

// Batches that lie in memory so that they are one walk, or not: each output is summed in the same order.
FALTUNG_TEST(stencil_bits_do_not_depend_on_strides) {
  constexpr std::int64_t n = 79, rows = 3;
  Random random(1);
  Heap<float> in(rows * rows * n), turned(rows * rows * n), kernel(64);
  for (float& v : kernel) v = static_cast<float>(random.unit() - 0.5);
  for (float& v : in) v = static_cast<float>(random.unit() - 0.5);
  for (std::int64_t i = 0; i < in.size(); ++i)
    turned[(i / n % rows * rows + i / n / rows) * n + i % n] = in[i];
  for (const Isa isa : available_isas())
    for (const std::int64_t taps : {2, 5, 8, 20, 33, 64}) {
      Problem p = line(n, n, taps, taps / 2, DType::f32);
      p.axes[0].boundary = Boundary::edge;
      p.batch = {{rows, rows * n * 4, 0, rows * n * 4, rows * n}, {rows, n * 4, 0, n * 4, n}};
      Heap<float> walked(in.size()), jumped(in.size());
      plan_stencil(p, isa)->run(in.data(), kernel.data(), walked.data(), 1, {});
      std::swap(p.batch[0].in_step, p.batch[1].in_step);
      plan_stencil(p, isa)->run(turned.data(), kernel.data(), jumped.data(), 1, {});
      CHECK(walked.same_bytes(jumped));
    }
}

// A poll may come back into the library on the thread whose job it polls.
FALTUNG_TEST(stencil_runs_inside_a_poll) {
  const Problem small = plane(20, 20, 3, 1);
  const Heap<float> in = small_integers(400, 1), kernel = small_integers(9, 2);
  Heap<float> right(400);
  run_reference(small, whole(small), in.data(), kernel.data(), right.data(), 1, {});
  struct Inner {
    const Heap<float>&in, &kernel, &right;
    const Correlation& plan;
    int wrong = 0;
  };
  const std::unique_ptr<Correlation> plan = plan_stencil(small, Isa::baseline);
  Inner inner{in, kernel, right, *plan};
  const auto poll = [](void* context) {
    Inner& i = *static_cast<Inner*>(context);
    Heap<float> out(400);
    i.plan.run(i.in.data(), i.kernel.data(), out.data(), 1, {});
    i.wrong += !out.same_bytes(i.right);
    return false;
  };
  const Problem large = plane(400, 400, 31, 15);
  const Heap<float> samples = small_integers(400 * 400, 3), taps = small_integers(31 * 31, 4);
  Heap<float> alone(400 * 400), polled(400 * 400);
  const std::unique_ptr<Correlation> work = plan_stencil(large, Isa::baseline);
  work->run(samples.data(), taps.data(), alone.data(), 1, {});
  CHECK(work->run(samples.data(), taps.data(), polled.data(), 1, {poll, &inner}).finished);
  CHECK(inner.wrong == 0 && polled.same_bytes(alone));
}

FALTUNG_TEST(stencil_does_not_sum_in_192_bits) {
  Problem p = line(10, 8, 3, 0, DType::f32);
  p.compute = Compute::wide;
  CHECK_THROWS(std::invalid_argument, "float32, float64 or 64-bit integers", plan_stencil(p, Isa::baseline));
}

}  // namespace faltung::tests
