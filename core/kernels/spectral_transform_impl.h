// Transforms of one line: passes of butterflies, depth first, so that the next pass finds near what this one leaves.
#pragma once
#include "core/kernels/spectral_butterfly_impl.h"

namespace faltung {
namespace {

// Where the butterflies of a pass stand. Twiddles change from one outer step to the next, not inside. All in numbers of T.
struct Pass {
  int64_t row;  // between the points of a butterfly
  int64_t outer, outer_step, inner, inner_step;
};

enum class Way { forward, inverse };

template <class T, int Bytes>
struct Spectral {
  using Vx = Vec<T, Bytes>;
  using V = typename Vx::type;
  static constexpr int64_t L = Vx::lanes;
  static constexpr int64_t kPair = 2 * L;
  // Points of a block that is transformed stage by stage; larger ones go down the tree first.
  static constexpr int64_t kNear = 32768 / (2 * Bytes);

  // Lines whose multiplication is fused into the innermost stage.
  struct Product {
    const T* h;
    bool lanes;
  };

  // An inverse butterfly is a forward one with re and im exchanged.
  template <Way W>
  static FALTUNG_INLINE Pair<V> load(const T* z) {
    if constexpr (W == Way::forward) return {Vx::load(z), Vx::load(z + L)};
    return {Vx::load(z + L), Vx::load(z)};
  }
  template <Way W>
  static FALTUNG_INLINE void store(T* z, const Pair<V>& x) {
    Vx::store(W == Way::forward ? z : z + L, x.re);
    Vx::store(W == Way::forward ? z + L : z, x.im);
  }

  template <int Radix, Way W, bool Twiddled>
  static void pass(T* z, const Pass& p, const T* twiddles) {
    using B = Butterfly<T, Bytes, Radix>;
    constexpr int kTwiddles = fourier_twiddles(Radix);
    for (int64_t o = 0; o < p.outer; ++o, twiddles += 2 * kTwiddles) {
      Pair<V> w[kTwiddles];
      if constexpr (Twiddled) {
#pragma GCC unroll 4
        for (int m = 0; m < kTwiddles; ++m) w[m] = {Vx::fill(twiddles[2 * m]), Vx::fill(twiddles[2 * m + 1])};
      }
      T* at = z + o * p.outer_step;
      for (int64_t i = 0; i < p.inner; ++i, at += p.inner_step) {
        Pair<V> x[Radix];
#pragma GCC unroll 8
        for (int m = 0; m < Radix; ++m) x[m] = load<W>(at + m * p.row);
        if constexpr (Twiddled)
          B::run(x, w);
        else
          B::run(x);
#pragma GCC unroll 8
        for (int m = 0; m < Radix; ++m) store<W>(at + m * p.row, x[B::at[m]]);
      }
    }
  }

  template <Way W, bool Twiddled>
  static void pass(int radix, T* z, const Pass& p, const T* twiddles) {
    switch (radix) {
      case 2:
        return pass<2, W, Twiddled>(z, p, twiddles);
      case 3:
        return pass<3, W, Twiddled>(z, p, twiddles);
      case 4:
        return pass<4, W, Twiddled>(z, p, twiddles);
      case 5:
        return pass<5, W, Twiddled>(z, p, twiddles);
      default:
        return pass<8, W, Twiddled>(z, p, twiddles);
    }
  }

  // The transforms of one stage that are blocks first ... first + count - 1 of the line.
  static void forward_stage(T* z, int64_t step, const FourierStage<T>& s, int64_t first, int64_t count) {
    const int64_t q = s.n / s.radix, pair = step * kPair;
    const Pass p{q * pair, count, s.n * pair, q, pair};
    if (first == 0 && count == 1) return pass<Way::forward, false>(s.radix, z, p, nullptr);
    pass<Way::forward, true>(s.radix, z, p, s.by_block + first * 2 * fourier_twiddles(s.radix));
  }
  static void inverse_stage(T* z, int64_t step, const FourierStage<T>& s, int64_t count) {
    const int64_t q = s.n / s.radix, pair = step * kPair;
    const Pass p{q * pair, q, pair, count, s.n * pair};
    if (q == 1) return pass<Way::inverse, false>(s.radix, z, p, nullptr);
    pass<Way::inverse, true>(s.radix, z, p, s.by_point);
  }

  // From here on, `block` counts the blocks of s[0].n points before this one.
  static void forward_block(T* z, int64_t step, const FourierStage<T>* s, int count, int64_t block) {
    forward_stage(z, step, s[0], block, 1);
    if (count == 1) return;
    const int radix = s[0].radix;
    if (s[1].n > kNear) {
      for (int m = 0; m < radix; ++m)
        forward_block(z + m * s[1].n * step * kPair, step, s + 1, count - 1, block * radix + m);
      return;
    }
    for (int m = 0; m < radix; ++m) {
      T* part = z + m * s[1].n * step * kPair;
      int64_t first = block * radix + m, blocks = 1;
      for (int i = 1; i < count; ++i) {
        forward_stage(part, step, s[i], first, blocks);
        first *= s[i].radix;
        blocks *= s[i].radix;
      }
    }
  }
  static void inverse_block(T* z, int64_t step, const FourierStage<T>* s, int count) {
    if (count > 1) {
      for (int m = 0; m < s[0].radix; ++m) {
        T* part = z + m * s[1].n * step * kPair;
        if (s[1].n > kNear) {
          inverse_block(part, step, s + 1, count - 1);
          continue;
        }
        for (int i = count - 1; i > 0; --i) inverse_stage(part, step, s[i], s[1].n / s[i].n);
      }
    }
    inverse_stage(z, step, s[0], 1);
  }

  static void forward(T* z, int64_t step, const FourierStages<T>& transform) {
    if (transform.count > 0) forward_block(z, step, transform.stages, transform.count, 0);
  }
  static void inverse(T* z, int64_t step, const FourierStages<T>& transform) {
    if (transform.count > 0) inverse_block(z, step, transform.stages, transform.count);
  }

  template <bool Lanes>
  static FALTUNG_INLINE void multiply_pair(T* z, const T* h) {
    Pair<V> factor;
    if constexpr (Lanes)
      factor = {Vx::load(h), Vx::load(h + L)};
    else
      factor = {Vx::fill(h[0]), Vx::fill(h[1])};
    store<Way::forward>(z, times(load<Way::forward>(z), factor));
  }
  static void multiply(T* z, const T* h, int64_t n) {
    for (int64_t i = 0; i < n; ++i) multiply_pair<false>(z + i * kPair, h + i * 2);
  }
  static void multiply_lanes(T* z, const T* h, int64_t n) {
    for (int64_t i = 0; i < n; ++i) multiply_pair<true>(z + i * kPair, h + i * kPair);
  }

  static void convolve(T* z, int64_t step, const FourierStages<T>& transform, const T* h, bool lanes) {
    forward(z, step, transform);
    for (int64_t i = 0; i < transform.n; ++i) {
      if (lanes)
        multiply_pair<true>(z + i * step * kPair, h + i * kPair);
      else
        multiply_pair<false>(z + i * step * kPair, h + i * 2);
    }
    inverse(z, step, transform);
  }

  static void twist(T* z, const T* base, const T* across, int64_t n, bool conjugate) {
    const Pair<V> beside = load<Way::forward>(across);
    const V sign = Vx::fill(conjugate ? T(-1) : T(1));
    for (int64_t i = 0; i < n; ++i, z += kPair) {
      Pair<V> w = times(beside, Pair<V>{Vx::fill(base[2 * i]), Vx::fill(base[2 * i + 1])});
      w.im *= sign;
      store<Way::forward>(z, times(load<Way::forward>(z), w));
    }
  }
};

}  // namespace
}  // namespace faltung
