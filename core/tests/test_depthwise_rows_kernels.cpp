// Every row of every table of depthwise kernels on planes is a test of its own: random calls against the formula in
// depthwise_rows.h; and packing against its own.
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

// One random call.
template <class T>
struct Call {
  const DepthwiseRowsKernel<T>& k;
  std::vector<Heap<T>> lines;
  std::vector<Heap<T>> weights;
  std::vector<DepthwisePlane<T>> planes;
  std::vector<DepthwiseChunk> chunks;
  std::vector<std::int64_t> columns;
  Heap<T> bias, residual;
  DepthwiseRowsArgs<T> args{};

  Call(const DepthwiseRowsKernel<T>& kernel, Random& random) : k(kernel) {
    args.rows = random.one_in(2) ? k.rows : random.between(1, k.rows);
    args.count = (k.vectors - 1) * k.lanes + random.between(1, k.lanes);
    args.halves = static_cast<int>(random.between(1, k.halves));
    args.column = random.between(0, 20);
    args.row_step = random.between(1, 60);
    args.half_step = random.between(0, 90);
    std::int64_t taps = 0, farthest = 0;
    for (std::int64_t n = random.between(1, 3); n > 0; --n) {
      DepthwiseChunk c{random.between(0, 30), 0, 0, random.between(1, k.most_taps)};
      const std::int64_t entries = args.rows + c.taps - 1;
      c.begin = random.one_in(2) ? 0 : random.between(0, entries);
      c.end = random.one_in(2) ? entries : random.between(0, entries);
      chunks.push_back(c);
      taps += c.taps;
      farthest = std::max(farthest, c.offset + entries * args.row_step);
    }
    for (std::int64_t n = random.between(1, 8); n > 0; --n) columns.push_back(random.between(0, 30));
    // Loads fill whole vectors.
    const std::int64_t reach = farthest + args.column + 30 + args.half_step + k.vectors * k.lanes * k.halves;
    for (std::int64_t n = random.one_in(4) ? 9 : random.between(0, 3); n > 0; --n) {
      const T* x = lines.emplace_back(samples<T>(reach, random)).data();
      const std::int64_t count = taps * static_cast<std::int64_t>(columns.size()) * k.halves;
      planes.push_back({x, weights.emplace_back(samples<T>(count, random)).data()});
    }
    args.planes = planes.data();
    args.plane_count = static_cast<std::int64_t>(planes.size());
    args.chunks = chunks.data();
    args.chunk_count = static_cast<std::int64_t>(chunks.size());
    args.columns = columns.data();
    args.column_count = static_cast<std::int64_t>(columns.size());
    args.c_row = args.count + random.between(0, 9);
    args.c_half = k.rows * args.c_row + random.between(0, 9);
    if (random.one_in(2)) bias = samples<T>(k.halves, random), args.bias = bias.data();
    if (random.one_in(2)) {
      args.residual_row = args.count + random.between(0, 3);
      args.residual_half = random.between(0, 50);
      residual = samples<T>(
          (args.halves - 1) * args.residual_half + (args.rows - 1) * args.residual_row + args.count, random);
      args.residual = residual.data();
    }
    args.clip = random.one_in(2);
    args.lo = random.one_in(2) ? T(-0.5) : -T(INFINITY);
    args.hi = random.one_in(2) ? T(0.5) : T(INFINITY);
  }

  std::int64_t outputs() const {
    return (args.halves - 1) * args.c_half + (args.rows - 1) * args.c_row + args.count;
  }

  bool accepts(int h, std::int64_t r, std::int64_t i, T y) const {
    long double value = 0, magnitude = 0;
    std::int64_t terms = 0;
    const auto add = [&](long double term) { value += term, magnitude += std::abs(term), ++terms; };
    for (const DepthwisePlane<T>& plane : planes) {
      const T* w = plane.weights + h;
      for (const DepthwiseChunk& c : chunks)
        for (const std::int64_t column : columns)
          for (std::int64_t t = 0; t < c.taps; ++t, w += k.halves)
            if (r + t >= c.begin && r + t < c.end)
              add(static_cast<long double>(plane.x[h * args.half_step + c.offset + column +
                                                   (r + t) * args.row_step + args.column + i]) *
                  *w);
    }
    if (args.bias) add(bias[h]);
    if (args.residual) add(residual[h * args.residual_half + r * args.residual_row + i]);
    const long double unit = std::ldexp(1.0L, sizeof(T) == 4 ? -24 : -53);
    const long double lo = args.lo, hi = args.hi;
    if (args.clip) value = value < lo ? lo : value > hi ? hi : value;
    // No register chains more than 256 terms.
    const std::int64_t chain = std::min<std::int64_t>(terms, 256) + terms / 128 + 6;
    return std::abs(static_cast<long double>(y) - value) <=
           static_cast<long double>(chain) * unit * magnitude;
  }
};

template <class T>
void test_row(const DepthwiseRowsKernel<T>& k) {
  for (int seed = 0; seed < repeated(60); ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    const std::string where = std::string(k.name) + ", seed " + std::to_string(seed);
    Call<T> call(k, random);
    Heap<T> c = samples<T>(call.outputs() + 2 * kGuard, random), before(c.size());
    std::copy(c.begin(), c.end(), before.begin());
    call.args.c = c.data() + kGuard;
    k.run(call.args);
    std::vector<bool> written(size_t(c.size()));
    for (int h = 0; h < call.args.halves; ++h)
      for (std::int64_t r = 0; r < call.args.rows; ++r)
        for (std::int64_t i = 0; i < call.args.count; ++i) {
          const std::int64_t at = kGuard + h * call.args.c_half + r * call.args.c_row + i;
          written[size_t(at)] = true;
          REQUIRE(call.accepts(h, r, i, c[at]), where + ": half " + std::to_string(h) + ", row " +
                                                    std::to_string(r) + ", position " + std::to_string(i));
        }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[size_t(i)] || c[i] == before[i],
              where + ": wrote beside its results, at " + std::to_string(i - kGuard));
  }
}

// A NaN passes the clips, and stays where it is read.
template <class T>
void test_not_finite(const DepthwiseRowsKernel<T>& k) {
  Random random(3);
  for (;;) {
    Call<T> call(k, random);
    if (call.planes.empty() || call.chunks[0].begin > 0 || call.chunks[0].end < 1)
      continue;  // c[0] reads nothing
    call.args.clip = true;
    call.args.lo = T(-1), call.args.hi = T(1);
    for (Heap<T>& line : call.lines)
      for (T& x : line) x = T(NAN);
    Heap<T> c(call.outputs());
    std::fill(c.begin(), c.end(), T(0));
    call.args.c = c.data();
    k.run(call.args);
    CHECK(std::isnan(c[0]));
    return;
  }
}

template <class T>
void test_pack(Isa isa) {
  const DepthwiseRowsTable<T>& table = depthwise_rows_table<T>(isa);
  const std::int64_t lanes = table.kernels[0].lanes;
  for (int seed = 0; seed < repeated(100); ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    DepthwisePackArgs<T> args{};
    args.rows = random.between(1, 4);
    args.count = random.between(0, 70);
    args.phases = random.between(1, 4);
    args.lead = random.between(0, 9);
    args.from_step = args.count + random.between(0, 5);
    args.to_step = (args.lead + args.count) / args.phases + 1 + random.between(0, 9);
    args.phase_step = args.rows * args.to_step + 2 * lanes;
    const Heap<T> from = samples<T>((args.rows - 1) * args.from_step + args.count, random);
    Heap<T> to = samples<T>(args.phases * args.phase_step + 2 * kGuard, random), before(to.size());
    std::copy(to.begin(), to.end(), before.begin());
    args.from = from.data();
    args.to = to.data() + kGuard;
    table.pack(args);
    std::vector<bool> written(size_t(to.size()));
    for (std::int64_t r = 0; r < args.rows; ++r)
      for (std::int64_t i = 0; i < args.count; ++i) {
        const std::int64_t u = args.lead + i;
        const std::int64_t at =
            kGuard + u % args.phases * args.phase_step + r * args.to_step + u / args.phases;
        REQUIRE(to[at] == from[r * args.from_step + i],
                "seed " + std::to_string(seed) + ", row " + std::to_string(r) + ", " + std::to_string(i));
        // What follows a row may be cleared, but for the next row.
        for (std::int64_t n = 0; n <= 2 * lanes && at + n < to.size(); ++n) written[size_t(at + n)] = true;
      }
    for (std::int64_t i = 0; i < to.size(); ++i)
      REQUIRE(written[size_t(i)] || to[i] == before[i],
              "seed " + std::to_string(seed) + ": wrote beside, at " + std::to_string(i - kGuard));
  }
}

template <class T>
void register_rows(Isa isa) {
  const DepthwiseRowsTable<T>& table = depthwise_rows_table<T>(isa);
  for (int i = 0; i < table.count; ++i) {
    const DepthwiseRowsKernel<T>& k = table.kernels[i];
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

// One half first, most vectors first, by falling rows down to one; names say what a row is.
template <class T>
void check_table(Isa isa, const char* type) {
  const DepthwiseRowsTable<T>& table = depthwise_rows_table<T>(isa);
  for (int i = 0; i < table.count; ++i) {
    const DepthwiseRowsKernel<T>& k = table.kernels[i];
    const std::string name = std::string("depthwise_rows_") + type + "_" + std::to_string(k.rows) + "x" +
                             std::to_string(k.vectors) + "h" + std::to_string(k.halves) + "_" +
                             isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    REQUIRE(k.lanes * k.halves == table.kernels[0].lanes, name + " does not fit its table");
    REQUIRE(k.most_taps == table.kernels[0].most_taps, name + " takes other taps");
    const bool ends = i + 1 == table.count || table.kernels[i + 1].rows > k.rows;
    REQUIRE(!ends || k.rows == 1, name + " leaves rows");
    if (i + 1 < table.count) REQUIRE(table.kernels[i + 1].halves >= k.halves, name + " is out of order");
  }
  CHECK(table.kernels[0].halves == 1);
}

}  // namespace

FALTUNG_TEST(depthwise_rows_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
  }
}

FALTUNG_TEST(depthwise_rows_pack) {
  for (const Isa isa : available_isas()) {
    test_pack<float>(isa);
    test_pack<double>(isa);
  }
}

}  // namespace faltung::tests
