#include "core/ops/spectral_slot.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace faltung {

template <class T>
void balance(Slot<T>& a, Slot<T>& b) {
  constexpr T kNear = 2;
  const T x = a.largest, y = b.largest;
  const bool near = x == T(0) || y == T(0) || (x <= kNear * y && y <= kNear * x);
  if (near && safe_exponent(x) == 0 && safe_exponent(y) == 0) return;
  for (Slot<T>* s : {&a, &b})
    if (!s->zero()) s->exponent = -std::ilogb(s->largest);
}

template <class T>
T spike_limit(const T* squares, int64_t pieces, int64_t step, double samples, T largest) {
  constexpr double kRatio = 0x1p16;
  constexpr T none = std::numeric_limits<T>::infinity();
  const double suspect = double(largest) / kRatio * (double(largest) / kRatio) * samples;
  std::vector<T> sums;
  bool any = false;
  for (int64_t i = 0; i < pieces; ++i)
    any |= squares[i * step] != T(0) && double(squares[i * step]) < suspect;
  if (!any) return none;
  for (int64_t i = 0; i < pieces; ++i)
    if (squares[i * step] != T(0)) sums.push_back(squares[i * step]);
  const int64_t n = int64_t(sums.size()), left = n - (n + 15) / 16;
  if (left == 0) return none;
  std::nth_element(sums.begin(), sums.begin() + (left - 1), sums.end());
  double sum = 0;
  for (int64_t i = 0; i < left; ++i) sum += double(sums[size_t(i)]);
  const double limit = kRatio * std::sqrt(sum / double(left) / samples);
  return double(largest) > limit ? T(limit) : none;
}

template <class T>
void scale_lanes(const SpectralTable<T>& table, T* z, int64_t step, int64_t n, const int* exponents,
                 const bool* clear) {
  constexpr int kMost = std::numeric_limits<T>::max_exponent - 8;
  int rest[kMostLanes];
  bool any = false;
  for (int l = 0; l < table.lanes; ++l) {
    rest[l] = clear[l] ? 0 : exponents[l];
    any |= rest[l] != 0 || clear[l];
  }
  for (bool first = true; any; first = false) {
    T factors[kMostLanes];
    any = false;
    for (int l = 0; l < table.lanes; ++l) {
      const int now = std::clamp(rest[l], -kMost, kMost);
      factors[l] = first && clear[l] ? T(0) : std::ldexp(T(1), now);
      rest[l] -= now;
      any |= rest[l] != 0;
    }
    table.scale(z, step, n, factors);
  }
}

template void balance(Slot<float>&, Slot<float>&);
template void balance(Slot<double>&, Slot<double>&);
template float spike_limit(const float*, int64_t, int64_t, double, float);
template double spike_limit(const double*, int64_t, int64_t, double, double);
template void scale_lanes(const SpectralTable<float>&, float*, int64_t, int64_t, const int*, const bool*);
template void scale_lanes(const SpectralTable<double>&, double*, int64_t, int64_t, const int*, const bool*);

}  // namespace faltung
