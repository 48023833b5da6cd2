// Every row of the separable tables is a test of its own: random calls against the formulas in separable.h.
#include <algorithm>
#include <cmath>
#include <cstdint>
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
Heap<T> samples(Random& random, std::int64_t n) {
  Heap<T> values(n);
  for (T& v : values) v = sample<T>(random);
  return values;
}

// Sums of one output, and of its absolute values.
struct Sum {
  long double value = 0, magnitude = 0;
  int terms = 0;

  void add(long double x) {
    value += x;
    magnitude += std::abs(x);
    ++terms;
  }
  template <class T>
  bool accepts(T y) const {
    const long double unit = std::ldexp(1.0L, std::is_same_v<T, float> ? -24 : -53);
    return std::abs(static_cast<long double>(y) - value) <= (terms + 2) * unit * magnitude;
  }
};

// What stands outside the results stays.
template <class T>
void check_guards(const Heap<T>& c, const Heap<T>& before, const std::vector<bool>& written,
                  const std::string& where) {
  for (std::int64_t i = 0; i < c.size(); ++i)
    REQUIRE(written[static_cast<std::size_t>(i)] || c[i] == before[i],
            where + ": wrote beside its results, at " + std::to_string(i - kGuard));
}

template <class T>
void test_columns(const ColumnsKernel<T>& k) {
  for (int seed = 0; seed < repeated(12); ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::string where = std::string(k.name) + ", seed " + std::to_string(seed);
    const std::int64_t width = std::int64_t(k.vectors) * k.lanes, least = std::max(1, k.rows - 1);
    ColumnsArgs<T> args{};
    args.x = random.between(0, 30);
    args.tiles = random.between(1, 3);
    args.ldc = args.tiles * width + random.between(0, 5);
    args.add = random.one_in(2);
    std::vector<ColumnsRun<T>> runs;
    std::vector<Heap<T>> weights, lines;
    std::vector<const T*> table;
    std::int64_t entries = 0;
    for (std::int64_t n = random.between(1, 3); n > 0; --n) {
      const std::int64_t taps = random.between(least, least + 9);
      weights.push_back(samples<T>(random, taps));
      runs.push_back({weights.back().data(), entries + random.between(0, 2), taps});
      entries = runs.back().line + taps + k.rows - 1;
    }
    // Lines hold exactly what the formula reads.
    for (std::int64_t i = 0; i < entries; ++i) {
      lines.push_back(samples<T>(random, args.tiles * width));
      table.push_back(lines.back().data() - args.x);
    }
    const std::vector<const char*> ahead(static_cast<std::size_t>(k.rows),
                                         reinterpret_cast<const char*>(&random));
    if (random.one_in(2)) args.ahead = ahead.data(), args.ahead_step = random.between(-100, 100);
    args.lines = table.data();
    args.runs = runs.data();
    args.run_count = static_cast<std::int64_t>(runs.size());
    args.stream = random.one_in(3);
    if (args.stream) args.ldc = (args.ldc + k.lanes - 1) / k.lanes * k.lanes;
    Heap<T> c = samples<T>(random, (k.rows - 1) * args.ldc + args.tiles * width + 2 * kGuard + k.lanes),
            before(c.size());
    std::copy(c.begin(), c.end(), before.begin());
    // Streamed results are aligned.
    const auto misplaced =
        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(c.data() + kGuard) / sizeof(T)) % k.lanes;
    const std::int64_t origin = kGuard + (args.stream && misplaced != 0 ? k.lanes - misplaced : 0);
    args.c = c.data() + origin;
    k.run(args);
    std::vector<bool> written(static_cast<std::size_t>(c.size()));
    for (std::int64_t r = 0; r < k.rows; ++r)
      for (std::int64_t x = 0; x < args.tiles * width; ++x) {
        const std::int64_t at = origin + r * args.ldc + x;
        Sum sum;
        for (const ColumnsRun<T>& run : runs)
          for (std::int64_t t = 0; t < run.taps; ++t)
            sum.add(static_cast<long double>(lines[static_cast<std::size_t>(run.line + r + t)][x]) *
                    run.weights[t]);
        if (args.add) sum.add(before[at]);
        written[static_cast<std::size_t>(at)] = true;
        REQUIRE(sum.accepts(c[at]), where + ": row " + std::to_string(r) + ", element " + std::to_string(x));
      }
    check_guards(c, before, written, where);
  }
}

// Four lines turned and correlated. NaN stands behind the last column that a tap may reach, as in padded lines.
template <class T>
void test_lines(const LinesTable<T>& table) {
  for (int seed = 0; seed < repeated(60); ++seed)
    for (std::int64_t step = 1; step <= kLinesSteps; ++step) {
      Random random(static_cast<std::uint64_t>(seed));
      const std::string where =
          std::string(table.name) + ", step " + std::to_string(step) + ", seed " + std::to_string(seed);
      const std::int64_t taps = random.one_in(2) ? random.between(1, 8) : random.between(1, 40);
      const std::int64_t columns = table.lanes * random.between(1, 11), needed = columns + (taps - 1) * step;
      const std::int64_t padded = (needed + table.lanes - 1) / table.lanes * table.lanes;
      const std::int64_t plane = padded + table.lanes * random.between(0, 2);
      std::vector<Heap<T>> lines;
      const T* rows[kLines];
      for (const T*& row : rows) {
        lines.push_back(samples<T>(random, padded));
        std::fill(lines.back().begin() + needed, lines.back().end(), std::numeric_limits<T>::quiet_NaN());
        row = lines.back().data();
      }
      Heap<T> planes(kLines * plane);
      std::fill(planes.begin(), planes.end(), std::numeric_limits<T>::quiet_NaN());
      table.turn(rows, padded, planes.data(), plane);
      const Heap<T> weights = samples<T>(random, taps);
      const std::int64_t ldc = columns + random.between(0, 9);
      Heap<T> c = samples<T>(random, (kLines - 1) * ldc + columns + 2 * kGuard), before(c.size());
      std::copy(c.begin(), c.end(), before.begin());
      T squares = 3;
      LinesArgs<T> args{planes.data(), plane, weights.data(), taps, columns, {}, random.one_in(3), &squares};
      for (std::int64_t r = 0; r < kLines; ++r) args.rows[r] = c.data() + kGuard + r * ldc;
      table.run[step - 1](args);
      std::vector<bool> written(static_cast<std::size_t>(c.size()));
      long double all = 3;
      for (std::int64_t r = 0; r < kLines; ++r)
        for (std::int64_t x = 0; x < columns; ++x) {
          const std::int64_t at = kGuard + r * ldc + x;
          Sum sum;
          for (std::int64_t t = 0; t < taps; ++t)
            sum.add(static_cast<long double>(lines[static_cast<std::size_t>(r)][x + t * step]) * weights[t]);
          if (args.add) sum.add(before[at]);
          written[static_cast<std::size_t>(at)] = true;
          all += static_cast<long double>(c[at]) * static_cast<long double>(c[at]);
          REQUIRE(sum.accepts(c[at]), where + ": row " + std::to_string(r) + ", column " + std::to_string(x));
        }
      REQUIRE(std::abs(static_cast<long double>(squares) - all) <= all * 1e-4L, where + ": squares");
      check_guards(c, before, written, where);
    }
}

template <class T>
void register_rows(Isa isa) {
  const ColumnsTable<T>& columns = columns_table<T>(isa);
  for (int i = 0; i < columns.count; ++i)
    registry().push_back(
        {columns.kernels[i].name, [&columns, i] { test_columns(columns.kernels[i]); }, true});
  const LinesTable<T>& lines = lines_table<T>(isa);
  if (lines.lanes > 0) registry().push_back({lines.name, [&lines] { test_lines(lines); }, true});
}

const bool rows_registered = [] {
  for (const Isa isa : available_isas()) {
    register_rows<float>(isa);
    register_rows<double>(isa);
  }
  return true;
}();

// From the tallest to the lowest, for the same rows from the widest to one vector; names say what a row is.
template <class T>
void check_table(Isa isa, const char* type) {
  const ColumnsTable<T>& table = columns_table<T>(isa);
  CHECK(table.count > 1 && table.kernels[table.count - 1].rows == 1 &&
        table.kernels[table.count - 1].vectors == 1);
  for (int i = 0; i < table.count; ++i) {
    const ColumnsKernel<T>& k = table.kernels[i];
    const std::string name = std::string("columns_") + type + "_" + std::to_string(k.rows) + "x" +
                             std::to_string(k.vectors) + "_" + isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    REQUIRE(k.lanes == table.kernels[0].lanes && k.rows <= 32, name + " does not fit its table");
    if (i == 0) continue;
    const ColumnsKernel<T>& previous = table.kernels[i - 1];
    REQUIRE(previous.rows == k.rows ? previous.vectors > k.vectors
                                    : previous.rows > k.rows && previous.vectors == 1,
            name + " is out of order");
  }
}

}  // namespace

FALTUNG_TEST(separable_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
  }
}

}  // namespace faltung::tests
