// Activations over lines: at most 4 units in the last place beside the function, all of the range, NaN and infinities.
//
// The oracle is in long double; where an exponent needs more than its 64 bits it is kept in two numbers.
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

using Real = long double;

constexpr const char* kNames[kActivations] = {"none",    "clip", "leaky_relu", "hardsigmoid", "hardswish",
                                              "sigmoid", "silu", "tanh",       "gelu",        "gelu_tanh"};
constexpr double kLo = 0.3, kHi = 2.5;  // slope, and bounds

// A sum that is not evaluated.
struct Twice {
  Real hi, lo;
};
Real upper(Real x) {
  const Real shifted = x * 0x1.00000001p32L;
  return shifted - (shifted - x);
}
Twice product(Real a, Real b) {
  const Real p = a * b, ah = upper(a), al = a - ah, bh = upper(b), bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}
Twice times(Twice a, Twice b) {
  const Twice p = product(a.hi, b.hi);
  return {p.hi, p.lo + a.hi * b.lo + a.lo * b.hi};
}
Twice plus(Twice a, Twice b) {
  const Real s = a.hi + b.hi, back = s - a.hi;
  return {s, ((a.hi - (s - back)) + (b.hi - back)) + a.lo + b.lo};
}

Real gelu(Real x) {
  constexpr Twice root_half{0.707106781186547524381894036516L, 1.895032558893257079655062e-20L};
  if (std::abs(x) > 1000) return x > 0 ? x : std::isinf(x) ? std::nanl("") : -0.0L;
  const Twice z = times({-x, 0}, root_half);
  constexpr Real two_over_root_pi = 1.12837916709551257389615890312L;
  return x * (std::erfc(z.hi) - two_over_root_pi * std::exp(-z.hi * z.hi) * z.lo) / 2;
}

Real gelu_tanh(Real x) {
  constexpr Twice c0{1.59576912160573071170627246218L, 5.351177755720478292013163e-20L};
  constexpr Twice c1{0.0713548162726002487772137584943L, -8.750062144008984958247768e-22L};
  if (std::abs(x) > 1000) return x > 0 ? x : std::isinf(x) ? std::nanl("") : -0.0L;
  const Twice v = times({x, 0}, plus(c0, times(c1, product(x, x))));
  return x / (1 + std::exp(-v.hi) * (1 - v.lo));
}

Real exact(Activation a, Real x) {
  const Real lo = a == Activation::clip ? -1 : static_cast<Real>(kLo);
  switch (a) {
    case Activation::none:
      return x;
    case Activation::clip:
      return x < lo ? lo : x > kHi ? static_cast<Real>(kHi) : x;
    case Activation::leaky_relu:
      return x < 0 ? lo * x : x;
    case Activation::hardsigmoid:
      return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
    case Activation::hardswish:
      return x * exact(Activation::hardsigmoid, x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
  }
  return x;
}

template <class T>
Real error_in_ulp(T got, Real y) {
  if (std::isnan(y)) return std::isnan(got) ? 0 : INFINITY;
  if (std::isinf(y) || std::isinf(got)) return got == y ? 0 : INFINITY;
  const int least = std::numeric_limits<T>::min_exponent - 1;
  const int exponent = y == 0 ? least : std::max(std::ilogb(y), least);
  const Real e =
      std::abs(static_cast<Real>(got) - y) / std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits + 1);
  return std::isnan(e) ? INFINITY : e;
}

// Every so many floats of all, and random ones where things happen.
template <class T>
std::vector<T> arguments() {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  Random random(sizeof(T));
  const T inf = std::numeric_limits<T>::infinity(), most = std::numeric_limits<T>::max();
  std::vector<T> x;
  for (const T s : {T(1), T(-1)})
    for (const T v : {T(0), inf, most, std::numeric_limits<T>::min(), std::numeric_limits<T>::denorm_min(),
                      T(3), T(6), std::numeric_limits<T>::quiet_NaN()})
      x.push_back(s * v);
  for (const double at : {3.0, 6.0, 10.0, 11.0, 15.0, 20.0, 22.0, 39.5, 88.0, 104.0, 110.0, 200.0, 708.0,
                          745.0, 760.0, 0.1733, 0.34657})
    for (const T s : {T(1), T(-1)}) {
      T v = s * static_cast<T>(at);
      for (int i = 0; i < 4; ++i) v = std::nextafter(v, T(0));
      for (int i = 0; i < 9; ++i) x.push_back(v), v = std::nextafter(v, s * inf);
    }
  const int count = repeated(60000);
  Bits bits = 0;
  const Bits step = static_cast<Bits>(~Bits{0}) / static_cast<Bits>(count) | 1;
  for (int i = 0; i < count; ++i, bits += step) {
    T v;
    std::memcpy(&v, &bits, sizeof v);
    x.push_back(v);
  }
  for (int i = 0; i < count; ++i) {
    const double far = random.of({1.0, 4.0, 12.0, 40.0, 120.0, 800.0});
    x.push_back(static_cast<T>((2 * random.unit() - 1) * far));
    x.push_back(static_cast<T>(std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-40, 0)))));
  }
  return x;
}

template <class T>
void check_accuracy() {
  if (std::numeric_limits<Real>::digits < std::numeric_limits<T>::digits + 11) return;  // no oracle
  const std::vector<T> x = arguments<T>();
  const auto n = static_cast<std::int64_t>(x.size());
  for (int a = 1; a < kActivations; ++a) {
    const auto activation = static_cast<Activation>(a);
    const T lo = activation == Activation::clip ? T(-1) : static_cast<T>(kLo);
    std::vector<Real> y;
    for (const T v : x) {
      const Real slope_error = static_cast<Real>(lo) / static_cast<Real>(kLo);
      y.push_back(exact(activation, v) * (activation == Activation::leaky_relu && v < 0 ? slope_error : 1));
    }
    for (const Isa isa : available_isas()) {
      std::vector<T> values = x;
      epilogue_table<T>(isa).activate[a](values.data(), n, lo, static_cast<T>(kHi));
      Real worst = 0;
      std::int64_t where = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const Real e = error_in_ulp(values[static_cast<std::size_t>(i)], y[static_cast<std::size_t>(i)]);
        if (e > worst) worst = e, where = i;
      }
      char text[200];
      std::snprintf(
          text, sizeof text, "%s of %zu bytes, %s: %.2Lf ulp at %.17g, got %.17g, not %.20Lg", kNames[a],
          sizeof(T), isa_name(isa), worst, static_cast<double>(x[static_cast<std::size_t>(where)]),
          static_cast<double>(values[static_cast<std::size_t>(where)]), y[static_cast<std::size_t>(where)]);
      if (std::getenv("FALTUNG_TEST_FULL") != nullptr) std::puts(text);
      if (worst > 4) report(__FILE__, __LINE__, text);
    }
  }
}

// Lines of any length have the bits that single values have, and touch nothing else.
template <class T>
void check_lines() {
  Random random(7);
  for (const Isa isa : available_isas())
    for (int a = 1; a < kActivations; ++a) {
      const auto activate = epilogue_table<T>(isa).activate[a];
      REQUIRE(activate != nullptr, kNames[a]);
      for (std::int64_t n = 0; n < 70; ++n) {
        Heap<T> line(n + 2), one(n + 2);
        for (T& v : line) v = static_cast<T>(20 * random.unit() - 10);
        if (n > 0 && random.one_in(4)) line[random.between(1, n)] = std::numeric_limits<T>::quiet_NaN();
        std::memcpy(one.data(), line.data(), line.bytes());
        activate(line.data() + 1, n, T(-1), T(2));
        for (std::int64_t i = 1; i <= n; ++i) activate(&one[i], 1, T(-1), T(2));
        REQUIRE(line.same_bytes(one),
                std::string(kNames[a]) + ", " + isa_name(isa) + ", " + std::to_string(n));
      }
    }
  CHECK(epilogue_table<T>(Isa::baseline).activate[0] == nullptr);
}

}  // namespace

FALTUNG_TEST(epilogue_accuracy_of_float) {
  check_accuracy<float>();
}
FALTUNG_TEST(epilogue_accuracy_of_double) {
  check_accuracy<double>();
}
FALTUNG_TEST(epilogue_lines_of_any_length) {
  check_lines<float>();
  check_lines<double>();
}

}  // namespace faltung::tests
