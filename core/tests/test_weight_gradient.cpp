// The gradient of weights: every row of its kernel tables against the formula in gradient.h, and both plans against the
// definition, on whole numbers, whose sums are exact.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/lease.h"
#include "core/base/pool.h"
#include "core/kernels/select.h"
#include "core/ops/weight_gradient.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

template <class T>
Heap<T> whole_numbers(std::int64_t count, Random& random) {
  Heap<T> values(count);
  for (T& v : values) v = static_cast<T>(random.between(-4, 4));
  return values;
}

// ---- kernels

template <class T>
void test_row(const GradientKernel<T>& kernel) {
  for (int seed = 0; seed < repeated(12); ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::int64_t lanes = kernel.lanes, count = random.between(0, 4), tap = random.between(0, 2);
    GradientArgs<T> args{};
    args.count = count;
    args.x_next = count + random.between(0, 2);
    args.at = random.between(0, 5), args.tap = tap;
    args.g_step = lanes + random.of<std::int64_t>({0, 0, 3});
    std::vector<GradientRun<T>> runs;
    std::vector<Heap<T>> given, samples;
    std::vector<const T*> x(static_cast<std::size_t>(kernel.rows * args.x_next));
    for (std::int64_t n = 0; n < count; ++n) {
      GradientRun<T> run{nullptr, random.between(1, 23), lanes + random.between(0, 9), 0};
      run.tap_step = kernel.dense ? run.x_step : lanes + random.between(0, 9);
      run.g = given.emplace_back(whole_numbers<T>(args.at + (run.depth - 1) * args.g_step + lanes, random))
                  .data();
      const std::int64_t reach =
          args.at + (run.depth - 1) * run.x_step + (tap + kernel.taps - 1) * run.tap_step + lanes;
      for (int r = 0; r < kernel.rows; ++r)
        x[static_cast<std::size_t>(r * args.x_next + n)] =
            samples.emplace_back(whole_numbers<T>(reach, random)).data();
      runs.push_back(run);
    }
    args.runs = runs.data(), args.x = x.data();
    args.sum_step = lanes + random.between(0, 3);
    args.row_step = kernel.taps * args.sum_step + random.between(0, 3);
    args.first = random.one_in(2);
    Heap<T> sums = whole_numbers<T>(kernel.rows * args.row_step + 20, random), before(sums.size());
    std::copy(sums.begin(), sums.end(), before.begin());
    args.sums = sums.data() + 10;
    kernel.run(args);
    std::vector<T> expected(before.begin(), before.end());
    for (int r = 0; r < kernel.rows; ++r)
      for (int k = 0; k < kernel.taps; ++k)
        for (std::int64_t l = 0; l < lanes; ++l) {
          T sum = 0;
          for (std::int64_t n = 0; n < count; ++n)
            for (std::int64_t j = 0; j < runs[static_cast<std::size_t>(n)].depth; ++j) {
              const GradientRun<T>& run = runs[static_cast<std::size_t>(n)];
              sum += run.g[args.at + j * args.g_step + l] *
                     x[static_cast<std::size_t>(r * args.x_next + n)]
                      [args.at + j * run.x_step + (tap + k) * run.tap_step + l];
            }
          T& to = expected[static_cast<std::size_t>(10 + r * args.row_step + k * args.sum_step + l)];
          to = args.first ? sum : to + sum;
        }
    REQUIRE(
        std::equal(sums.begin(), sums.end(), expected.begin()),
        std::string(kernel.name) + ", seed " + std::to_string(seed) + " is wrong, or wrote beside its sums");
  }
}

template <class T>
void register_rows(Isa isa) {
  const GradientTable<T>& table = gradient_table<T>(isa);
  for (int i = 0; i < table.count; ++i)
    registry().push_back({table.kernels[i].name, [&table, i] { test_row(table.kernels[i]); }, true});
}

const bool rows_registered = [] {
  for (const Isa isa : available_isas()) {
    register_rows<float>(isa);
    register_rows<double>(isa);
  }
  return true;
}();

// A row says what it is in its name; every number of taps from 1 on has all rows from 1 on; dense ones come first.
template <class T>
void check_table(Isa isa, const char* type) {
  const GradientTable<T>& table = gradient_table<T>(isa);
  for (int i = 0; i < table.count; ++i) {
    const GradientKernel<T>& k = table.kernels[i];
    const std::string name = std::string("gradient_") + type + "_" + std::to_string(k.rows) + "x" +
                             std::to_string(k.taps) + (k.dense ? "_dense_" : "_loose_") +
                             isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    const GradientKernel<T>* previous = i > 0 ? &table.kernels[i - 1] : nullptr;
    const bool begins = previous == nullptr || previous->dense != k.dense;
    const bool continues = !begins && previous->taps == k.taps;
    REQUIRE(!begins || previous == nullptr || !k.dense, name + ": dense ones come first");
    REQUIRE(k.taps == (begins      ? 1
                       : continues ? previous->taps
                                   : previous->taps + 1),
            name + " is out of order");
    REQUIRE(k.rows == (continues ? previous->rows + 1 : 1), name + " is out of order");
  }
}

// ---- plans

struct Case {
  LayerProblem p;
  std::int64_t x_size, g_size, w_size;
};

// Contiguous arrays in one of the layouts; batches of long lines, whose cut has many chunks and parts.
Case random_case(Random& random, bool depthwise, DType type) {
  Case c;
  LayerProblem& p = c.p;
  const int rank = static_cast<int>(random.between(1, 3));
  const std::int64_t item = kItemSize[int(type)];
  p.in = p.weight = p.out = type;
  p.compute = type == DType::f64 ? Compute::f64 : Compute::f32;
  p.batch = random.of<std::int64_t>({0, 1, 2, 5});
  const std::int64_t in = depthwise ? 1 : random.between(1, 40), out = random.between(1, depthwise ? 3 : 50);
  p.groups = depthwise ? random.between(1, 70) : random.of<std::int64_t>({1, 1, 1, 3});
  p.in_channels = in * p.groups, p.out_channels = out * p.groups;
  const bool last = random.one_in(2);
  std::int64_t inputs = 1, outputs = 1, taps = 1;
  const std::int64_t most = rank == 1 ? 700 : rank == 2 ? 24 : 8;
  for (int a = 0; a < rank; ++a) {
    LayerAxis axis{};
    axis.taps = random.between(1, rank == 1 ? 9 : 4);
    axis.stride = random.between(1, 3), axis.dilation = random.between(1, 3);
    axis.pad = random.of<std::int64_t>({0, 0, 1, 2});
    axis.boundary = Boundary(random.between(0, 4));
    const std::int64_t reach = (axis.taps - 1) * axis.dilation + 1;
    axis.in = std::max<std::int64_t>(random.between(1, most), reach - axis.pad);
    axis.out = (axis.in + axis.pad + random.between(0, 2) - reach) / axis.stride + 1;
    p.axes.push_back(axis);
    inputs *= axis.in, outputs *= axis.out, taps *= axis.taps;
  }
  std::int64_t x = last ? p.in_channels * item : item, g = last ? p.out_channels * item : item, w = item;
  if (last) w = in * p.out_channels * item;
  for (int a = rank; a-- > 0;) {
    LayerAxis& axis = p.axes[static_cast<std::size_t>(a)];
    axis.in_step = x, axis.out_step = g, axis.weight_step = w;
    x *= axis.in, g *= axis.out, w *= axis.taps;
  }
  p.in_channel_step = last ? item : inputs * item;
  p.out_channel_step = last ? item : outputs * item;
  p.in_batch_step = inputs * p.in_channels * item, p.out_batch_step = outputs * p.out_channels * item;
  p.weight_in_step = last ? p.out_channels * item : taps * item;
  p.weight_out_step = last ? item : in * taps * item;
  c.x_size = p.batch * inputs * p.in_channels, c.g_size = p.batch * outputs * p.out_channels;
  c.w_size = taps * in * p.out_channels;
  return c;
}

// The layer whose batch are x's channels and whose kernel is g, one for each group.
void define(const Case& c, const char* x, const char* g, char* dw) {
  const LayerProblem& p = c.p;
  LayerProblem e = p;
  e.groups = 1;
  e.batch = p.group_in(), e.in_channels = p.batch, e.out_channels = p.group_out();
  e.in_batch_step = p.in_channel_step, e.in_channel_step = p.in_batch_step;
  e.weight_out_step = p.out_channel_step, e.weight_in_step = p.out_batch_step;
  e.out_batch_step = p.weight_in_step, e.out_channel_step = p.weight_out_step;
  for (LayerAxis& a : e.axes) {
    std::swap(a.taps, a.out), std::swap(a.stride, a.dilation);
    std::swap(a.weight_step, a.out_step);
  }
  for (std::int64_t group = 0; group < p.groups; ++group)
    run_layer_reference(
        e,
        {x + group * p.group_in() * p.in_channel_step, g + group * p.group_out() * p.out_channel_step,
         nullptr, nullptr, dw + group * p.group_out() * p.weight_out_step},
        1, {});
}

// Workspace holds finite numbers of an earlier call: what is read before it is written shows.
void soil_workspace() {
  parallel_for(3, 3, [](std::int64_t, int) {
    const ScratchLease own(ScratchLease::kept_bytes), second(ScratchLease::kept_bytes);
    for (const ScratchLease* lease : {&own, &second}) {
      float* values = reinterpret_cast<float*>(lease->data());
      std::fill(values, values + ScratchLease::kept_bytes / sizeof(float), 3.0F);
    }
  });
}

template <class T>
void check_plan(const Case& c, const WeightGradient& plan, Random& random, const std::string& where) {
  const Heap<T> x = whole_numbers<T>(c.x_size, random), g = whole_numbers<T>(c.g_size, random);
  Heap<T> want(c.w_size), alone(c.w_size), together(c.w_size);
  define(c, reinterpret_cast<const char*>(x.data()), reinterpret_cast<const char*>(g.data()),
         reinterpret_cast<char*>(want.data()));
  alone.fill_bytes(0x7f), together.fill_bytes(0x7f);
  soil_workspace();
  plan.run({x.data(), g.data(), alone.data()}, 1, {});
  plan.run({x.data(), g.data(), together.data()}, 3, {});
  REQUIRE(std::equal(want.begin(), want.end(), alone.begin()), where + ": not the definition");
  REQUIRE(alone.same_bytes(together), where + ": other bits with three threads");
}

template <class T>
void check_cases(bool depthwise, DType type, std::uint64_t first) {
  const std::vector<Isa> isas = available_isas();
  for (int i = 0; i < repeated(120); ++i) {
    Random random(first + static_cast<std::uint64_t>(i));
    const Case c = random_case(random, depthwise, type);
    const Isa isa = isas[static_cast<std::size_t>(i) % isas.size()];
    const auto plan =
        depthwise ? plan_weight_gradient_depthwise(c.p, isa) : plan_weight_gradient_gemm(c.p, isa);
    check_plan<T>(c, *plan, random, "seed " + std::to_string(first + static_cast<std::uint64_t>(i)));
  }
}

}  // namespace

FALTUNG_TEST(gradient_tables_say_what_they_have) {
  for (const Isa isa : available_isas()) check_table<float>(isa, "f32"), check_table<double>(isa, "f64");
}

FALTUNG_TEST(weight_gradients_by_products) {
  check_cases<float>(false, DType::f32, 0);
  check_cases<double>(false, DType::f64, 1000);
}

FALTUNG_TEST(weight_gradients_of_depthwise_layers) {
  check_cases<float>(true, DType::f32, 2000);
  check_cases<double>(true, DType::f64, 3000);
}

FALTUNG_TEST(weight_gradients_refuse_with_a_reason) {
  Random random(1);
  Case c = random_case(random, false, DType::f32);
  c.p.in = DType::i32;
  const auto reason = [&](auto make) -> std::string {
    try {
      make(c.p, Isa::baseline);
    } catch (const std::invalid_argument& refusal) {
      return refusal.what();
    }
    return "";
  };
  CHECK(reason(plan_weight_gradient_gemm).find("integers") == 0);
  c.p.in = DType::f32;
  c.p.groups = 1, c.p.in_channels = 2;
  CHECK(reason(plan_weight_gradient_depthwise) == "needs one group a channel");
}

}  // namespace faltung::tests
