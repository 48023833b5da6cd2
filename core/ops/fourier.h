// The stages of a Fourier transform and their twiddles.
#pragma once
#include <complex>
#include <cstdint>
#include <vector>

#include "core/kernels/spectral.h"

namespace faltung {

// A transform of n = 2^a 3^b 5^c points for the spectral kernels. Immutable; may be used by many threads.
template <class T>
class Fourier {
 public:
  // `radix` is that of the table whose kernels will run it. Throws std::invalid_argument where n has another factor.
  Fourier(int64_t n, int radix);
  Fourier(Fourier&&) = default;
  Fourier& operator=(Fourier&&) = default;

  int64_t n() const { return n_; }
  // For lines that leave `gap` pairs out after every run() points.
  FourierStages<T> stages(int64_t gap = 0) const {
    return {stages_.data(), static_cast<int>(stages_.size()), n_, columns_, run_, gap};
  }
  // n() where the line is short enough for the near cache.
  int64_t run() const { return run_; }
  // The gap that makes transforms fastest. Two and more stages run down a column of a long line at once, and rows that begin
  // at the same place of every page would drive each other out of the near cache; a single one reads rows side by side and
  // is faster without.
  int64_t gap() const { return columns_ > 1 ? 4 : 0; }
  // The frequency that a forward transform leaves at each position.
  std::vector<int64_t> order() const;

 private:
  int64_t n_, run_;
  int columns_ = 0;
  std::vector<T> twiddles_;
  std::vector<FourierStage<T>> stages_;
};

// exp(-2 pi i k / n) for one n and any k, rounded once: sines and cosines are only taken of angles up to an eighth of a
// turn, and the symmetries of the circle hold exactly.
class Roots {
 public:
  explicit Roots(int64_t n);
  std::complex<long double> at(int64_t k) const;

 private:
  // An angle of the first octant is y / 8 n of a turn: the product of coarse_[y / fine] and fine_[y % fine].
  int64_t n_;
  std::vector<std::complex<long double>> coarse_, fine_;
};

}  // namespace faltung
