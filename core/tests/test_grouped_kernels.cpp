// Every row of every grouped table is a test of its own: random calls against the formulas in grouped.h.
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
void test_row(const GroupedKernel<T>& k) {
  const int trials = repeated(10);
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::int64_t terms = random.between(1, 40), width = std::int64_t(k.vectors) * k.lanes;
    std::vector<std::int64_t> offsets;
    std::int64_t last = 0;
    for (std::int64_t t = 0; t < terms; ++t)
      offsets.push_back(random.between(0, 200)), last = std::max(last, offsets.back());
    const Heap<T> x = samples<T>(random, last + width);  // exactly what is read
    const Heap<T> weights = samples<T>(random, terms * k.outs);
    const std::int64_t step = width + random.between(0, 9);
    const std::int64_t results = (k.outs - 1) * step + width;
    const Heap<T> before = samples<T>(random, results + 2 * kGuard);
    Heap<T> c(before.size());
    std::copy(before.begin(), before.end(), c.begin());
    const bool add = random.one_in(2);
    k.run({x.data(), offsets.data(), weights.data(), terms, c.data() + kGuard, step, add});

    const std::string where = std::string(k.name) + ", seed " + std::to_string(seed);
    std::vector<bool> written(static_cast<std::size_t>(c.size()));
    for (std::int64_t o = 0; o < k.outs; ++o)
      for (std::int64_t p = 0; p < width; ++p) {
        const std::int64_t at = kGuard + o * step + p;
        long double sum = add ? before[at] : T(0), magnitude = std::abs(sum);
        for (std::int64_t t = 0; t < terms; ++t) {
          const long double product = static_cast<long double>(x[p + offsets[static_cast<std::size_t>(t)]]) *
                                      static_cast<long double>(weights[t * k.outs + o]);
          sum += product, magnitude += std::abs(product);
        }
        const long double unit = std::ldexp(1.0L, std::is_same_v<T, float> ? -24 : -53);
        written[static_cast<std::size_t>(at)] = true;
        REQUIRE(std::abs(static_cast<long double>(c[at]) - sum) <=
                    static_cast<long double>(terms + 2) * unit * magnitude,
                where + ": out " + std::to_string(o) + ", position " + std::to_string(p) + " is wrong");
      }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[static_cast<std::size_t>(i)] || c[i] == before[i], where + ": wrote beside its tile");
  }
}

template <class T>
void test_finish(const GroupedTable<T>& table) {
  const int trials = repeated(60);
  constexpr T infinity = std::numeric_limits<T>::infinity();
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    FinishArgs<T> f{};
    f.rows = random.between(1, 4), f.count = random.between(1, 70);
    f.sum_step = f.count + random.between(0, 9), f.residual_step = f.count + random.between(0, 9);
    Heap<T> sums = samples<T>(random, (f.rows - 1) * f.sum_step + f.count);
    const Heap<T> residual = samples<T>(random, (f.rows - 1) * f.residual_step + f.count);
    if (random.one_in(3)) sums[random.between(0, sums.size() - 1)] = std::numeric_limits<T>::quiet_NaN();
    if (random.one_in(2)) f.residual = residual.data();
    f.bias = random.one_in(2) ? sample<T>(random) : T(0);
    f.lo = random.one_in(2) ? T(0) : -infinity, f.hi = random.one_in(2) ? T(6) : infinity;
    const bool in_place = random.one_in(3);
    f.out_step = in_place ? f.sum_step : f.count + random.between(0, 9);
    const std::int64_t results = (f.rows - 1) * f.out_step + f.count;
    Heap<T> before = samples<T>(random, results + 2 * kGuard);
    if (in_place) std::copy(sums.begin(), sums.end(), before.data() + kGuard);
    Heap<T> c(before.size());
    std::copy(before.begin(), before.end(), c.begin());
    f.out = c.data() + kGuard;
    f.sums = in_place ? f.out : sums.data();
    table.finish(f);
    std::vector<bool> written(static_cast<std::size_t>(c.size()));
    const std::string where = "finish, seed " + std::to_string(seed);
    for (std::int64_t r = 0; r < f.rows; ++r)
      for (std::int64_t i = 0; i < f.count; ++i) {
        T y = sums[r * f.sum_step + i] + f.bias;
        if (f.residual != nullptr) y += residual[r * f.residual_step + i];
        y = y < f.lo ? f.lo : y > f.hi ? f.hi : y;
        const T got = c[kGuard + r * f.out_step + i];
        written[static_cast<std::size_t>(kGuard + r * f.out_step + i)] = true;
        REQUIRE(got == y || (std::isnan(got) && std::isnan(y)), where + ": a result is wrong");
      }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[static_cast<std::size_t>(i)] || c[i] == before[i] || std::isnan(before[i]),
              where + ": wrote beside its lines");
  }
}

template <class T>
void test_border(const GroupedTable<T>& table) {
  const int trials = repeated(60);
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    BorderArgs<T> b{};
    b.rows = random.between(1, 4), b.count = random.between(0, 70), b.step = random.between(1, 2);
    b.before = random.between(0, 5), b.after = random.between(0, 5);
    const std::int64_t read = b.count > 0 ? (b.count - 1) * b.step + 1 : 0,
                       width = b.before + b.count + b.after;
    b.from_step = read + random.between(0, 9), b.to_step = width + random.between(0, 9);
    const Heap<T> from = samples<T>(random, read > 0 ? (b.rows - 1) * b.from_step + read : 0);
    const Heap<T> before = samples<T>(random, (b.rows - 1) * b.to_step + width + 2 * kGuard);
    Heap<T> c(before.size()), expected(before.size());
    std::copy(before.begin(), before.end(), c.begin());
    std::copy(before.begin(), before.end(), expected.begin());
    for (std::int64_t r = 0; r < b.rows; ++r)
      for (std::int64_t i = 0; i < width; ++i) {
        const std::int64_t n = i - b.before;
        expected[kGuard + r * b.to_step + i] =
            n >= 0 && n < b.count ? from[r * b.from_step + n * b.step] : T(0);
      }
    b.from = from.data(), b.to = c.data() + kGuard;
    table.border(b);
    REQUIRE(c.same_bytes(expected), "border, seed " + std::to_string(seed));
  }
}

template <class T>
void register_rows(Isa isa) {
  const GroupedTable<T>& table = grouped_table<T>(isa);
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

// A row says what it is in its name; outs ascend from 1, and of each the vectors.
template <class T>
void check_table(Isa isa, const char* type) {
  const GroupedTable<T>& table = grouped_table<T>(isa);
  REQUIRE(table.count > 0, "an empty table");
  for (int i = 0; i < table.count; ++i) {
    const GroupedKernel<T>& k = table.kernels[i];
    const std::string name = std::string("grouped_") + type + "_" + std::to_string(k.outs) + "x" +
                             std::to_string(k.vectors) + "_" + isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    const int outs = i > 0 ? table.kernels[i - 1].outs : 0,
              vectors = i > 0 ? table.kernels[i - 1].vectors : 0;
    REQUIRE((k.outs == outs && k.vectors == vectors + 1) || (k.outs == outs + 1 && k.vectors == 1),
            name + " is out of order");
    REQUIRE(k.lanes == table.kernels[0].lanes, name + " has vectors of another width than its table");
  }
}

}  // namespace

FALTUNG_TEST(grouped_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
  }
}
FALTUNG_TEST(grouped_lines_are_finished) {
  for (const Isa isa : available_isas()) {
    test_finish(grouped_table<float>(isa));
    test_finish(grouped_table<double>(isa));
  }
}
FALTUNG_TEST(grouped_planes_have_borders) {
  for (const Isa isa : available_isas()) {
    test_border(grouped_table<float>(isa));
    test_border(grouped_table<double>(isa));
  }
}

}  // namespace faltung::tests
