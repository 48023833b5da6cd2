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
bool has_spike(const Slot<T>& slot, int64_t samples) {
  const double x = std::ldexp(double(slot.largest), -16);
  return x * x * double(samples) > slot.squares;
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
template bool has_spike(const Slot<float>&, int64_t);
template bool has_spike(const Slot<double>&, int64_t);
template void scale_lanes(const SpectralTable<float>&, float*, int64_t, int64_t, const int*, const bool*);
template void scale_lanes(const SpectralTable<double>&, double*, int64_t, int64_t, const int*, const bool*);

}  // namespace faltung
