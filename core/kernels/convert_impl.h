// Lines of samples into the computing type and back, once for every pair of types and ISA.
#pragma once
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/kernels/convert.h"
#include "core/kernels/half_impl.h"

namespace faltung {
namespace {

// bool is read as a byte that may hold any non-zero value.
struct Bool {
  uint8_t bits;
};

template <class T, class S>
FALTUNG_INLINE T load_one(const S& s) {
  if constexpr (std::is_same_v<S, Bool>)
    return T(s.bits != 0);
  else if constexpr (std::is_same_v<S, Half> || std::is_same_v<S, BFloat>)
    return T(widen(s));
  else
    return T(s);
}

template <class S>
FALTUNG_INLINE S read(const char* p) {
  S s;
  __builtin_memcpy(&s, p, sizeof(S));
  return s;
}

template <class T, class S>
void load_line(const void* source, const StridedLine& line, T* dst) {
  const char* src = static_cast<const char*>(source);
  const int64_t size = int64_t(sizeof(S));
  const bool inner_contiguous = line.inner == size || line.group == 1;
  if (inner_contiguous && (line.step == size * line.group || line.groups == 1)) {
    const S* s = reinterpret_cast<const S*>(src);
    const int64_t n = line.groups * line.group;
    for (int64_t i = 0; i < n; ++i) dst[i] = load_one<T, S>(s[i]);
  } else if (line.group == 1) {
    for (int64_t i = 0; i < line.groups; ++i) dst[i] = load_one<T, S>(read<S>(src + i * line.step));
  } else {
    for (int64_t i = 0; i < line.groups; ++i)
      for (int64_t g = 0; g < line.group; ++g)
        dst[i * line.group + g] = load_one<T, S>(read<S>(src + i * line.step + g * line.inner));
  }
}

// Rounding half to even without a library call: beyond 2^23 (2^52) a number has no fraction, and adding that power pushes
// the fraction of a smaller one out.
template <class T>
FALTUNG_INLINE T round_even(T x) {
  constexpr T power = sizeof(T) == 4 ? T(0x1p23) : T(0x1p52);
  const T shift = x < 0 ? -power : power;
  const T rounded = (x + shift) - shift;
  return x < power && x > -power ? rounded : x;
}

// The range of an integer type as the nearest values of T inside it; 2^63 and 2^64 are open ends.
template <class T, class D>
struct Range {
  static constexpr T lowest = T(std::numeric_limits<D>::min());
  static constexpr T above = T(std::numeric_limits<D>::max() / 2 + 1) * T(2);  // first value beyond
  static FALTUNG_INLINE bool holds(T x) { return x >= lowest && x < above; }   // x is rounded
};

template <class D, class T>
FALTUNG_INLINE D wrap_float(T x) {
  constexpr T two63 = T(9223372036854775808.0);
  if (x >= -two63 && x < two63) return D(int64_t(x));
  const bool negative = x < 0;
  T m = negative ? -x : x;
  // |x| >= 2^63 has an ulp of at least 2^10 (2^39 for float): take off multiples of 2^64 exactly.
  int exponent = 0;
  m = T(__builtin_frexp(double(m), &exponent));
  const uint64_t mantissa = uint64_t(double(m) * 9007199254740992.0);  // 53 bits
  const int shift = exponent - 53;
  const uint64_t low = shift >= 64 ? 0 : mantissa << shift;
  return D(negative ? uint64_t(0) - low : low);
}

// Narrow integers lie inside the range where adding a magic number rounds. One pass for every policy: NaN shows in a sum of
// clipped values times zero, a value out of range in the extremes. Beyond the range by half rounds into it but for the tie
// at the upper end, whose even neighbour is outside.
template <class T, class D, int Bytes>
bool store_float_to_narrow(const T* src, D* dst, int64_t n, Store how) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  typedef int32_t ints __attribute__((vector_size(L * 4)));
  typedef D narrow __attribute__((vector_size(L * sizeof(D))));
  constexpr T magic_number = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);
  const vec lowest = Vx::fill(T(std::numeric_limits<D>::min())),
            highest = Vx::fill(T(std::numeric_limits<D>::max()));
  const vec magic = Vx::fill(magic_number);
  vec poison = {}, least = lowest, most = highest;
  const auto convert = [&](vec x) FALTUNG_LAMBDA_INLINE {
    const vec up = lowest > x ? lowest : x;  // keeps NaN
    const vec clipped = highest < up ? highest : up;
    poison += clipped * T(0);
    least = x < least ? x : least;
    most = x > most ? x : most;
    const vec rounded = (clipped + magic) - magic;
    return __builtin_convertvector(__builtin_convertvector(rounded, ints), narrow);
  };
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    const narrow y = convert(Vx::load(src + i));
    __builtin_memcpy(dst + i, &y, sizeof(narrow));
  }
  if (i < n) {
    vec rest = lowest;
    __builtin_memcpy(&rest, src + i, size_t(n - i) * sizeof(T));
    const narrow y = convert(rest);
    __builtin_memcpy(dst + i, &y, size_t(n - i) * sizeof(D));
  }
  if (how == Store::fits) return false;
  bool nan = false, out = false;
  for (int l = 0; l < L; ++l) {
    nan |= poison[l] != T(0);
    out |= least[l] < lowest[l] - T(0.5) || most[l] >= highest[l] + T(0.5);
  }
  return nan || (how == Store::check && out);
}

template <class T, class D, int Bytes>
bool store_float_to_int(const T* src, D* dst, int64_t n, Store how) {
  if constexpr (sizeof(D) < 4) {
    if (how != Store::wrap) return store_float_to_narrow<T, D, Bytes>(src, dst, n, how);
  }
  using R = Range<T, D>;
  int bad = 0;
  if (how == Store::saturate) {
    for (int64_t i = 0; i < n; ++i) {
      const T x = round_even(src[i]);
      bad |= x != x;
      const T low = x > R::lowest ? x : R::lowest;
      dst[i] = low < R::above ? D(low) : std::numeric_limits<D>::max();
    }
  } else if (how == Store::wrap) {
    constexpr T small =
        T(4611686018427387904.0);  // 2^62: a 64-bit integer holds it, and conversions vectorize
    int large = 0;
    for (int64_t i = 0; i < n; ++i) large |= int(!(src[i] > -small)) | int(!(src[i] < small));
    if (!large) {
      for (int64_t i = 0; i < n; ++i) dst[i] = D(int64_t(round_even(src[i])));
      return false;
    }
    for (int64_t i = 0; i < n; ++i) {
      const T x = round_even(src[i]);
      const bool finite = x - x == 0;
      bad |= !finite;
      dst[i] = finite ? wrap_float<D>(x) : D(0);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const T x = round_even(src[i]);
      const bool ok = R::holds(x);
      bad |= !ok;
      const T safe = ok ? x : T(0);
      if constexpr (std::is_same_v<D, uint64_t>)
        dst[i] = D(safe);
      else
        dst[i] = D(int64_t(safe));
    }
    if (how == Store::fits) bad = 0;
  }
  return bad != 0;
}

// Integers are summed modulo 2^64 where their exact sum is known to fit a signed (`how` as given) 64-bit word, or the
// unsigned one when the output is uint64; the check compares in that word.
template <class D>
bool store_int(const uint64_t* src, D* dst, int64_t n, Store how) {
  using W = std::conditional_t<std::is_same_v<D, uint64_t>, uint64_t, int64_t>;
  constexpr W lowest = W(std::numeric_limits<D>::min());
  constexpr W highest = W(std::numeric_limits<D>::max());
  int bad = 0;
  if (how == Store::saturate) {
    for (int64_t i = 0; i < n; ++i) {
      const W x = W(src[i]);
      dst[i] = D(x < lowest ? lowest : x > highest ? highest : x);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const W x = W(src[i]);
      bad |= (x < lowest) | (x > highest);
      dst[i] = D(x);
    }
    if (how != Store::check) bad = 0;
  }
  return bad != 0;
}

template <class T, class D, int Bytes>
FALTUNG_INLINE bool store_contiguous(const T* src, D* dst, int64_t n, Store how) {
  if constexpr (std::is_same_v<D, Half>) {
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (sizeof(T) == 8)
        dst[i] = narrow_half(to_float_odd(src[i]));
      else
        dst[i] = narrow_half(src[i]);
    }
    return false;
  } else if constexpr (std::is_same_v<D, BFloat>) {
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (sizeof(T) == 8)
        dst[i] = narrow_bfloat(to_float_odd(src[i]));
      else
        dst[i] = narrow_bfloat(src[i]);
    }
    return false;
  } else if constexpr (std::is_floating_point_v<D>) {
    for (int64_t i = 0; i < n; ++i) dst[i] = D(src[i]);
    return false;
  } else if constexpr (std::is_floating_point_v<T>) {
    return store_float_to_int<T, D, Bytes>(src, dst, n, how);
  } else {
    return store_int<D>(src, dst, n, how);
  }
}

template <class T, class D, int Bytes>
bool store_line(const T* src, void* dest, const StridedLine& line, Store how) {
  char* dst = static_cast<char*>(dest);
  const int64_t size = int64_t(sizeof(D));
  const int64_t n = line.groups * line.group;
  const bool inner_contiguous = line.inner == size || line.group == 1;
  if (inner_contiguous && (line.step == size * line.group || line.groups == 1))
    return store_contiguous<T, D, Bytes>(src, reinterpret_cast<D*>(dst), n, how);
  constexpr int64_t kChunk = 256;
  D chunk[kChunk];
  bool bad = false;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = n - i < kChunk ? n - i : kChunk;
    bad |= store_contiguous<T, D, Bytes>(src + i, chunk, count, how);
    for (int64_t j = 0; j < count; ++j) {
      const int64_t e = i + j;
      char* p = line.group == 1 ? dst + e * line.step
                                : dst + (e / line.group) * line.step + (e % line.group) * line.inner;
      __builtin_memcpy(p, &chunk[j], sizeof(D));
    }
  }
  return bad;
}

template <class T, int Bytes>
constexpr ConvertTable<T> convert_table() {
  if constexpr (std::is_floating_point_v<T>)
    return {
        {load_line<T, Bool>, load_line<T, uint8_t>, load_line<T, int8_t>, load_line<T, uint16_t>,
         load_line<T, int16_t>, load_line<T, uint32_t>, load_line<T, int32_t>, load_line<T, uint64_t>,
         load_line<T, int64_t>, load_line<T, Half>, load_line<T, BFloat>, load_line<T, float>,
         load_line<T, double>},
        {nullptr, store_line<T, uint8_t, Bytes>, store_line<T, int8_t, Bytes>, store_line<T, uint16_t, Bytes>,
         store_line<T, int16_t, Bytes>, store_line<T, uint32_t, Bytes>, store_line<T, int32_t, Bytes>,
         store_line<T, uint64_t, Bytes>, store_line<T, int64_t, Bytes>, store_line<T, Half, Bytes>,
         store_line<T, BFloat, Bytes>, store_line<T, float, Bytes>, store_line<T, double, Bytes>}};
  else
    return {
        {load_line<T, Bool>, load_line<T, uint8_t>, load_line<T, int8_t>, load_line<T, uint16_t>,
         load_line<T, int16_t>, load_line<T, uint32_t>, load_line<T, int32_t>, load_line<T, uint64_t>,
         load_line<T, int64_t>, nullptr, nullptr, nullptr, nullptr},
        {nullptr, store_line<T, uint8_t, Bytes>, store_line<T, int8_t, Bytes>, store_line<T, uint16_t, Bytes>,
         store_line<T, int16_t, Bytes>, store_line<T, uint32_t, Bytes>, store_line<T, int32_t, Bytes>,
         store_line<T, uint64_t, Bytes>, store_line<T, int64_t, Bytes>, nullptr, nullptr, nullptr, nullptr}};
}

}  // namespace
}  // namespace faltung
