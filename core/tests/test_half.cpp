// float16 and bfloat16: every pattern, and the rounding of other values against one written from the formats.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

struct Format {
  DType type;
  int mantissa, least_exponent, largest_exponent;  // stored bits; of normal numbers

  // The value of a pattern, by the definition of the format.
  double value(unsigned bits) const {
    const int exponent_bits = 15 - mantissa;
    const int exponent = static_cast<int>(bits >> mantissa) & ((1 << exponent_bits) - 1);
    const double fraction = static_cast<double>(bits & ((1u << mantissa) - 1));
    const double sign = bits & 0x8000u ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
      return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                           : std::numeric_limits<double>::quiet_NaN();
    if (exponent == 0) return sign * std::ldexp(fraction, least_exponent - mantissa);
    return sign * std::ldexp(fraction + (1 << mantissa), least_exponent + exponent - 1 - mantissa);
  }

  // The nearest value of the format, halves to even.
  double rounded(double x) const {
    if (!std::isfinite(x) || x == 0) return x;
    const int exponent = std::max(std::ilogb(x), least_exponent) - mantissa;
    const double y = std::ldexp(std::nearbyint(std::ldexp(x, -exponent)), exponent);
    return std::abs(y) < std::ldexp(1.0, largest_exponent + 1)
               ? y
               : std::copysign(std::numeric_limits<double>::infinity(), x);
  }
};

constexpr Format kFormats[] = {{DType::f16, 10, -14, 15}, {DType::bf16, 7, -126, 127}};

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

std::string text(double x) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%a", x);
  return buffer;
}

template <class T>
void check_widening(Isa isa, const Format& format) {
  Heap<std::uint16_t> patterns(65536);
  for (int i = 0; i < 65536; ++i) patterns[i] = static_cast<std::uint16_t>(i);
  Heap<T> values(65536);
  convert_table<T>(isa).load[int(format.type)](patterns.data(), {65536, 1, 2, 2}, values.data());
  for (unsigned i = 0; i < 65536; ++i)
    REQUIRE(same(static_cast<double>(values[i]), format.value(i)), std::string(isa_name(isa)) + ": pattern " +
                                                                       std::to_string(i) + " became " +
                                                                       text(static_cast<double>(values[i])));
}

template <class T>
void check_narrowing(Isa isa, const Format& format, const Heap<T>& values) {
  Heap<std::uint16_t> patterns(values.size());
  const bool reported = convert_table<T>(isa).store[int(format.type)](values.data(), patterns.data(),
                                                                      {values.size(), 1, 2, 2}, Store::cast);
  CHECK(!reported);
  for (std::int64_t i = 0; i < values.size(); ++i) {
    const double x = static_cast<double>(values[i]), y = format.value(patterns[i]);
    REQUIRE(same(y, format.rounded(x)), std::string(isa_name(isa)) + ": " + text(x) + " became " + text(y) +
                                            ", not " + text(format.rounded(x)));
  }
}

// Every value of the format, the middle to the next one, and what lies just beside that middle.
template <class T>
Heap<T> values_and_middles(const Format& format) {
  Heap<T> values(4 * 65536);
  std::int64_t n = 0;
  for (unsigned i = 0; i < 65536; ++i) {
    const double v = format.value(i), next = format.value((i & 0x8000u) | ((i + 1) & 0x7fffu));
    double middle = v / 2 + next / 2;
    if (std::isinf(next) && std::isfinite(v))  // where the next step would stand
      middle =
          std::copysign(std::ldexp(2 - std::ldexp(1.0, -format.mantissa - 1), format.largest_exponent), v);
    const T m = static_cast<T>(middle), inf = std::numeric_limits<T>::infinity();
    for (const T x : {static_cast<T>(v), m, std::nextafter(m, inf), std::nextafter(m, -inf)}) values[n++] = x;
  }
  return values;
}

template <class T>
Heap<T> random_bits(std::uint64_t seed) {
  Random random(seed);
  Heap<T> values(repeated(100000));
  for (T& v : values) {
    const std::uint64_t word = random.word();
    std::memcpy(&v, &word, sizeof(T));
    // Doubles of any exponent are beyond every half: most get one that matters.
    if (random.one_in(2))
      v = static_cast<T>(std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-30, 17))));
  }
  return values;
}

template <class T>
void check_halves() {
  for (const Isa isa : available_isas())
    for (const Format& format : kFormats) {
      check_widening<T>(isa, format);
      check_narrowing(isa, format, values_and_middles<T>(format));
      check_narrowing(isa, format, random_bits<T>(1));
    }
}

}  // namespace

FALTUNG_TEST(halves_widen_and_narrow_from_float) {
  check_halves<float>();
}
FALTUNG_TEST(halves_widen_and_narrow_from_double) {
  check_halves<double>();
}

}  // namespace faltung::tests
