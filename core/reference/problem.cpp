#include "core/reference/problem.h"

namespace faltung {

int64_t Problem::outputs() const {
  int64_t n = 1;
  for (const ConvAxis& a : axes) n *= a.out;
  for (const BatchAxis& b : batch) n *= b.size;
  return n;
}

int64_t Problem::taps() const {
  int64_t n = 1;
  for (const ConvAxis& a : axes) n *= a.taps;
  return n;
}

int64_t boundary_index(int64_t i, int64_t n, Boundary boundary) {
  if (i >= 0 && i < n) return i;
  const auto modulo = [](int64_t a, int64_t m) { return (a % m + m) % m; };
  switch (boundary) {
    case Boundary::constant:
      return -1;
    case Boundary::edge:
      return i < 0 ? 0 : n - 1;
    case Boundary::wrap:
      return modulo(i, n);
    case Boundary::symmetric: {
      const int64_t j = modulo(i, 2 * n);
      return j < n ? j : 2 * n - 1 - j;
    }
    case Boundary::reflect: {
      if (n == 1) return 0;
      const int64_t j = modulo(i, 2 * n - 2);
      return j < n ? j : 2 * n - 2 - j;
    }
  }
  return -1;
}

}  // namespace faltung
