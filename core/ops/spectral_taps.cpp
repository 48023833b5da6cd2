#include "core/ops/spectral_taps.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace faltung {

template <class T>
int safe_exponent(T largest) {
  if (largest == T(0)) return 0;
  const int exponent = std::ilogb(largest);
  return exponent >= -kSafe<T> && exponent < kSafe<T> ? 0 : -exponent;
}

template <class T>
Taps<T>::Taps(const BlockGrid& grid, const ConvertTable<T>& convert, const char* kernel) {
  const Problem& p = grid.problem;
  const int64_t parts = p.complex_kernel ? 2 : 1, item = kItemSize[int(p.kernel)], size = parts * item;
  const ConvAxis& line = grid.axes.back().axis;
  const int64_t leading = p.taps() / line.taps;
  raw.resize(size_t(p.taps() * size));
  values.resize(size_t(p.taps() * parts));
  std::byte* copy = raw.data();
  for (int64_t outer = 0; outer < leading; ++outer) {
    const char* from = kernel;
    int64_t rest = outer;
    for (size_t a = grid.axes.size() - 1; a-- > 0;) {
      const ConvAxis& axis = grid.axes[a].axis;
      from += rest % axis.taps * axis.kernel_step;
      rest /= axis.taps;
    }
    for (int64_t t = 0; t < line.taps; ++t, copy += size)
      std::memcpy(copy, from + t * line.kernel_step, size_t(size));
  }
  convert.load[int(p.kernel)](raw.data(), {p.taps() * parts, 1, item, 0}, values.data());
  if (p.conjugate)
    for (size_t i = 1; i < values.size(); i += 2) values[i] = -values[i];
  T largest = 0, probe = 0;
  for (const T v : values) {
    largest = std::max(largest, std::abs(v));
    probe += v * T(0);
  }
  finite = probe == T(0);
  exponent = finite ? safe_exponent(largest) : 0;
}

template struct Taps<float>;
template struct Taps<double>;
template int safe_exponent(float);
template int safe_exponent(double);

}  // namespace faltung
