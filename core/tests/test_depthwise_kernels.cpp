// Every row of every depthwise table is a test of its own: random calls against the formula in depthwise.h.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

constexpr std::int64_t kGuard = 40;  // elements around the results that nobody may write

template <class T>
T sample(Random& random) {
  return static_cast<T>(std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-8, 8))));
}

template <class T>
Heap<T> samples(std::int64_t count, Random& random) {
  Heap<T> values(count);
  for (T& v : values) v = sample<T>(random);
  return values;
}

// One random call. Rows hold exactly what the formula reads.
template <class T>
struct Call {
  const DepthwiseKernel<T>& k;
  std::vector<DepthwiseRun> runs;
  std::vector<Heap<T>> lines;
  std::vector<const T*> table;
  Heap<T> weights, bias, residual;
  std::int64_t vectors, taps = 0, reach = 0;
  DepthwiseArgs<T> args{};

  Call(const DepthwiseKernel<T>& kernel, Random& random) : k(kernel) {
    args.channels = k.lanes + random.of<std::int64_t>({0, 1, 3, k.lanes, 2 * k.lanes + 1});
    vectors = (args.channels + k.lanes - 1) / k.lanes;
    args.step = args.channels + random.of<std::int64_t>({0, 0, 5});
    args.tiles = random.between(1, 3);
    args.x = random.between(-9, 9);
    std::int64_t entries = 0;
    for (std::int64_t n = random.between(1, 4); n > 0; --n) {
      DepthwiseRun run{random.between(0, entries), random.between(0, 20),
                       random.between(1, 5),       random.between(1, k.most_taps),
                       n > 1 && random.one_in(3),  random.one_in(3) ? random.between(1, 9) : 0};
      runs.push_back(run);
      entries = std::max(entries, run.row + run.rows + k.rows - 1);
      taps += run.skip + run.rows * run.taps;
      reach =
          std::max(reach, run.offset + (args.tiles * k.columns + run.taps - 2) * args.step + args.channels);
    }
    for (std::int64_t i = 0; i < entries; ++i)
      table.push_back(lines.emplace_back(samples<T>(reach, random)).data() - args.x);
    args.rows = table.data();
    args.runs = runs.data();
    args.run_count = std::int64_t(runs.size());
    args.vector_weights = taps * k.lanes + random.of<std::int64_t>({0, 3});
    weights = samples<T>((vectors - 1) * args.vector_weights + taps * k.lanes, random);
    args.weights = weights.data();
    args.c_step = args.channels + random.between(0, 3);
    args.c_row = args.tiles * k.columns * args.c_step + random.between(0, 9);
    if (random.one_in(2)) bias = samples<T>(args.channels, random), args.bias = bias.data();
    if (random.one_in(2)) {
      args.residual_step = args.channels + random.between(0, 3);
      args.residual_row = args.tiles * k.columns * args.residual_step;
      residual = samples<T>(k.rows * args.residual_row, random);
      args.residual = residual.data();
    }
    args.clip = random.one_in(2);
    args.lo = random.one_in(2) ? T(-0.5) : -T(INFINITY);
    args.hi = random.one_in(2) ? T(0.5) : T(INFINITY);
    if (random.one_in(2)) {
      args.ahead = table.data();
      args.ahead_rows = std::min<std::int64_t>(entries, 3);
      args.ahead_count = random.between(0, 9);
      args.ahead_step = random.between(-100, 100);
    }
  }

  std::int64_t outputs() const {
    return (k.rows - 1) * args.c_row + (args.tiles * k.columns - 1) * args.c_step + args.channels;
  }

  bool accepts(std::int64_t r, std::int64_t x, std::int64_t ch, T y) const {
    long double value = 0, magnitude = 0;
    const auto add = [&](long double term) { value += term, magnitude += std::abs(term); };
    // The last vector overlaps the one before it, and is the last to write.
    const std::int64_t v = ch >= args.channels - k.lanes ? vectors - 1 : ch / k.lanes;
    const std::int64_t lane = ch - (v + 1 < vectors ? v * k.lanes : args.channels - k.lanes);
    const T* w = args.weights + v * args.vector_weights;
    for (const DepthwiseRun& run : runs) {
      w += run.skip * k.lanes;
      for (std::int64_t i = 0; i < run.rows; ++i)
        for (std::int64_t t = 0; t < run.taps; ++t, w += k.lanes)
          add(static_cast<long double>(
                  lines[size_t(run.row + r + i)][(x + t) * args.step + run.offset + ch]) *
              w[lane]);
    }
    if (args.bias) add(bias[ch]);
    if (args.residual) add(residual[r * args.residual_row + x * args.residual_step + ch]);
    const long double unit = std::ldexp(1.0L, sizeof(T) == 4 ? -24 : -53);
    const long double lo = args.lo, hi = args.hi;
    if (args.clip) value = value < lo ? lo : value > hi ? hi : value;
    return std::abs(static_cast<long double>(y) - value) <=
           static_cast<long double>(taps + 6) * unit * magnitude;
  }
};

template <class T>
void test_row(const DepthwiseKernel<T>& k) {
  for (int seed = 0; seed < repeated(30); ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::string where = std::string(k.name) + ", seed " + std::to_string(seed);
    Call<T> call(k, random);
    Heap<T> c = samples<T>(call.outputs() + 2 * kGuard, random), before(c.size());
    std::copy(c.begin(), c.end(), before.begin());
    call.args.c = c.data() + kGuard;
    k.run(call.args);
    std::vector<bool> written(size_t(c.size()));
    for (std::int64_t r = 0; r < k.rows; ++r)
      for (std::int64_t x = 0; x < call.args.tiles * k.columns; ++x)
        for (std::int64_t ch = 0; ch < call.args.channels; ++ch) {
          const std::int64_t at = kGuard + r * call.args.c_row + x * call.args.c_step + ch;
          written[size_t(at)] = true;
          REQUIRE(call.accepts(r, x, ch, c[at]), where + ": row " + std::to_string(r) + ", position " +
                                                     std::to_string(x) + ", channel " + std::to_string(ch));
        }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[size_t(i)] || c[i] == before[i],
              where + ": wrote beside its results, at " + std::to_string(i - kGuard));
  }
}

// A NaN passes the clips; infinities are clipped.
template <class T>
void test_not_finite(const DepthwiseKernel<T>& k) {
  Random random(1);
  Call<T> call(k, random);
  call.args.clip = true;
  call.args.lo = T(-1), call.args.hi = T(1);
  for (Heap<T>& line : call.lines)
    for (T& x : line) x = T(NAN);
  Heap<T> c(call.outputs());
  std::fill(c.begin(), c.end(), T(0));
  call.args.c = c.data();
  k.run(call.args);
  CHECK(std::isnan(c[0]));
}

template <class T>
void test_finish(Isa isa) {
  const DepthwiseTable<T>& table = depthwise_table<T>(isa);
  Random random(3);
  for (std::int64_t n = 0; n < 70; ++n) {
    const Heap<T> y = samples<T>(n, random), residual = samples<T>(n, random);
    const T bias = sample<T>(random);
    for (const bool more : {false, true}) {
      Heap<T> got(n);
      std::copy(y.begin(), y.end(), got.begin());
      table.finish(got.data(), n, bias, more ? residual.data() : nullptr, T(-0.5), T(0.5));
      for (std::int64_t i = 0; i < n; ++i) {
        const T sum = y[i] + bias, all = more ? sum + residual[i] : sum;
        REQUIRE(got[i] == std::clamp(all, T(-0.5), T(0.5)), "element " + std::to_string(i));
      }
    }
  }
}

template <class T>
void register_rows(Isa isa) {
  const DepthwiseTable<T>& table = depthwise_table<T>(isa);
  for (int i = 0; i < table.count; ++i) {
    const DepthwiseKernel<T>& k = table.kernels[i];
    registry().push_back({k.name,
                          [&k] {
                            test_row(k);
                            test_not_finite(k);
                          },
                          true});
  }
}

const bool rows_registered = [] {
  for (const Isa isa : available_isas()) {
    register_rows<float>(isa);
    register_rows<double>(isa);
  }
  return true;
}();

// Most rows first, by falling columns, each family down to one position; names say what a row is.
template <class T>
void check_table(Isa isa, const char* type) {
  const DepthwiseTable<T>& table = depthwise_table<T>(isa);
  for (int i = 0; i < table.count; ++i) {
    const DepthwiseKernel<T>& k = table.kernels[i];
    const std::string name = std::string("depthwise_") + type + "_" + std::to_string(k.rows) + "x" +
                             std::to_string(k.columns) + "_" + isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    REQUIRE(k.lanes == table.kernels[0].lanes, name + " does not fit its table");
    const bool ends = i + 1 == table.count || table.kernels[i + 1].rows != k.rows;
    REQUIRE(!ends || k.columns == 1, name + " leaves positions");
    REQUIRE(ends || table.kernels[i + 1].columns < k.columns, name + " is out of order");
  }
  CHECK(table.kernels[table.count - 1].rows == 1);
}

}  // namespace

FALTUNG_TEST(depthwise_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
  }
}

FALTUNG_TEST(depthwise_finish) {
  for (const Isa isa : available_isas()) {
    test_finish<float>(isa);
    test_finish<double>(isa);
  }
}

}  // namespace faltung::tests
