// Every row of every grouped_lanes table is a test of its own: random calls against the formulas in grouped_lanes.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

constexpr std::int64_t kGuard = 70;  // elements around the results that nobody may write

template <class T>
T sample(Random& random) {
  return static_cast<T>(std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-8, 8))));
}

template <class T>
Heap<T> samples(Random& random, std::int64_t count) {
  Heap<T> values(count);
  for (T& v : values) v = sample<T>(random);
  return values;
}

template <class T>
void test_row(const GroupedLanesKernel<T>& k) {
  const int trials = repeated(12);
  const std::int64_t L = k.lanes;
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::int64_t stride = random.between(1, 3), tiles = random.between(1, 3);
    std::vector<GroupedLanesRun> runs;
    std::int64_t count = 0, last = 0, terms = 0;
    for (std::int64_t n = random.between(1, 12); n > 0; --n) {
      GroupedLanesRun run{random.between(0, 20) * L, 1, 1, false};
      if (k.group == 0) {
        run.taps = stride < 3 ? random.between(1, 5) : 1;
        run.channels = random.between(1, L);
        run.flush = random.one_in(4);
      }
      const std::int64_t rows = k.group ? k.group : run.channels * run.taps;
      count += rows * L, terms += rows;
      last = std::max(last, run.offset + (run.taps - 1) * L);
      runs.push_back(run);
    }
    GroupedLanesArgs<T> g{};
    g.step = stride * L;
    g.row_step = random.between(1, 9) * L;
    g.tiles = tiles;
    g.runs = runs.data(), g.run_count = static_cast<std::int64_t>(runs.size());
    const std::int64_t columns = tiles * k.columns;
    const Heap<T> x = samples<T>(random, last + (k.rows - 1) * g.row_step + (columns - 1) * g.step + L);
    const Heap<T> weights = samples<T>(random, count), bias = samples<T>(random, L);
    g.x = x.data(), g.weights = weights.data();
    if (random.one_in(2)) g.bias = bias.data();
    g.c_step = L + random.between(0, 9), g.c_row = columns * g.c_step + random.between(0, 9);
    g.residual_step = L + random.between(0, 9), g.residual_row = columns * g.residual_step;
    const Heap<T> residual =
        samples<T>(random, (k.rows - 1) * g.residual_row + (columns - 1) * g.residual_step + L);
    if (random.one_in(2)) g.residual = residual.data();
    g.clip = random.one_in(2);
    constexpr T infinity = std::numeric_limits<T>::infinity();
    g.lo = random.one_in(2) ? T(0) : -infinity, g.hi = random.one_in(2) ? T(6) : infinity;
    const Heap<T> before =
        samples<T>(random, (k.rows - 1) * g.c_row + (columns - 1) * g.c_step + L + 2 * kGuard);
    Heap<T> c(before.size());
    std::copy(before.begin(), before.end(), c.begin());
    g.c = c.data() + kGuard;
    k.run(g);

    const std::string where = std::string(k.name) + ", seed " + std::to_string(seed);
    std::vector<bool> written(static_cast<std::size_t>(c.size()));
    for (std::int64_t r = 0; r < k.rows; ++r)
      for (std::int64_t p = 0; p < columns; ++p)
        for (std::int64_t l = 0; l < L; ++l) {
          long double sum = 0, magnitude = 0;
          const auto add = [&](T a, T b) {
            const long double product = static_cast<long double>(a) * static_cast<long double>(b);
            sum += product, magnitude += std::abs(product);
          };
          const T* w = weights.data();
          for (const GroupedLanesRun& run : runs) {
            const std::int64_t at = run.offset + r * g.row_step + p * g.step;
            for (std::int64_t j = 0; j < k.group; ++j, w += L) add(x[at + (l ^ j)], w[l ^ j]);
            for (std::int64_t ch = 0; k.group == 0 && ch < run.channels; ++ch)
              for (std::int64_t t = 0; t < run.taps; ++t, w += L) add(x[at + t * L + ch], w[l]);
          }
          if (g.bias != nullptr) add(g.bias[l], 1);
          if (g.residual != nullptr) add(g.residual[r * g.residual_row + p * g.residual_step + l], 1);
          if (g.clip) sum = std::clamp(sum, static_cast<long double>(g.lo), static_cast<long double>(g.hi));
          const std::int64_t at = kGuard + r * g.c_row + p * g.c_step + l;
          const long double unit = std::ldexp(1.0L, std::is_same_v<T, float> ? -24 : -53);
          written[static_cast<std::size_t>(at)] = true;
          REQUIRE(std::abs(static_cast<long double>(c[at]) - sum) <=
                      static_cast<long double>(terms + 4) * unit * magnitude,
                  where + ": row " + std::to_string(r) + ", position " + std::to_string(p) + ", lane " +
                      std::to_string(l) + " is wrong");
        }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[static_cast<std::size_t>(i)] || c[i] == before[i], where + ": wrote beside its tiles");
  }
}

template <class T>
void test_collect(const GroupedLanesTable<T>& table) {
  const int trials = repeated(30);
  const std::int64_t L = table.kernels[0].lanes;
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::int64_t panels = random.between(1, 5), positions = random.between(1, 20);
    const std::int64_t step = panels * L + random.between(0, 9),
                       panel_step = positions * L + random.between(0, 9);
    const Heap<T> from = samples<T>(random, (positions - 1) * step + panels * L);
    const Heap<T> before = samples<T>(random, (panels - 1) * panel_step + positions * L + 2 * kGuard);
    Heap<T> c(before.size()), expected(before.size());
    std::copy(before.begin(), before.end(), c.begin());
    std::copy(before.begin(), before.end(), expected.begin());
    for (std::int64_t b = 0; b < panels; ++b)
      for (std::int64_t p = 0; p < positions; ++p)
        for (std::int64_t l = 0; l < L; ++l)
          expected[kGuard + b * panel_step + p * L + l] = from[p * step + b * L + l];
    table.collect(from.data(), step, c.data() + kGuard, panel_step, panels, positions);
    REQUIRE(c.same_bytes(expected), "collect, seed " + std::to_string(seed));
  }
}

template <class T>
void register_rows(Isa isa) {
  const GroupedLanesTable<T>& table = grouped_lanes_table<T>(isa);
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

// A row says what it is in its name; folded rows stand before spread ones, and each kind ends with one position.
template <class T>
void check_table(Isa isa, const char* type) {
  const GroupedLanesTable<T>& table = grouped_lanes_table<T>(isa);
  REQUIRE(table.count > 0, "an empty table");
  for (int i = 0; i < table.count; ++i) {
    const GroupedLanesKernel<T>& k = table.kernels[i];
    const std::string name = std::string(k.group ? "folded_" : "spread_") + type + "_" +
                             std::to_string(k.group ? k.group : k.rows) + "x" + std::to_string(k.columns) +
                             "_" + isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    REQUIRE(k.lanes == table.kernels[0].lanes, name + " has vectors of another width than its table");
    REQUIRE(k.group == 0 || (k.rows == 1 && k.group < k.lanes && (k.group & (k.group - 1)) == 0),
            name + " cannot be folded");
    const bool ends = i + 1 == table.count || table.kernels[i + 1].group != k.group;
    REQUIRE(!ends || (k.rows == 1 && k.columns == 1), name + " leaves positions over");
    if (i == 0) continue;
    const GroupedLanesKernel<T>& before = table.kernels[i - 1];
    const bool ascends = k.group == 0 ? before.group > 0 : before.group > 0 && before.group < k.group;
    const bool falls = k.group == before.group && (k.rows < before.rows || k.columns < before.columns);
    REQUIRE(ascends || falls, name + " is out of order");
  }
}

}  // namespace

FALTUNG_TEST(grouped_lanes_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
  }
}
FALTUNG_TEST(grouped_lanes_collect_panels) {
  for (const Isa isa : available_isas()) {
    test_collect(grouped_lanes_table<float>(isa));
    test_collect(grouped_lanes_table<double>(isa));
  }
}

}  // namespace faltung::tests
