// Every row of every gemm table is a test of its own: random calls against the formula in gemm.h.
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

// One random call. Every operand holds exactly what the formula reads.
template <class T>
struct Call {
  const GemmKernel<T>& kernel;
  std::int64_t rows, first, width;
  std::vector<Heap<T>> low, high;
  std::vector<const T*> a, a_half;
  Heap<T> b, sums, bias, row_bias, residual;
  std::int64_t row_span;  // rows of a half that all tiles touch
  GemmArgs<T> args{};

  Call(const GemmKernel<T>& k, Random& random)
      : kernel(k), rows(k.rows), first((k.rows + 1) / 2), width(std::int64_t(k.vectors) * k.lanes) {
    args.segments = random.between(0, 4);
    args.depth = random.between(1, 12);
    args.tiles = random.between(1, 3);
    args.advance = random.between(rows, rows + 2);
    args.term_step = random.of<std::int64_t>({1, 1, rows, 7});
    args.row_step = random.between(1, 30);
    args.b_step = width + random.of<std::int64_t>({0, 0, 5});
    args.at = random.between(-5, 20), args.at_half = random.between(-5, 20);
    row_span = (args.tiles - 1) * args.advance;
    for (std::int64_t s = 0; s < args.segments; ++s) {
      const auto operand = [&](std::vector<Heap<T>>& keep, std::int64_t at, std::int64_t half) {
        const std::int64_t last = (row_span + half - 1) * args.row_step + (args.depth - 1) * args.term_step;
        return keep.emplace_back(samples<T>(last + 1, random)).data() - at;
      };
      a.push_back(operand(low, args.at, first));
      a_half.push_back(rows > first ? operand(high, args.at_half, rows - first) : a.back() + 1000);
    }
    args.a = a.data();
    args.a_half = a_half.data();
    if (rows == first)
      for (std::int64_t s = 0; s < args.segments; ++s) a_half[size_t(s)] = a[size_t(s)];
    b = samples<T>(std::max<std::int64_t>(0, args.segments * args.depth - 1) * args.b_step + width, random);
    args.b = b.data();
    args.ldc = width + random.between(0, 5);
    args.c_half = first * args.ldc;
    // The second half right behind the first, or far away.
    if (random.one_in(2)) args.c_half = (row_span + first) * args.ldc + random.between(0, 9);
    if (random.one_in(2)) {
      args.sums_step = width + random.between(0, 3);
      sums = samples<T>((row_span + rows) * args.sums_step, random);
      args.sums = sums.data();
    }
    if (random.one_in(2)) bias = samples<T>(width, random), args.bias = bias.data();
    if (random.one_in(3)) row_bias = samples<T>(row_span + rows, random), args.row_bias = row_bias.data();
    if (random.one_in(2)) {
      args.residual_step = width + random.between(0, 3);
      args.residual_half = (row_span + first) * args.residual_step;
      residual = samples<T>((2 * row_span + rows) * args.residual_step, random);
      args.residual = residual.data();
    }
    args.clip = random.one_in(2);
    args.lo = T(-0.5), args.hi = random.one_in(2) ? T(0.5) : T(INFINITY);
    args.ahead = reinterpret_cast<const char*>(this);
    args.ahead_step = random.of<std::int64_t>({0, 64});
  }

  std::int64_t place(std::int64_t row, std::int64_t r, std::int64_t step, std::int64_t half) const {
    return row * step + (r < first ? r * step : half + (r - first) * step);
  }
  std::int64_t outputs() const {
    return std::max(place(row_span, rows - 1, args.ldc, args.c_half),
                    place(row_span, first - 1, args.ldc, args.c_half)) +
           width;
  }

  bool accepts(std::int64_t tile, std::int64_t r, std::int64_t x, T y) const {
    const std::int64_t row = tile * args.advance;
    long double value = 0, magnitude = 0;
    const auto add = [&](long double term) { value += term, magnitude += std::abs(term); };
    for (std::int64_t s = 0; s < args.segments; ++s)
      for (std::int64_t t = 0; t < args.depth; ++t) {
        const T left =
            r < first
                ? a[size_t(s)][args.at + (row + r) * args.row_step + t * args.term_step]
                : a_half[size_t(s)][args.at_half + (row + r - first) * args.row_step + t * args.term_step];
        add(static_cast<long double>(left) * b[(s * args.depth + t) * args.b_step + x]);
      }
    if (args.sums) add(sums[(row + r) * args.sums_step + x]);
    if (args.bias) add(bias[x]);
    if (args.row_bias) add(row_bias[row + r]);
    if (args.residual) add(residual[place(row, r, args.residual_step, args.residual_half) + x]);
    const long double unit = std::ldexp(1.0L, sizeof(T) == 4 ? -24 : -53);
    const long double slack = static_cast<long double>(args.segments * args.depth + 5) * unit * magnitude;
    const long double lo = args.lo, hi = args.hi;
    if (args.clip) value = value < lo ? lo : value > hi ? hi : value;
    return std::abs(static_cast<long double>(y) - value) <= slack;
  }
};

template <class T>
void test_row(const GemmKernel<T>& kernel) {
  const int trials = repeated(12);
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    Call<T> call(kernel, random);
    Heap<T> c = samples<T>(call.outputs() + 2 * kGuard, random), before(c.size());
    std::copy(c.begin(), c.end(), before.begin());
    call.args.c = c.data() + kGuard;
    kernel.run(call.args);
    const std::string where = std::string(kernel.name) + ", seed " + std::to_string(seed);
    std::vector<bool> written(static_cast<std::size_t>(c.size()));
    for (std::int64_t tile = 0; tile < call.args.tiles; ++tile)
      for (std::int64_t r = 0; r < kernel.rows; ++r)
        for (std::int64_t x = 0; x < call.width; ++x) {
          const std::int64_t at =
              kGuard + call.place(tile * call.args.advance, r, call.args.ldc, call.args.c_half) + x;
          written[static_cast<std::size_t>(at)] = true;
          REQUIRE(call.accepts(tile, r, x, c[at]), where + ": tile " + std::to_string(tile) + ", row " +
                                                       std::to_string(r) + ", element " + std::to_string(x) +
                                                       " is wrong");
        }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[static_cast<std::size_t>(i)] || c[i] == before[i],
              where + ": wrote beside its tiles, at " + std::to_string(i - kGuard) + " from c");
  }
}

// NaN passes through a clip.
template <class T>
void test_nan(const GemmKernel<T>& kernel) {
  const std::int64_t width = std::int64_t(kernel.vectors) * kernel.lanes;
  std::vector<T> c(static_cast<std::size_t>(width * kernel.rows));
  const std::vector<T> bias(static_cast<std::size_t>(width), T(NAN));
  GemmArgs<T> args{};
  args.tiles = 1;
  args.c = c.data();
  args.ldc = width;
  args.c_half = (kernel.rows + 1) / 2 * width;
  args.bias = bias.data();
  args.clip = true;
  args.lo = 0, args.hi = 6;
  args.ahead = reinterpret_cast<const char*>(c.data());
  kernel.run(args);
  CHECK(std::all_of(c.begin(), c.end(), [](T y) { return std::isnan(y); }));
}

template <class T>
void register_rows(Isa isa) {
  const GemmTable<T>& table = gemm_table<T>(isa);
  for (int i = 0; i < table.count; ++i)
    registry().push_back({table.kernels[i].name,
                          [&table, i] { test_row(table.kernels[i]), test_nan(table.kernels[i]); }, true});
}

const bool rows_registered = [] {
  for (const Isa isa : available_isas()) {
    register_rows<float>(isa);
    register_rows<double>(isa);
  }
  return true;
}();

// A row says what it is in its name; every number of vectors has all rows from 1 on, the most rows fall with the vectors.
template <class T>
void check_table(Isa isa, const char* type) {
  const GemmTable<T>& table = gemm_table<T>(isa);
  CHECK(table.count > 0);
  for (int i = 0; i < table.count; ++i) {
    const GemmKernel<T>& k = table.kernels[i];
    const std::string name = std::string("gemm_") + type + "_" + std::to_string(k.rows) + "x" +
                             std::to_string(k.vectors) + "_" + isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    REQUIRE(k.lanes == table.kernels[0].lanes, name + " has vectors of another width than its table");
    const GemmKernel<T>* previous = i > 0 ? &table.kernels[i - 1] : nullptr;
    const bool continues = previous != nullptr && previous->vectors == k.vectors;
    REQUIRE(k.rows == (continues ? previous->rows + 1 : 1), name + " is out of order");
    REQUIRE(k.vectors == (previous == nullptr ? 1
                          : continues         ? previous->vectors
                                              : previous->vectors + 1),
            name + " is out of order");
  }
}

}  // namespace

FALTUNG_TEST(gemm_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
  }
}

}  // namespace faltung::tests
