// Activations over lines, once for every type and ISA.
//
// All rest on e^y = 2^k (1 + m), k the nearest integer to y / ln 2, m = expm1(r) = r + r^2 h(r) of what remains, |r| below
// 0.35 and a bit: h is a minimax polynomial for the relative error of m. 2^k is made of integers in two factors, so that a
// result may be subnormal, and is multiplied last: a factor that has lost its bits as a subnormal number would spoil others.
//
//   sigmoid(x) = (x < 0 ? e : 1) / (1 + e), e = e^-|x|: nothing cancels, nothing overflows
//   tanh|x|    = t / (t + 2), t = expm1(2 |x|) = 2^k m + (2^k - 1)
//   gelu(x)    = x / 2 + |x| d, d = (1 - erfc(|x| / sqrt 2)) / 2; below -1/2: x e^(-x^2 / 2) g(|x|)
//   gelu_tanh  = x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), the same function as with tanh
//
// g(a) = e^(a^2 / 2) erfc(a / sqrt 2) / 2 falls from 1/2 like 1 / (a sqrt(2 pi)), so 1 / g = c a + 2 + p / q with
// c = sqrt(2 pi) and a p / q that falls from 0 to -2: one rational function for the whole range, to where the result is no
// number any more. With b = c a q + 2 q + p: d = ((c a q + p) / 2 - q expm1(-a^2 / 2)) / b, which has no difference, and
// -a g = ((2 q + p) / b - 1) / c, where the errors of the quotient count little. Horner's rule does not cancel, for the
// coefficients of q are all positive and those of p all negative. p / q and h come from Remez' exchange in 50 digits: the
// levelled error of a rational function is linear in p, q and the level once the q of the last round stands in for q beside
// the level; nodes begin at Chebyshev's, pushed towards 0. An exponent of size 100 must be known to 2^-31: squares and cubes
// are kept in two numbers, the first of which has so few bits that its products are exact with and without fused operations.
#pragma once
#include "core/kernels/epilogue.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T>
struct Numbers;

template <>
struct Numbers<float> {
  using Word = uint32_t;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr Word upper = 0xfffff000u;  // the first 12 bits of 24
  static constexpr float magic = 0x1.8p23f;   // adding it rounds to an integer in the low bits
  static constexpr float most = 3.40282347e38f;
  static constexpr float ln2_high = 0.693145751953125f;  // 15 bits
  static constexpr float ln2_low = 1.42860677e-6f;
  // From these on: sigmoid(-x), silu, gelu, gelu_tanh are less than half of the smallest number; tanh is 1.
  static constexpr float sigmoid_end = 110, gelu_end = 15, gelu_tanh_end = 11, tanh_end = 10;
  static constexpr float h[] = {0.500000006f,   0.166666663f,   0.0416663111f,
                                0.00833339956f, 0.00139446968f, 1.98458296e-4f};  // 2^-31.5 of m
  static constexpr float p[] = {
      0, -0.910859271f, -0.717254005f, -0.267945283f, -0.0537727175f, -0.00503497318f};
  static constexpr float q[] = {
      1, 1.08742946f, 0.567726392f, 0.171609637f, 0.0300418525f, 0.00251748659f};  // 2^-30.4 of g, 0 to 15
  // 2 sqrt(2 / pi), and 0.044715 times that.
  static constexpr float c0_high = 1.5957691669464111328f, c0_low = -4.53406804e-8f,
                         c1_high = 0.07135009765625f, c1_low = 4.71861635e-6f;
};

template <>
struct Numbers<double> {
  using Word = uint64_t;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr Word upper = 0xfffffffff8000000u;  // the first 26 bits of 53
  static constexpr double magic = 0x1.8p52;
  static constexpr double most = 1.7976931348623157e308;
  static constexpr double ln2_high = 0.69314718036912381649;  // 33 bits
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double sigmoid_end = 760, gelu_end = 39.5, gelu_tanh_end = 22, tanh_end = 20;
  static constexpr double h[] = {0.500000000000000001,   0.166666666666666810,   0.0416666666666664362,
                                 0.00833333333331757241, 0.00138888888889883457, 1.98412698973707946e-4,
                                 2.48015871396526094e-5, 2.75572321249926046e-6, 2.75574162598985471e-7,
                                 2.51134583688794191e-8, 2.08752271704028407e-9};  // 2^-61.0 of m
  static constexpr double p[] = {0,
                                 -0.910859153025268003,
                                 -1.27038049675925320,
                                 -0.878703134275171307,
                                 -0.387991799047280909,
                                 -0.119424686463251329,
                                 -0.0264680089524557800,
                                 -0.00422278573624850278,
                                 -4.69183508149520792e-4,
                                 -3.31908692414353426e-5,
                                 -1.15604266253297343e-6};
  static constexpr double q[] = {1,
                                 1.69468576603470655,
                                 1.42042860417736461,
                                 0.762345026720064545,
                                 0.287667169492888675,
                                 0.0794279610360998228,
                                 0.0162376061816485243,
                                 0.00243116714355025689,
                                 2.56299000694250898e-4,
                                 1.73198769268087677e-5,
                                 5.78021331266486724e-7};  // 2^-57.7 of g, 0 to 39.5
  static constexpr double c0_high = 1.5957691216057308115, c0_low = -9.9693088091109203146e-17,
                          c1_high = 0.07135481573641300201416015625, c1_low = 5.3618724676217859603e-10;
};

template <class T, int Bytes>
struct Activate {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  using N = Numbers<T>;
  using Word = typename N::Word;
  typedef Word words __attribute__((vector_size(Bytes)));
  static constexpr Word kSign = Word(1) << (8 * sizeof(T) - 1);

  static FALTUNG_INLINE vec magnitude(vec x) { return (vec)((words)x & ~kSign); }
  static FALTUNG_INLINE vec upper(vec x) { return (vec)((words)x & N::upper); }
  static FALTUNG_INLINE vec at_most(vec x, T most) { return x > most ? Vx::fill(most) : x; }  // NaN stays
  static FALTUNG_INLINE vec at_least(vec x, T least) { return x < least ? Vx::fill(least) : x; }
  // Where the formula is Inf * 0, though the function has a limit.
  static FALTUNG_INLINE vec none_at_minus_infinity(vec x, vec y) { return x < -N::most ? x - x : y; }

  template <int Degree>
  static FALTUNG_INLINE vec polynomial(vec x, const T (&c)[Degree]) {
    vec y = Vx::fill(c[Degree - 1]);
#pragma GCC unroll 16
    for (int i = Degree - 2; i >= 0; --i) y = y * x + c[i];
    return y;
  }

  // e^(y + low) = 2^k (1 + m)
  struct Power {
    vec m;
    words k;  // two's complement

    vec FALTUNG_INLINE mantissa() const { return m + T(1); }
    // 2^k for k in the range of normal numbers.
    vec FALTUNG_INLINE scale() const { return (vec)((k + Word(N::bias)) << N::mantissa); }
    // x 2^k, rounded once, down to twice the range of exponents.
    vec FALTUNG_INLINE scaled(vec x) const {
      const words both = k + Word(2 * N::bias), one = both >> 1, other = both - one;
      return x * (vec)(one << N::mantissa) * (vec)(other << N::mantissa);
    }
  };
  static FALTUNG_INLINE Power power(vec y, vec low = vec{}) {
    constexpr T inverse = T(1.4426950408889634074);
    const vec shifted = (y + low) * inverse + N::magic, n = shifted - N::magic;
    const vec r = (y - n * N::ln2_high) + (low - n * N::ln2_low);
    return {r * r * polynomial(r, N::h) + r, (words)shifted - (words)Vx::fill(N::magic)};
  }

  // x / (1 + 1 / e) for negative x, x / (1 + e) for others: x sigmoid where e = e^-|the argument of sigmoid|.
  static FALTUNG_INLINE vec swish(vec x, const Power& e, T end) {
    const vec mantissa = e.mantissa(), below = vec{} + T(1) + e.scaled(mantissa);
    const vec quotient = (x < 0 ? at_least(x, -end) * mantissa : x) / below;
    return none_at_minus_infinity(x, x < 0 ? e.scaled(quotient) : quotient);
  }

  static FALTUNG_INLINE vec sigmoid(vec x) {
    const Power e = power(-at_most(magnitude(x), N::sigmoid_end));
    const vec mantissa = e.mantissa();
    const vec quotient = (x < 0 ? mantissa : Vx::fill(1)) / (T(1) + e.scaled(mantissa));
    return x < 0 ? e.scaled(quotient) : quotient;
  }
  static FALTUNG_INLINE vec silu(vec x) {
    return swish(x, power(-at_most(magnitude(x), N::sigmoid_end)), N::sigmoid_end);
  }
  static FALTUNG_INLINE vec tanh(vec x) {
    const vec a = at_most(magnitude(x), N::tanh_end);
    const Power e = power(a + a);
    const vec scale = e.scale(), t = e.m * scale + (scale - T(1));
    return (vec)((words)(t / (t + T(2))) | ((words)x & kSign));
  }
  static FALTUNG_INLINE vec gelu(vec x) {
    const vec a = at_most(magnitude(x), N::gelu_end), head = upper(a), rest = a - head;
    const Power e = power(T(-0.5) * (head * head), T(-0.5) * (rest * (a + head)));
    constexpr T root_two_pi = T(2.5066282746310005024), inverse = T(0.39894228040143267794);
    const vec p = polynomial(a, N::p), q = polynomial(a, N::q), all = root_two_pi * a * q;
    const vec scale = e.scaled(Vx::fill(1)), expm1 = e.m * scale + (scale - T(1));
    const vec other = T(2) * q + p;
    const auto tail = x < T(-0.5);
    const vec ratio = (tail ? other : (all + p) * T(0.5) - q * expm1) / (all + other);
    const vec below = e.scaled((e.m * inverse + inverse) * (ratio - T(1)));
    const vec inside = tail ? below : a * ratio + T(0.5) * x;
    // Far to the right d would pass 1/2 by its error; far to the left e is 0.
    return none_at_minus_infinity(x, x > N::gelu_end ? x : inside);
  }
  // The exponent: a (c0 + c1 a^2) in two numbers.
  static FALTUNG_INLINE vec gelu_tanh(vec x) {
    const vec a = at_most(magnitude(x), N::gelu_tanh_end), head = upper(a), rest = a - head;
    const vec square = head * head, square_head = upper(square);
    const vec square_rest = (square - square_head) + rest * (a + head);
    const vec product = square_head * N::c1_high;
    const vec product_rest = square_rest * N::c1_high + (square_head + square_rest) * N::c1_low;
    const vec sum = product + N::c0_high, back = sum - N::c0_high;
    const vec sum_rest = ((N::c0_high - (sum - back)) + (product - back)) + (product_rest + N::c0_low);
    const vec sum_head = upper(sum);
    const vec y = head * sum_head, y_rest = head * ((sum - sum_head) + sum_rest) + rest * (sum + sum_rest);
    return swish(x, power(-y, -y_rest), N::gelu_tanh_end);
  }
  // x + 3 is exact where it is small.
  static FALTUNG_INLINE vec hardsigmoid(vec x) {
    return at_most(at_least((x + T(3)) * T(0.16666666666666666667), T(0)), T(1));
  }

  template <Activation A>
  static FALTUNG_INLINE vec one(vec x, T lo, T hi) {
    if constexpr (A == Activation::clip) return at_most(at_least(x, lo), hi);
    if constexpr (A == Activation::leaky_relu) return x < 0 ? x * lo : x;
    if constexpr (A == Activation::hardsigmoid) return hardsigmoid(x);
    if constexpr (A == Activation::hardswish) return x * hardsigmoid(x);
    if constexpr (A == Activation::sigmoid) return sigmoid(x);
    if constexpr (A == Activation::silu) return silu(x);
    if constexpr (A == Activation::tanh) return tanh(x);
    if constexpr (A == Activation::gelu) return gelu(x);
    if constexpr (A == Activation::gelu_tanh) return gelu_tanh(x);
  }

  // The last vector overlaps the one before it: it is loaded before that one is stored. Every value is computed from what
  // stood there by the same instructions, so the bits do not depend on its place.
  template <Activation A>
  static void line(T* values, int64_t n, T lo, T hi) {
    constexpr int64_t L = Vx::lanes;
    if (n < L) {
      T some[L] = {};
      __builtin_memcpy(some, values, size_t(n) * sizeof(T));
      Vx::store(some, one<A>(Vx::load(some), lo, hi));
      __builtin_memcpy(values, some, size_t(n) * sizeof(T));
      return;
    }
    const vec last = Vx::load(values + n - L);
    int64_t i = 0;
    for (; i + L <= n; i += L) Vx::store(values + i, one<A>(Vx::load(values + i), lo, hi));
    if (i < n) Vx::store(values + n - L, one<A>(last, lo, hi));
  }
};

}  // namespace
}  // namespace faltung

#define FALTUNG_EPILOGUE_LINE(T, B, name) &faltung::Activate<T, B>::line<faltung::Activation::name>
#define FALTUNG_EPILOGUE_TABLE(T, B, type, isa)                                             \
  extern "C" const faltung::EpilogueTable<T> faltung_epilogue_##type##_##isa##_table = {    \
      {nullptr, FALTUNG_EPILOGUE_LINE(T, B, clip), FALTUNG_EPILOGUE_LINE(T, B, leaky_relu), \
       FALTUNG_EPILOGUE_LINE(T, B, hardsigmoid), FALTUNG_EPILOGUE_LINE(T, B, hardswish),    \
       FALTUNG_EPILOGUE_LINE(T, B, sigmoid), FALTUNG_EPILOGUE_LINE(T, B, silu),             \
       FALTUNG_EPILOGUE_LINE(T, B, tanh), FALTUNG_EPILOGUE_LINE(T, B, gelu),                \
       FALTUNG_EPILOGUE_LINE(T, B, gelu_tanh)}};
