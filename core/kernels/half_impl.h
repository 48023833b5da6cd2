// float16 and bfloat16 as bit patterns; branch-free where it matters, so that loops over them vectorize.
#pragma once
#include <cstdint>

#include "core/kernels/vec.h"

namespace faltung {
namespace {

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};

FALTUNG_INLINE float as_float(uint32_t u) {
  return __builtin_bit_cast(float, u);
}
FALTUNG_INLINE uint32_t as_bits(float f) {
  return __builtin_bit_cast(uint32_t, f);
}

FALTUNG_INLINE float widen(BFloat h) {
  return as_float(uint32_t(h.bits) << 16);
}

// Shift the mantissa into place and move the exponent; a subnormal is what stands above a power of two. No operand is
// subnormal
// as a float: threads of layers treat those as zero. Inf and NaN by mask.
FALTUNG_INLINE float widen(Half h) {
  const uint32_t sign = uint32_t(h.bits & 0x8000u) << 16;
  const uint32_t rest = uint32_t(h.bits & 0x7fffu) << 13;
  const uint32_t special = (h.bits & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
  const uint32_t tiny = as_bits(as_float(rest + 0x38800000u) - 0x1p-14f);
  const uint32_t normal = rest + 0x38000000u;
  return as_float((rest < 0x00800000u ? tiny : normal) | special | sign);
}

FALTUNG_INLINE BFloat narrow_bfloat(float f) {
  const uint32_t u = as_bits(f);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return {uint16_t(f != f ? ((u >> 16) | 0x40u) : rounded)};
}

// Adding a power of two aligned to the last bit kept rounds half to even, subnormal results included.
FALTUNG_INLINE Half narrow_half(float f) {
  const uint32_t u = as_bits(f);
  const uint32_t sign = (u >> 16) & 0x8000u;
  const uint32_t magnitude = u & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  const uint32_t tiny =
      as_bits(as_float(magnitude) + 0.5f) - 0x3f000000u;  // ulp of 0.5 is 2^-24, half's subnormal step
  uint32_t result = magnitude < 0x38800000u ? tiny : normal;
  result = magnitude >= 0x477ff000u ? 0x7c00u : result;  // 65520 and above
  result = magnitude > 0x7f800000u ? 0x7e00u : result;
  return {uint16_t(result | sign)};
}

// A double goes to a half type through a float rounded to odd, so that it is rounded once.
FALTUNG_INLINE float to_float_odd(double d) {
  const float f = float(d);
  const double back = double(f);
  const uint32_t u = as_bits(f);
  const bool away = d < 0 ? back < d : back > d;
  const uint32_t odd = (away ? u - 1 : u) | 1u;
  return back == d || d != d || (u & 0x7fffffffu) == 0x7f800000u ? f : as_float(odd);
}

}  // namespace
}  // namespace faltung
