// What stands around the transforms: transposes, measures and factors of lanes.
#pragma once
#include <limits>

#include "core/kernels/spectral.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes>
struct SpectralLines {
  using Vx = Vec<T, Bytes>;
  using V = typename Vx::type;
  static constexpr int L = Vx::lanes;

  static void gather(const T* const* rows, int64_t n, T* z, int64_t step) {
    for (int64_t i = 0; i < n; ++i)
      for (int l = 0; l < L; ++l) z[i * step + l] = rows[l][i];
  }
  static void scatter(const T* z, int64_t step, int64_t n, T* const* rows) {
    for (int64_t i = 0; i < n; ++i)
      for (int l = 0; l < L; ++l) rows[l][i] = z[i * step + l];
  }

  static void measure(const T* z, int64_t step, int64_t n, T* largest, T* squares) {
    V most = Vx::load(largest), sum = Vx::load(squares), broken{};
    for (int64_t i = 0; i < n; ++i, z += step) {
      const V x = Vx::load(z), size = x < V{} ? -x : x;
      most = size > most ? size : most;
      sum += x * x;
      broken += x - x;  // 0, or NaN for NaN and infinities
    }
    const V infinity = Vx::fill(std::numeric_limits<T>::infinity());
    Vx::store(largest, broken == V{} ? most : infinity);
    Vx::store(squares, sum);
  }

  static void scale(T* z, int64_t step, int64_t n, const T* factors) {
    const V factor = Vx::load(factors);
    for (int64_t i = 0; i < n; ++i, z += step) Vx::store(z, Vx::load(z) * factor);
  }
};

}  // namespace
}  // namespace faltung
