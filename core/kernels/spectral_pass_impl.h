// Passes over a line: every butterfly of one stage, or of the innermost stage of a convolution; and products alone.
//
// Budget of radix 8 with 32 registers: 16 of data, 8 of twiddles, the constant 2, temporaries, nothing moves to the stack;
// 72 multiply-adds, 36 cycles on two ports, against 16 loads and 16 stores: 0.22 loads a multiply-add, and 8 more where the
// twiddles change every time. Measured in L1 (Xeon with AVX-512, 2026-11-22): 44 cycles; without twiddles 28 for 52
// operations; the innermost stage of a convolution 82 for 148. With 16 registers radix 4 has 8 + 4 + 1, and 24 multiply-adds
// to 8 loads.
#pragma once
#include "core/kernels/spectral_butterfly_impl.h"

namespace faltung {
namespace {

// Where the butterflies of a pass stand: steps in numbers of T. Twiddles are those of the block (forward) or those of the
// point within it (inverse); null: all are 1.
template <class T>
struct Pass {
  int64_t row;  // between the points of a butterfly
  int64_t blocks, block_step, points, point_step, beside, beside_step;
  const T* twiddles;
  int64_t twiddles_block, twiddles_point, twiddles_beside;
  int64_t ahead;  // to what is wanted next, 0: nothing
};

enum class Way { forward, inverse };

template <class T, int Bytes>
struct Passes {
  using Vx = Vec<T, Bytes>;
  using V = typename Vx::type;
  static constexpr int64_t L = Vx::lanes;
  static constexpr int64_t kPair = 2 * L;

  static FALTUNG_INLINE V spread(T s) { return s - V{}; }

  // An inverse butterfly is a forward one with re and im exchanged.
  template <Way W>
  static FALTUNG_INLINE Pair<V> load(const T* z) {
    Pair<V> x{Vx::load(z), Vx::load(z + L)};
    // Read once: the compiler would rather read operands again than keep them in the 32 registers.
    if constexpr (Bytes == 64) __asm__("" : "+v"(x.re), "+v"(x.im));
    if constexpr (W == Way::inverse) return {x.im, x.re};
    return x;
  }
  template <Way W>
  static FALTUNG_INLINE void store(T* z, const Pair<V>& x) {
    Vx::store(W == Way::forward ? z : z + L, x.re);
    Vx::store(W == Way::forward ? z + L : z, x.im);
  }
  // The points of a butterfly: two bases and three steps keep their addresses in five registers.
  template <int Radix>
  struct Rows {
    T *low, *high;
    int64_t row, row2, row3;
    FALTUNG_INLINE Rows(T* z, int64_t row_)
        : low(z), high(z + 4 * row_), row(row_), row2(2 * row_), row3(3 * row_) {}
    FALTUNG_INLINE T* operator[](int m) const {
      T* base = m < 4 ? low : high;
      return m % 4 == 0 ? base : base + (m % 4 == 1 ? row : m % 4 == 2 ? row2 : row3);
    }
    FALTUNG_INLINE void advance(int64_t step) {
      low += step;
      if (Radix > 4) high += step;
    }
  };

  template <int Radix>
  static FALTUNG_INLINE void spread_all(Pair<V>* w, const T* twiddles) {
    constexpr int kTwiddles = fourier_twiddles(Radix);
#pragma GCC unroll 4
    for (int m = 0; m < kTwiddles; ++m) w[m] = {spread(twiddles[2 * m]), spread(twiddles[2 * m + 1])};
  }

  template <int Radix, Way W, bool Twiddled, bool Ahead>
  static void pass(T* z, const Pass<T>& all) {
    using B = Butterfly<T, Bytes, Radix>;
    const Pass<T> p = all;  // nothing that is stored may change it
    const int64_t row = p.row, beside = p.beside, beside_step = p.beside_step, ahead = p.ahead;
    const int64_t twiddles_beside = p.twiddles_beside;
    Pair<V> w[fourier_twiddles(Radix)];
    for (int64_t o = 0; o < p.blocks; ++o) {
      if constexpr (Twiddled && W == Way::forward) spread_all<Radix>(w, p.twiddles + o * p.twiddles_block);
      for (int64_t i = 0; i < p.points; ++i) {
        const T* twiddles = p.twiddles + i * p.twiddles_point;
        Rows<Radix> rows(z + o * p.block_step + i * p.point_step, row);
        for (int64_t k = 0; k < beside; ++k, rows.advance(beside_step)) {
          if constexpr (Twiddled && W == Way::inverse) {
            spread_all<Radix>(w, twiddles);
            twiddles += twiddles_beside;
          }
          Pair<V> x[Radix];
#pragma GCC unroll 8
          for (int m = 0; m < Radix; ++m) {
            x[m] = load<W>(rows[m]);
            if constexpr (Ahead) __builtin_prefetch(rows[m] + ahead, 1, 3);
          }
          if constexpr (Twiddled)
            B::run(x, w);
          else
            B::run(x);
#pragma GCC unroll 8
          for (int m = 0; m < Radix; ++m) store<W>(rows[m], x[B::at[m]]);
        }
      }
    }
  }

  template <int Radix, Way W>
  static void pass(T* z, const Pass<T>& p) {
    if (p.ahead == 0)
      p.twiddles == nullptr ? pass<Radix, W, false, false>(z, p) : pass<Radix, W, true, false>(z, p);
    else
      p.twiddles == nullptr ? pass<Radix, W, false, true>(z, p) : pass<Radix, W, true, true>(z, p);
  }
  template <Way W>
  static void pass(int radix, T* z, const Pass<T>& p) {
    switch (radix) {
      case 2:
        return pass<2, W>(z, p);
      case 3:
        return pass<3, W>(z, p);
      case 4:
        return pass<4, W>(z, p);
      case 5:
        return pass<5, W>(z, p);
      default:
        return pass<8, W>(z, p);
    }
  }

  // The innermost stage of a convolution: forward butterflies of neighbouring points, their product with h, inverse ones.
  template <int Radix, bool Twiddled, bool Lanes, bool Ahead>
  static void middle(T* z, const Pass<T>& p, const T* h) {
    using B = Butterfly<T, Bytes, Radix>;
    const int64_t row = p.row, blocks = p.blocks, block_step = p.block_step, ahead = p.ahead;
    const T* twiddles = p.twiddles;
    for (int64_t o = 0; o < blocks; ++o, z += block_step, h += Radix * (Lanes ? kPair : 2)) {
      const Rows<Radix> rows(z, row);
      Pair<V> x[Radix], y[Radix];
#pragma GCC unroll 8
      for (int m = 0; m < Radix; ++m) {
        x[m] = load<Way::forward>(rows[m]);
        if constexpr (Ahead) __builtin_prefetch(rows[m] + ahead, 1, 3);
      }
      if constexpr (Twiddled) {
        Pair<V> w[fourier_twiddles(Radix)];
        spread_all<Radix>(w, twiddles);
        twiddles += 2 * fourier_twiddles(Radix);
        B::run(x, w);
      } else {
        B::run(x);
      }
      // Exchanged, a product is one with the conjugate of h; every second of them is part of a first turn.
      const auto point = [&](int m) FALTUNG_LAMBDA_INLINE { return Pair<V>{x[B::at[m]].im, x[B::at[m]].re}; };
      if (Radix % 2 != 0) y[0] = times_conjugate(point(0), factor<Lanes>(h, 0));
#pragma GCC unroll 4
      for (int k = 0; k < Radix / 2; ++k) {
        constexpr int first = Radix % 2;
        const int a = first + k, b = first == 0 ? a + Radix / 2 : Radix - a;
        y[a] = times_conjugate(point(a), factor<Lanes>(h, a));
        y[b] = point(b);
        turn_conjugate(y[a], y[b], factor<Lanes>(h, b));
      }
      B::finish(y);
#pragma GCC unroll 8
      for (int m = 0; m < Radix; ++m) store<Way::inverse>(rows[m], y[B::at[m]]);
    }
  }
  template <int Radix, bool Twiddled, bool Lanes>
  static void middle(T* z, const Pass<T>& p, const T* h) {
    p.ahead == 0 ? middle<Radix, Twiddled, Lanes, false>(z, p, h)
                 : middle<Radix, Twiddled, Lanes, true>(z, p, h);
  }
  template <int Radix>
  static void middle(T* z, const Pass<T>& p, const T* h, bool lanes) {
    if (p.twiddles == nullptr)
      lanes ? middle<Radix, false, true>(z, p, h) : middle<Radix, false, false>(z, p, h);
    else
      lanes ? middle<Radix, true, true>(z, p, h) : middle<Radix, true, false>(z, p, h);
  }
  static void middle(int radix, T* z, const Pass<T>& p, const T* h, bool lanes) {
    switch (radix) {
      case 2:
        return middle<2>(z, p, h, lanes);
      case 3:
        return middle<3>(z, p, h, lanes);
      case 4:
        return middle<4>(z, p, h, lanes);
      case 5:
        return middle<5>(z, p, h, lanes);
      default:
        return middle<8>(z, p, h, lanes);
    }
  }

  template <bool Lanes>
  static FALTUNG_INLINE Pair<V> factor(const T* h, int64_t i) {
    if constexpr (Lanes) return {Vx::load(h + i * kPair), Vx::load(h + i * kPair + L)};
    return {spread(h[2 * i]), spread(h[2 * i + 1])};
  }
  template <bool Lanes>
  static FALTUNG_INLINE void multiply_all(T* z, const T* h, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
      store<Way::forward>(z + i * kPair, times(load<Way::forward>(z + i * kPair), factor<Lanes>(h, i)));
  }
  static void multiply(T* z, const T* h, int64_t n) { multiply_all<false>(z, h, n); }
  static void multiply_lanes(T* z, const T* h, int64_t n) { multiply_all<true>(z, h, n); }

  static void twist(T* z, const T* base, const T* across, int64_t n, bool conjugate) {
    const Pair<V> beside = load<Way::forward>(across);
    const V sign = Vx::fill(conjugate ? T(-1) : T(1));
    for (int64_t i = 0; i < n; ++i, z += kPair) {
      Pair<V> w = times(beside, factor<false>(base, i));
      w.im *= sign;
      store<Way::forward>(z, times(load<Way::forward>(z), w));
    }
  }
};

}  // namespace
}  // namespace faltung
