// Transforms of one line: passes of butterflies, ordered so that what a pass leaves in the near cache the next one finds.
//
// A short line goes through its stages one by one. A long one is a matrix, row after row: the first stages run down its columns,
// one column at a time, the others along its rows, one row at a time; columns and rows fit into 16 KB each, so the line itself
// comes from the second cache twice, however many stages it has. That is what counts there: a pass over a line in L2 costs
// 7.6 cycles a pair of 128 bytes on the machine below whatever it computes, a radix-8 pass in L1 5.8. While one column or row is
// worked on, the next is asked for.
//
// Budget of radix 8 (AVX-512): 16 registers of data, 8 of twiddles, the constant 2, temporaries; 72 multiply-adds, 36 cycles on
// two ports, against 16 loads and 16 stores: 0.22 loads a multiply-add. Measured in L1: 46 cycles. With 16 registers (AVX2,
// baseline) radix 4 has 8 + 4 + 1 and 24 multiply-adds to 8 loads.
#pragma once
#include "core/kernels/spectral_butterfly_impl.h"

namespace faltung {
namespace {

// Where the butterflies of a pass stand. Twiddles change from one outer step to the next, not inside. All in numbers of T.
template <class T>
struct Pass {
  int64_t row;  // between the points of a butterfly
  int64_t outer, outer_step, inner, inner_step;
  const T* twiddles;  // null: all are 1
  int64_t twiddles_step;
  int64_t ahead;  // to what is wanted next, 0: nothing
};

enum class Way { forward, inverse };

template <class T, int Bytes>
struct Spectral {
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
  static void pass(T* z, const Pass<T>& p) {
    using B = Butterfly<T, Bytes, Radix>;
    const int64_t row = p.row, outer = p.outer, outer_step = p.outer_step, inner = p.inner;
    const int64_t inner_step = p.inner_step, twiddles_step = p.twiddles_step, ahead = p.ahead;
    const T* twiddles = p.twiddles;
    for (int64_t o = 0; o < outer; ++o, z += outer_step) {
      Pair<V> w[fourier_twiddles(Radix)];
      if constexpr (Twiddled) {
        spread_all<Radix>(w, twiddles);
        twiddles += twiddles_step;
      }
      Rows<Radix> rows(z, row);
      for (int64_t i = 0; i < inner; ++i, rows.advance(inner_step)) {
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
    const int64_t row = p.row, outer = p.outer, outer_step = p.outer_step, ahead = p.ahead;
    const T* twiddles = p.twiddles;
    for (int64_t o = 0; o < outer; ++o, z += outer_step, h += Radix * (Lanes ? kPair : 2)) {
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

  // A transform by some of the stages of a line: of every `apart`-th of its points from `point` on, within block number `block`
  // of the first of the stages.
  struct Part {
    const FourierStage<T>* stages;
    int count;
    int64_t apart, point, block;
    int64_t step;  // between these points, in numbers

    int64_t points(int i) const { return stages[i].n / apart; }
    int64_t blocks(int i) const { return stages[0].n / stages[i].n; }
  };

  static Pass<T> forward_pass(const Part& p, int i, int64_t ahead) {
    const FourierStage<T>& s = p.stages[i];
    const int64_t set = 2 * fourier_twiddles(s.radix), blocks = p.blocks(i), quotient = p.points(i) / s.radix;
    const T* twiddles = p.block + i == 0 ? nullptr : s.by_block + p.block * blocks * set;
    return {quotient * p.step, blocks, p.points(i) * p.step, quotient, p.step, twiddles, set, ahead};
  }
  static Pass<T> inverse_pass(const Part& p, int i, int64_t ahead) {
    const FourierStage<T>& s = p.stages[i];
    const int64_t set = 2 * fourier_twiddles(s.radix), blocks = p.blocks(i), quotient = p.points(i) / s.radix;
    const T* twiddles = s.n == s.radix ? nullptr : s.by_point + p.point * set;
    return {quotient * p.step,    quotient, p.step,        blocks,
            p.points(i) * p.step, twiddles, p.apart * set, ahead};
  }
  // What a pass asks for: the cache lines of the next part are spread over the first two passes.
  static int64_t share(int64_t ahead, int turn) {
    return ahead == 0 || turn > (Bytes == 64) ? 0 : ahead + turn * L;
  }
  static void forward(T* z, const Part& p, int64_t ahead) {
    for (int i = 0; i < p.count; ++i)
      pass<Way::forward>(p.stages[i].radix, z, forward_pass(p, i, share(ahead, i)));
  }
  static void inverse(T* z, const Part& p, int64_t ahead) {
    for (int i = p.count - 1; i >= 0; --i)
      pass<Way::inverse>(p.stages[i].radix, z, inverse_pass(p, i, share(ahead, p.count - 1 - i)));
  }
  static void convolve(T* z, const Part& p, int64_t ahead, const T* h, bool lanes) {
    const int last = p.count - 1;
    for (int i = 0; i < last; ++i) pass<Way::forward>(p.stages[i].radix, z, forward_pass(p, i, 0));
    middle(p.stages[last].radix, z, forward_pass(p, last, share(ahead, 0)), h, lanes);
    for (int i = last - 1; i >= 0; --i)
      pass<Way::inverse>(p.stages[i].radix, z, inverse_pass(p, i, share(ahead, last - i)));
  }

  // A line as a matrix of rows of `run` points.
  struct Matrix {
    const FourierStages<T>& t;
    int64_t step, rows, pitch;
    Matrix(const FourierStages<T>& transform, int64_t step_)
        : t(transform), step(step_ * kPair), rows(t.n / t.run), pitch((t.run + t.gap) * step) {}

    Part column(int64_t j) const { return {t.stages, t.columns, t.run, j, 0, pitch}; }
    Part row(int64_t r) const { return {t.stages + t.columns, t.count - t.columns, 1, 0, r, step}; }
    int64_t ahead() const { return rows > 1 ? pitch : 0; }

    // A single stage needs no columns: its rows are passed side by side. Where the rows begin in a few sets of the near cache a
    // column would not stay in it: then every stage takes all of the line.
    bool by_columns() const {
      const int64_t bytes = pitch * int64_t(sizeof(T)), spread_over = bytes & -bytes;
      return t.columns > 1 && (t.gap != 0 || rows * spread_over <= 8 * 4096);
    }
  };

  static void forward_columns(T* z, const Matrix& m) {
    if (!m.by_columns()) return forward_wide(z, m);
    for (int64_t j = 0; j < m.t.run; ++j) forward(z + j * m.step, m.column(j), m.step);
  }
  static void inverse_columns(T* z, const Matrix& m) {
    if (!m.by_columns()) return inverse_wide(z, m);
    for (int64_t j = 0; j < m.t.run; ++j) inverse(z + j * m.step, m.column(j), m.step);
  }
  // Points are `step` apart within a row, and rows `pitch`: one block after the other.
  static void forward_wide(T* z, const Matrix& m) {
    for (int i = 0; i < m.t.columns; ++i) {
      Pass<T> p = forward_pass({m.t.stages, m.t.columns, 1, 0, 0, m.step}, i, 0);
      if (m.t.columns == 1) p.row = m.pitch;
      pass<Way::forward>(m.t.stages[i].radix, z, p);
    }
  }
  static void inverse_wide(T* z, const Matrix& m) {
    for (int i = m.t.columns - 1; i >= 0; --i) {
      Pass<T> p = inverse_pass({m.t.stages, m.t.columns, 1, 0, 0, m.step}, i, 0);
      if (m.t.columns == 1) p.row = m.pitch;
      const int64_t blocks = p.inner;
      p.inner = 1;
      for (int64_t b = 0; b < blocks; ++b) pass<Way::inverse>(m.t.stages[i].radix, z + b * p.inner_step, p);
    }
  }

  static void forward(T* z, int64_t step, const FourierStages<T>& transform) {
    const Matrix m(transform, step);
    forward_columns(z, m);
    for (int64_t r = 0; r < m.rows; ++r) forward(z + r * m.pitch, m.row(r), m.ahead());
  }
  static void inverse(T* z, int64_t step, const FourierStages<T>& transform) {
    const Matrix m(transform, step);
    for (int64_t r = 0; r < m.rows; ++r) inverse(z + r * m.pitch, m.row(r), m.ahead());
    inverse_columns(z, m);
  }
  static void convolve(T* z, int64_t step, const FourierStages<T>& transform, const T* h, bool lanes) {
    if (transform.count == 0) return lanes ? multiply_lanes(z, h, 1) : multiply(z, h, 1);
    const Matrix m(transform, step);
    forward_columns(z, m);
    const int64_t factors = transform.run * (lanes ? kPair : 2);
    for (int64_t r = 0; r < m.rows; ++r)
      convolve(z + r * m.pitch, m.row(r), m.ahead(), h + r * factors, lanes);
    inverse_columns(z, m);
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
