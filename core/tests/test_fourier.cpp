// The tables of twiddles: every value is a root of one, rounded once, and stands where the stage wants it.
#include "core/ops/fourier.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/tests/check.h"

namespace faltung::tests {
namespace {

constexpr long double kTurn = 6.283185307179586476925286766559005768L;

// The powers of w in a set, as multiples of it, and an eighth of a turn beside w.
struct Power {
  int of_w, eighths;
};
std::vector<Power> powers(int radix) {
  if (radix == 2) return {{1, 0}};
  if (radix <= 4) return {{1, 0}, {2, 0}};
  if (radix == 5) return {{1, 0}, {2, 0}, {3, 0}, {4, 0}};
  return {{1, 0}, {1, 1}, {2, 0}, {4, 0}};
}

template <class T>
bool is_root(const T* w, int64_t k, int64_t n) {
  const long double angle = -kTurn * static_cast<long double>(k % n) / static_cast<long double>(n);
  const long double half_ulp = std::ldexp(0.5L, std::is_same_v<T, float> ? -23 : -52);
  const auto close = [&](T value, long double exact) {
    return std::abs(value - exact) <= 1.001L * half_ulp * std::abs(exact) + 1e-18L;
  };
  return close(w[0], std::cos(angle)) && close(w[1], std::sin(angle));
}

template <class T>
void check_stages(int64_t n, int widest) {
  const Fourier<T> fourier(n, widest);
  const FourierStages<T> stages = fourier.stages();
  const std::string where = std::to_string(n) + " points, radix " + std::to_string(widest);
  REQUIRE(stages.n == n && fourier.n() == n, where);
  std::vector<int64_t> frequencies{0};
  int64_t points = n;
  for (int i = 0; i < stages.count; ++i) {
    const FourierStage<T>& stage = stages.stages[i];
    const int r = stage.radix;
    REQUIRE(r >= 2 && r <= std::max(widest, 5) && r != 6 && r != 7 && stage.n == points, where);
    const std::vector<Power> wanted = powers(r);
    const int count = fourier_twiddles(r);
    REQUIRE(count == static_cast<int>(wanted.size()), where);
    const auto set_is_right = [&](const T* set, int64_t k) {
      for (int m = 0; m < count; ++m)
        if (!is_root(set + 2 * m, wanted[m].of_w * k + wanted[m].eighths * (n / 8), n)) return false;
      return true;
    };
    const int64_t quotient = points / r, blocks = n / points;
    for (int64_t b = 0; b < blocks; ++b)
      REQUIRE(set_is_right(stage.by_block + b * 2 * count, frequencies[b] * quotient),
              where + ", block " + std::to_string(b) + " of stage " + std::to_string(i));
    for (int64_t j = 0; j < quotient; ++j)
      REQUIRE(set_is_right(stage.by_point + j * 2 * count, j * blocks),
              where + ", point " + std::to_string(j) + " of stage " + std::to_string(i));
    std::vector<int64_t> next;
    for (const int64_t k : frequencies)
      for (int m = 0; m < r; ++m) next.push_back(k + m * blocks);
    frequencies = next;
    points = quotient;
  }
  REQUIRE(points == 1 && fourier.order() == frequencies, where);
  std::sort(frequencies.begin(), frequencies.end());
  for (int64_t k = 0; k < n; ++k) REQUIRE(frequencies[k] == k, where + " is no permutation");
}

bool is_size(int64_t n) {
  for (const int factor : {2, 3, 5})
    while (n % factor == 0) n /= factor;
  return n == 1;
}

}  // namespace

FALTUNG_TEST(fourier_stages_have_the_right_twiddles) {
  for (int64_t n = 1; n <= 2048; ++n) {
    if (!is_size(n)) continue;
    for (const int widest : {4, 8}) {
      check_stages<float>(n, widest);
      check_stages<double>(n, widest);
    }
  }
  for (const int64_t n : {6561, 15625, 16384, 18000, 32768, 65536}) check_stages<double>(n, 8);
}

FALTUNG_TEST(fourier_roots_keep_the_symmetries_of_the_circle) {
  for (const int64_t n : {1, 2, 3, 7, 8, 12, 100, 1024, 5000}) {
    const Roots roots(n);
    for (int64_t k = 0; k < n; ++k) {
      const auto w = roots.at(k), back = roots.at((n - k) % n);
      CHECK(w.real() == back.real() && w.imag() == -back.imag());
      if (n % 4 == 0) CHECK(roots.at((k + n / 4) % n) == std::complex<long double>(w.imag(), -w.real()));
      if (n % 8 == 0) {
        const auto mirrored = roots.at((n / 4 - k + n) % n);
        CHECK(mirrored.real() == -w.imag() && mirrored.imag() == -w.real());
      }
    }
  }
}

// Short lines are one row. Of longer ones neither a row nor a column is longer than what the kernels keep near.
FALTUNG_TEST(fourier_splits_long_lines) {
  for (int64_t n = 1; n <= 65536; ++n) {
    if (!is_size(n)) continue;
    const Fourier<float> fourier(n, 8);
    const FourierStages<float> stages = fourier.stages(3);
    int64_t rows = 1;
    for (int i = 0; i < stages.columns; ++i) rows *= stages.stages[i].radix;
    const std::string where = std::to_string(n) + " points";
    REQUIRE(stages.run == fourier.run() && rows * stages.run == n && stages.gap == 3, where);
    REQUIRE(n > 256 ? stages.run <= 256 && rows <= 512 && stages.columns > 0 : stages.columns == 0, where);
    REQUIRE(fourier.gap() == (stages.columns > 1 ? 4 : 0), where);
  }
  CHECK(Fourier<float>(4096, 8).run() == 64);
  CHECK(Fourier<float>(4096, 4).run() == 64);
  CHECK(Fourier<float>(1024, 8).run() == 128);
}

FALTUNG_TEST(fourier_refuses_other_sizes) {
  for (const int64_t n : {-8, 0, 7, 11, 14, 1022})
    CHECK_THROWS(std::invalid_argument, "not of " + std::to_string(n), Fourier<float>(n, 8));
}

}  // namespace faltung::tests
