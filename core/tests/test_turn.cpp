// Transposes of any size, any steps, every instruction set; nothing is written beside the result.
#include <cstring>
#include <string>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

template <class T>
void check_turn(Isa isa, Random& random, std::int64_t rows, std::int64_t columns) {
  const std::int64_t inner = random.one_in(2) ? 1 : random.of<std::int64_t>({-3, -1, 2, 3});
  const std::int64_t line = (columns > 0 ? columns - 1 : 0) * std::abs(inner) + 1;
  const std::int64_t from_step = (line + random.of({0, 0, 1, 5})) * (random.one_in(4) ? -1 : 1);
  const std::int64_t to_step = (rows + random.of({0, 0, 1, 7})) * (random.one_in(4) ? -1 : 1);
  const auto far = [](std::int64_t n, std::int64_t step) { return n > 0 ? (n - 1) * step : 0; };
  const auto least = [](std::int64_t a, std::int64_t b) { return (a < 0 ? a : 0) + (b < 0 ? b : 0); };
  const std::int64_t row = far(rows, from_step), column = far(columns, inner), lines = far(columns, to_step);
  // Exactly the memory that may be read and written.
  Heap<T> from(std::abs(row) + std::abs(column) + 1), to(std::abs(lines) + rows + 1), before(to.size());
  for (T& x : from) x = static_cast<T>(random.between(-1000000, 1000000));
  to.fill_bytes(0xa5), before.fill_bytes(0xa5);
  const T* f = from.data() - least(row, column);
  T *t = to.data() - least(lines, 0), *b = before.data() - least(lines, 0);
  turn_table<T>(isa).turn(f, from_step, inner, t, to_step, rows, columns);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) b[j * to_step + i] = f[i * from_step + j * inner];
  REQUIRE(to.same_bytes(before), std::string(isa_name(isa)) + ": " + std::to_string(rows) + " x " +
                                     std::to_string(columns) + ", steps " + std::to_string(from_step) + " " +
                                     std::to_string(inner) + " " + std::to_string(to_step));
}

template <class T>
void check_turns() {
  Random random(sizeof(T));
  for (const Isa isa : available_isas()) {
    for (std::int64_t rows = 0; rows < 36; ++rows)
      for (std::int64_t columns = 0; columns < 36; ++columns) check_turn<T>(isa, random, rows, columns);
    for (int i = 0; i < repeated(50); ++i)
      check_turn<T>(isa, random, random.between(1, 130), random.between(1, 300));
    CHECK(turn_table<T>(isa).lanes >= static_cast<int>(16 / sizeof(T)));
  }
}

}  // namespace

FALTUNG_TEST(turn_of_float) {
  check_turns<float>();
}
FALTUNG_TEST(turn_of_double) {
  check_turns<double>();
}

}  // namespace faltung::tests
