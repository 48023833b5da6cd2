#include "core/ops/fourier.h"

#include <cmath>
#include <stdexcept>
#include <string>

namespace faltung {
namespace {

constexpr long double kTurn = 6.283185307179586476925286766559005768L;

// x87 and quad products cost little, std::complex's care for infinities much.
std::complex<long double> product(const std::complex<long double>& a, const std::complex<long double>& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

std::complex<long double> root(int64_t numerator, int64_t denominator) {
  const long double angle =
      kTurn * static_cast<long double>(numerator) / static_cast<long double>(denominator);
  return {std::cos(angle), std::sin(angle)};
}

// The factors of n: odd ones first, 8 last. The first stage of a forward transform has no twiddles, the last is what a
// convolution fuses.
std::vector<int> factors(int64_t n, int widest) {
  std::vector<int> found;
  int64_t rest = n;
  for (const int odd : {5, 3})
    for (; rest > 0 && rest % odd == 0; rest /= odd) found.push_back(odd);
  int twos = 0;
  for (; rest > 0 && rest % 2 == 0; rest /= 2) ++twos;
  if (rest != 1)
    throw std::invalid_argument("transforms are of 2^a 3^b 5^c points, not of " + std::to_string(n));
  const int bits = widest == 8 ? 3 : 2;
  if (bits == 3 && twos % 3 == 1 && twos > 1) {
    found.insert(found.end(), {4, 4});
    twos -= 4;
  }
  if (twos % bits != 0) found.push_back(1 << twos % bits);
  found.insert(found.end(), static_cast<std::size_t>(twos / bits), widest);
  return found;
}

struct Split {
  int64_t rows;
  std::vector<int> columns, row;
};

// The fewest rows of at most `longest` points.
Split split(const std::vector<int>& radices, int64_t n, int64_t longest) {
  Split best{n + 1, {}, {}};
  for (unsigned choice = 0; choice < 1u << radices.size(); ++choice) {
    Split split{1, {}, {}};
    for (std::size_t i = 0; i < radices.size(); ++i) {
      const bool across = choice >> i & 1;
      (across ? split.columns : split.row).push_back(radices[i]);
      if (across) split.rows *= radices[i];
    }
    const bool fewer =
        split.rows < best.rows || (split.rows == best.rows && split.columns.size() < best.columns.size());
    if (split.rows * longest >= n && fewer) best = split;
  }
  return best;
}

// Columns and rows both fit into the near cache with what is asked for next. A pair of lanes is 128 bytes at most: a line of
// 256 points is 32 KB.
Split split(const std::vector<int>& radices, int64_t n) {
  constexpr int64_t line = 256, row = 128, column = 64;
  if (n <= line) return {1, {}, radices};
  Split found = split(radices, n, row);
  return found.rows > column ? split(radices, n, line) : found;
}

template <class T>
void append(std::vector<T>& twiddles, const Roots& roots, int64_t n, int radix, int64_t k) {
  const auto push = [&](int64_t at) {
    const std::complex<long double> w = roots.at(at);
    twiddles.push_back(static_cast<T>(w.real()));
    twiddles.push_back(static_cast<T>(w.imag()));
  };
  push(k);
  if (radix == 8) push(k + n / 8);
  if (radix > 2) push(2 * k);
  if (radix == 5) push(3 * k);
  if (radix > 4) push(4 * k);
}

}  // namespace

Roots::Roots(int64_t n) : n_(n) {
  int64_t fine = 1;
  while (fine * fine < n) ++fine;
  for (int64_t y = 0; y < fine; ++y) fine_.push_back(root(y, 8 * n));
  for (int64_t y = 0; y <= n; y += fine) coarse_.push_back(root(y, 8 * n));
}

std::complex<long double> Roots::at(int64_t k) const {
  // y / 8 n of a turn, folded into the first octant.
  int64_t y = k % n_ * 8;
  const bool lower = y > 4 * n_;
  if (lower) y = 8 * n_ - y;
  const bool left = y > 2 * n_;
  if (left) y = 4 * n_ - y;
  const bool steep = y > n_;
  if (steep) y = 2 * n_ - y;
  const int64_t fine = static_cast<int64_t>(fine_.size());
  std::complex<long double> w =
      product(coarse_[static_cast<std::size_t>(y / fine)], fine_[static_cast<std::size_t>(y % fine)]);
  if (y == n_) w = {std::sqrt(0.5L), std::sqrt(0.5L)};
  const long double across = steep ? w.imag() : w.real(), up = steep ? w.real() : w.imag();
  return {left ? -across : across, lower ? up : -up};
}

template <class T>
Fourier<T>::Fourier(int64_t n, int radix) : n_(n) {
  const Split lines = split(factors(n, radix), n);
  run_ = n / lines.rows;
  columns_ = static_cast<int>(lines.columns.size());
  std::vector<int> radices = lines.columns;
  radices.insert(radices.end(), lines.row.begin(), lines.row.end());
  const Roots roots(n);
  std::vector<int64_t> frequencies{0};  // of the blocks of a stage, below their number
  std::vector<std::size_t> offsets;
  int64_t points = n;
  for (const int r : radices) {
    const int64_t quotient = points / r, blocks = n / points;
    offsets.push_back(twiddles_.size());
    for (const int64_t k : frequencies) append(twiddles_, roots, n, r, k * quotient);
    offsets.push_back(twiddles_.size());
    for (int64_t j = 0; j < quotient; ++j) append(twiddles_, roots, n, r, j * blocks);
    std::vector<int64_t> next;
    for (const int64_t k : frequencies)
      for (int m = 0; m < r; ++m) next.push_back(k + m * blocks);
    frequencies = std::move(next);
    stages_.push_back({r, points, nullptr, nullptr});
    points = quotient;
  }
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    stages_[i].by_block = twiddles_.data() + offsets[2 * i];
    stages_[i].by_point = twiddles_.data() + offsets[2 * i + 1];
  }
}

template <class T>
std::vector<int64_t> Fourier<T>::order() const {
  std::vector<int64_t> frequencies{0};
  int64_t blocks = 1;
  for (const FourierStage<T>& stage : stages_) {
    std::vector<int64_t> next;
    for (const int64_t k : frequencies)
      for (int m = 0; m < stage.radix; ++m) next.push_back(k + m * blocks);
    frequencies = std::move(next);
    blocks *= stage.radix;
  }
  return frequencies;
}

template class Fourier<float>;
template class Fourier<double>;

}  // namespace faltung
