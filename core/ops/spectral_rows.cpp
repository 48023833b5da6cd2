#include "core/ops/spectral_rows.h"

#include <limits>

namespace faltung {

AxisRun axis_run(int64_t i, int64_t n, Boundary boundary) {
  constexpr int64_t forever = std::numeric_limits<int64_t>::max();
  if (i >= 0 && i < n) return {i, 1, n - i};
  const auto modulo = [](int64_t a, int64_t m) { return (a % m + m) % m; };
  switch (boundary) {
    case Boundary::edge:
      return i < 0 ? AxisRun{0, 0, -i} : AxisRun{n - 1, 0, forever};
    case Boundary::wrap: {
      const int64_t j = modulo(i, n);
      return {j, 1, n - j};
    }
    case Boundary::symmetric: {
      const int64_t j = modulo(i, 2 * n);
      return j < n ? AxisRun{j, 1, n - j} : AxisRun{2 * n - 1 - j, -1, 2 * n - j};
    }
    case Boundary::reflect: {
      if (n == 1) return {0, 0, forever};
      const int64_t j = modulo(i, 2 * n - 2);
      return j < n - 1 ? AxisRun{j, 1, n - 1 - j} : AxisRun{2 * n - 2 - j, -1, 2 * n - 2 - j};
    }
    case Boundary::constant:
      break;
  }
  return {-1, 0, i < 0 ? -i : forever};
}

}  // namespace faltung
