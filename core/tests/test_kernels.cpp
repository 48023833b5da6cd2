// Every row of every stencil table is a test of its own: random calls against the formula in stencil.h.
#include <algorithm>
#include <cmath>
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
  if constexpr (std::is_integral_v<T>)
    return random.word();
  else
    return static_cast<T>(std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-8, 8))));
}

// Sums of one output, and of its absolute values.
template <class T>
struct Sum {
  using Wide = std::conditional_t<std::is_integral_v<T>, T, long double>;
  Wide value = 0, magnitude = 0;
  int terms = 0;

  void add(T a, T w, bool minus = false) {
    const Wide product = static_cast<Wide>(a) * static_cast<Wide>(w);
    value += minus ? Wide(0) - product : product;
    if constexpr (!std::is_integral_v<T>) magnitude += std::abs(product);
    ++terms;
  }
  bool accepts(T y) const {
    if constexpr (std::is_integral_v<T>) return y == value;
    const long double unit = std::ldexp(1.0L, std::is_same_v<T, float> ? -24 : -53);
    return std::abs(static_cast<long double>(y) - static_cast<long double>(value)) <=
           (terms + 2) * unit * static_cast<long double>(magnitude);
  }
};

// One random call. The rows of the input hold exactly what the formula reads.
template <class T>
struct Call {
  const StencilKernel<T>& kernel;
  std::vector<StencilRun<T>> runs;
  std::vector<Heap<T>> weights, lines;
  std::vector<const T*> rows;
  Heap<T> sums;  // of earlier calls
  std::vector<const char*> ahead;
  std::int64_t width, first = 0, columns = 0;  // of the lines: the first element and how many
  StencilArgs<T> args{};

  Call(const StencilKernel<T>& k, Random& random) : kernel(k), width(std::int64_t(k.vectors) * k.lanes) {
    const std::int64_t parts = k.complex_weights ? 2 : 1, table = k.rows + k.group - 1 + random.between(0, 5);
    args.step = random.between(1, 20);
    args.x = random.between(0, 30);
    args.tiles = random.between(1, 3);
    const bool has_sums = random.one_in(2);
    // Side by side, apart, or (without the sums of each tile) overlapping.
    args.advance = random.between(has_sums ? width : 1, width + 3);
    args.advance +=
        kernel.complex_weights && args.advance % 2 != 0;  // a complex number never lies across two tiles
    args.ldc = (args.tiles - 1) * args.advance + width + random.between(0, 5);
    if (random.one_in(4)) args.ldc = width, args.advance = k.rows * width;  // blocks of one line
    std::int64_t last = 0;
    first = 1 << 20;
    for (std::int64_t n = random.between(1, 3); n > 0; --n) {
      StencilRun<T> run{nullptr, random.between(0, table - (k.rows + k.group - 1)), random.between(-20, 40),
                        random.between(1, 7)};
      Heap<T>& w = weights.emplace_back(run.taps * k.group * parts);
      for (T& v : w) v = sample<T>(random);
      run.weights = w.data();
      first = std::min(first, args.x + run.offset);
      last = std::max(last, args.x + run.offset + (run.taps - 1) * args.step);
      runs.push_back(run);
    }
    columns = last + (args.tiles - 1) * args.advance + width - first;
    for (std::int64_t r = 0; r < table; ++r) {
      Heap<T>& line = lines.emplace_back(columns);
      for (T& v : line) v = sample<T>(random);
      rows.push_back(line.data() - first);
    }
    if (has_sums) {
      sums = Heap<T>(k.rows * width);
      for (T& v : sums) v = sample<T>(random);
      args.sums = sums.data();
    }
    if (random.one_in(2)) {
      ahead.assign(static_cast<std::size_t>(k.rows), reinterpret_cast<const char*>(this));
      args.ahead = ahead.data();
      args.ahead_step = random.between(-100, 100);
    }
    args.rows = rows.data();
    args.runs = runs.data();
    args.run_count = static_cast<std::int64_t>(runs.size());
  }

  std::int64_t outputs() const {
    return (args.tiles - 1) * args.advance + (kernel.rows - 1) * args.ldc + width;
  }

  // Element x of row r of a tile, x counted from the tile; beside a complex part stands the other one.
  Sum<T> expected(std::int64_t tile, std::int64_t r, std::int64_t x) const {
    Sum<T> sum;
    for (const StencilRun<T>& run : runs)
      for (std::int64_t t = 0; t < run.taps; ++t)
        for (std::int64_t g = 0; g < kernel.group; ++g) {
          const Heap<T>& line = lines[static_cast<std::size_t>(run.row + r + g)];
          const std::int64_t at = args.x + tile * args.advance + run.offset + t * args.step - first;
          const T* w = run.weights + (t * kernel.group + g) * (kernel.complex_weights ? 2 : 1);
          sum.add(line[at + x], w[0]);
          if (kernel.complex_weights) sum.add(line[at + (x ^ 1)], w[1], x % 2 == 0);
        }
    if (args.sums != nullptr) sum.add(sums[r * width + x], T(1));
    return sum;
  }
};

template <class T>
void test_row(const StencilKernel<T>& kernel) {
  const int trials = repeated(12);
  for (int seed = 0; seed < trials; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    Call<T> call(kernel, random);
    Heap<T> c(call.outputs() + 2 * kGuard), before(c.size());
    for (std::int64_t i = 0; i < c.size(); ++i) before[i] = c[i] = sample<T>(random);
    call.args.c = c.data() + kGuard;
    const bool in_place = call.args.sums != nullptr && random.one_in(2);
    if (in_place) {  // a tile of partial sums is added to where it stands
      call.args.tiles = 1;
      call.args.ldc = call.width;
      std::copy(call.sums.begin(), call.sums.end(), call.args.c);
      std::copy(call.sums.begin(), call.sums.end(), before.data() + kGuard);
      call.args.sums = call.args.c;
    }
    kernel.run(call.args);

    const std::string where = std::string(kernel.name) + ", seed " + std::to_string(seed);
    std::vector<bool> written(static_cast<std::size_t>(c.size()));
    for (std::int64_t tile = 0; tile < call.args.tiles; ++tile)
      for (std::int64_t r = 0; r < kernel.rows; ++r)
        for (std::int64_t x = 0; x < call.width; ++x) {
          const std::int64_t at = kGuard + tile * call.args.advance + r * call.args.ldc + x;
          const Sum<T> sum = call.expected(tile, r, x);
          written[static_cast<std::size_t>(at)] = true;
          REQUIRE(sum.accepts(c[at]), where + ": tile " + std::to_string(tile) + ", row " +
                                          std::to_string(r) + ", element " + std::to_string(x) + " is wrong");
        }
    for (std::int64_t i = 0; i < c.size(); ++i)
      REQUIRE(written[static_cast<std::size_t>(i)] || c[i] == before[i],
              where + ": wrote beside its tiles, at " + std::to_string(i - kGuard) + " from c");
  }
}

template <class T>
void register_rows(Isa isa) {
  const StencilTable<T>& table = stencil_table<T>(isa);
  for (int i = 0; i < table.count; ++i)
    registry().push_back({table.kernels[i].name, [&table, i] { test_row(table.kernels[i]); }, true});
}

const bool rows_registered = [] {
  for (const Isa isa : available_isas()) {
    register_rows<float>(isa);
    register_rows<double>(isa);
    register_rows<std::uint64_t>(isa);
  }
  return true;
}();

}  // namespace

// A row says what it is in its name, and upper floors find a shape's groups 1, 2, 3, ... side by side.
template <class T>
static void check_table(Isa isa, const char* type) {
  const StencilTable<T>& table = stencil_table<T>(isa);
  CHECK(table.count > 0);
  for (int i = 0; i < table.count; ++i) {
    const StencilKernel<T>& k = table.kernels[i];
    const std::string name = std::string(k.complex_weights ? "stencil_complex_" : "stencil_") + type + "_" +
                             std::to_string(k.rows) + "x" + std::to_string(k.vectors) + "_g" +
                             std::to_string(k.group) + "_" + isa_name(vector_isa(isa));
    REQUIRE(name == k.name, std::string(k.name) + " is a " + name);
    REQUIRE(k.lanes == table.kernels[0].lanes, name + " has vectors of another width than its table");
    const StencilKernel<T>* previous = i > 0 ? &table.kernels[i - 1] : nullptr;
    const bool continues = previous != nullptr && previous->rows == k.rows &&
                           previous->vectors == k.vectors && previous->complex_weights == k.complex_weights;
    REQUIRE(k.group == (continues ? previous->group + 1 : 1), name + " is out of order");
  }
}

FALTUNG_TEST(kernel_tables_are_in_order) {
  for (const Isa isa : available_isas()) {
    check_table<float>(isa, "f32");
    check_table<double>(isa, "f64");
    check_table<std::uint64_t>(isa, "u64");
  }
}

}  // namespace faltung::tests
