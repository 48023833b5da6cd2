// Butterflies: transforms of 2, 3, 4, 5 and 8 points in registers.
//
// They take their points times w^p (p the index of the point): X[m] = sum over p of x[p] w^p exp(-2 pi i m p / r). The sum
// is a polynomial in v = w exp(-2 pi i m / r), and for r = 4 and 8 it is halved into its even and odd powers, v^2 and v^4
// being shared. What remains is one operation, a + w b and a - w b, of six multiply-adds:
//   s = a + w b   four of them        a - w b = 2 a - s   two
// Radix 8 is 72 multiply-adds (the textbook: 24 additions of pairs, 7 products, 2 rotations, 84 operations), radix 4 is 24.
// Inverse transforms are the same with re and im exchanged at load and store.
#pragma once
#include "core/kernels/spectral.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class V>
struct Pair {
  V re, im;
};

template <class V>
FALTUNG_INLINE Pair<V> times(const Pair<V>& a, const Pair<V>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class V>
FALTUNG_INLINE Pair<V> times_conjugate(const Pair<V>& a, const Pair<V>& b) {
  return {a.re * b.re + a.im * b.im, a.im * b.re - a.re * b.im};
}

// a, b <- s, 2 a - s
template <class V>
FALTUNG_INLINE void mirror(Pair<V>& a, Pair<V>& b, const Pair<V>& s) {
  b = {a.re * 2 - s.re, a.im * 2 - s.im};
  a = s;
}

// Where products and sums are separate operations, the product is kept.
#if defined(__FMA__) || defined(__aarch64__)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif

// a, b <- a + b, a - b
template <class V>
FALTUNG_INLINE void turn(Pair<V>& a, Pair<V>& b) {
  const Pair<V> d{a.re - b.re, a.im - b.im};
  a = {a.re + b.re, a.im + b.im};
  b = d;
}
// a, b <- a - i b, a + i b
template <class V>
FALTUNG_INLINE void turn_back(Pair<V>& a, Pair<V>& b) {
  const Pair<V> d{a.re - b.im, a.im + b.re};
  a = {a.re + b.im, a.im - b.re};
  b = d;
}

// The same with w b in place of b.
template <class V>
FALTUNG_INLINE void turn(Pair<V>& a, Pair<V>& b, const Pair<V>& w) {
  if constexpr (kFused) {
    Pair<V> s{a.re + w.re * b.re, a.im + w.re * b.im};
    s.re -= w.im * b.im;
    s.im += w.im * b.re;
    mirror(a, b, s);
  } else {
    b = times(b, w);
    turn(a, b);
  }
}
template <class V>
FALTUNG_INLINE void turn_back(Pair<V>& a, Pair<V>& b, const Pair<V>& w) {
  if constexpr (kFused) {
    Pair<V> s{a.re + w.re * b.im, a.im - w.re * b.re};
    s.re += w.im * b.re;
    s.im += w.im * b.im;
    mirror(a, b, s);
  } else {
    b = times(b, w);
    turn_back(a, b);
  }
}
// For the conjugate of w.
template <class V>
FALTUNG_INLINE void turn_conjugate(Pair<V>& a, Pair<V>& b, const Pair<V>& w) {
  if constexpr (kFused) {
    Pair<V> s{a.re + w.re * b.re, a.im + w.re * b.im};
    s.re += w.im * b.im;
    s.im -= w.im * b.re;
    mirror(a, b, s);
  } else {
    b = times_conjugate(b, w);
    turn(a, b);
  }
}

// For w = c (1 - i), c = sqrt(1/2).
template <class V>
FALTUNG_INLINE void turn_eighth(Pair<V>& a, Pair<V>& b, V c) {
  const V sum = b.re + b.im, difference = b.im - b.re;
  b = {a.re - c * sum, a.im - c * difference};
  a = {a.re + c * sum, a.im + c * difference};
}
template <class V>
FALTUNG_INLINE void turn_back_eighth(Pair<V>& a, Pair<V>& b, V c) {
  const V sum = b.re + b.im, difference = b.im - b.re;
  b = {a.re - c * difference, a.im + c * sum};
  a = {a.re + c * difference, a.im - c * sum};
}

// In place; X[m] ends in x[Butterfly::at[m]]. `finish` is what remains after the first turns: of p and p + radix / 2, or
// where the radix is odd of p and radix - p.
template <class T, int Bytes, int Radix>
struct Butterfly;

template <class T, int Bytes>
struct Butterfly<T, Bytes, 2> {
  using V = typename Vec<T, Bytes>::type;
  static constexpr int at[] = {0, 1};
  static FALTUNG_INLINE void run(Pair<V>* x) { turn(x[0], x[1]); }
  static FALTUNG_INLINE void run(Pair<V>* x, const Pair<V>* w) { turn(x[0], x[1], w[0]); }
  static FALTUNG_INLINE void finish(Pair<V>*) {}
};

template <class T, int Bytes>
struct Butterfly<T, Bytes, 3> {
  using V = typename Vec<T, Bytes>::type;
  static constexpr int at[] = {0, 1, 2};
  static FALTUNG_INLINE void run(Pair<V>* x) {
    turn(x[1], x[2]);
    finish(x);
  }
  static FALTUNG_INLINE void run(Pair<V>* x, const Pair<V>* w) {
    x[1] = times(x[1], w[0]);
    turn(x[1], x[2], w[1]);
    finish(x);
  }
  // x[1] and x[2] are the sum and the difference of the two points.
  static FALTUNG_INLINE void finish(Pair<V>* x) {
    const V half = Vec<T, Bytes>::fill(T(0.5)),
            height = Vec<T, Bytes>::fill(T(0.866025403784438646763723170752936183L));
    const Pair<V> middle{x[0].re - half * x[1].re, x[0].im - half * x[1].im}, d = x[2];
    x[0] = {x[0].re + x[1].re, x[0].im + x[1].im};
    x[1] = {middle.re + height * d.im, middle.im - height * d.re};
    x[2] = {middle.re - height * d.im, middle.im + height * d.re};
  }
};

template <class T, int Bytes>
struct Butterfly<T, Bytes, 4> {
  using V = typename Vec<T, Bytes>::type;
  static constexpr int at[] = {0, 2, 1, 3};
  static FALTUNG_INLINE void run(Pair<V>* x) {
    turn(x[0], x[2]);
    turn(x[1], x[3]);
    finish(x);
  }
  static FALTUNG_INLINE void run(Pair<V>* x, const Pair<V>* w) {
    turn(x[0], x[2], w[1]);
    turn(x[1], x[3], w[1]);
    turn(x[0], x[1], w[0]);
    turn_back(x[2], x[3], w[0]);
  }
  static FALTUNG_INLINE void finish(Pair<V>* x) {
    turn(x[0], x[1]);
    turn_back(x[2], x[3]);
  }
};

template <class T, int Bytes>
struct Butterfly<T, Bytes, 5> {
  using V = typename Vec<T, Bytes>::type;
  static constexpr int at[] = {0, 1, 2, 3, 4};
  static FALTUNG_INLINE void run(Pair<V>* x) {
    turn(x[1], x[4]);
    turn(x[2], x[3]);
    finish(x);
  }
  static FALTUNG_INLINE void run(Pair<V>* x, const Pair<V>* w) {
    x[1] = times(x[1], w[0]);
    turn(x[1], x[4], w[3]);
    x[2] = times(x[2], w[1]);
    turn(x[2], x[3], w[2]);
    finish(x);
  }
  // x[1], x[4] and x[2], x[3] are sums and differences of points that mirror each other.
  static FALTUNG_INLINE void finish(Pair<V>* x) {
    const V c1 = Vec<T, Bytes>::fill(T(0.309016994374947424102293417182819059L)),
            c2 = Vec<T, Bytes>::fill(T(-0.809016994374947424102293417182819059L)),
            s1 = Vec<T, Bytes>::fill(T(0.951056516295153572116439333379382143L)),
            s2 = Vec<T, Bytes>::fill(T(0.587785252292473129168705954639072769L));
    const Pair<V> a1 = x[1], a2 = x[2], d1 = x[4], d2 = x[3];
    const Pair<V> m1{x[0].re + c1 * a1.re + c2 * a2.re, x[0].im + c1 * a1.im + c2 * a2.im};
    const Pair<V> m2{x[0].re + c2 * a1.re + c1 * a2.re, x[0].im + c2 * a1.im + c1 * a2.im};
    const Pair<V> n1{s1 * d1.re + s2 * d2.re, s1 * d1.im + s2 * d2.im};
    const Pair<V> n2{s2 * d1.re - s1 * d2.re, s2 * d1.im - s1 * d2.im};
    x[0] = {x[0].re + a1.re + a2.re, x[0].im + a1.im + a2.im};
    x[1] = {m1.re + n1.im, m1.im - n1.re};
    x[4] = {m1.re - n1.im, m1.im + n1.re};
    x[2] = {m2.re + n2.im, m2.im - n2.re};
    x[3] = {m2.re - n2.im, m2.im + n2.re};
  }
};

template <class T, int Bytes>
struct Butterfly<T, Bytes, 8> {
  using V = typename Vec<T, Bytes>::type;
  static constexpr int at[] = {0, 4, 2, 6, 1, 5, 3, 7};
  static FALTUNG_INLINE void run(Pair<V>* x) {
    for (int p = 0; p < 4; ++p) turn(x[p], x[p + 4]);
    finish(x);
  }
  static FALTUNG_INLINE void finish(Pair<V>* x) {
    const V c = Vec<T, Bytes>::fill(T(0.707106781186547524400844362104849039L));
    turn(x[0], x[2]);
    turn(x[1], x[3]);
    turn_back(x[4], x[6]);
    turn_back(x[5], x[7]);
    turn(x[0], x[1]);
    turn_back(x[2], x[3]);
    turn_eighth(x[4], x[5], c);
    turn_back_eighth(x[6], x[7], c);
  }
  static FALTUNG_INLINE void run(Pair<V>* x, const Pair<V>* w) {
    for (int p = 0; p < 4; ++p) turn(x[p], x[p + 4], w[3]);
    turn(x[0], x[2], w[2]);
    turn(x[1], x[3], w[2]);
    turn_back(x[4], x[6], w[2]);
    turn_back(x[5], x[7], w[2]);
    turn(x[0], x[1], w[0]);
    turn_back(x[2], x[3], w[0]);
    turn(x[4], x[5], w[1]);
    turn_back(x[6], x[7], w[1]);
  }
};

}  // namespace
}  // namespace faltung
