// The conversion family: rows of samples of any type into the type that computes, and results back.
#pragma once
#include <cstdint>

namespace faltung {

enum class DType : uint8_t { b8, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64 };
inline constexpr int kDTypes = 13;
inline constexpr int64_t kItemSize[kDTypes] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8};

// What happens to a result on its way into the output type.
enum class Store : uint8_t {
  cast,      // float to float: round to nearest
  fits,      // known to fit: integers exactly, floats to an integer rounded half to even
  check,     // the same, and report any value out of range or NaN
  saturate,  // clip to the range; report NaN
  wrap,      // modulo 2^bits; report NaN and infinities
};

// `groups` groups of `group` elements; steps in bytes between groups and between the elements of a group.
struct StridedLine {
  int64_t groups, group, step, inner;
};

template <class T>
struct ConvertTable {
  // Loads a line of samples of the given type into dst, contiguous. Null where T cannot hold the type.
  void (*load[kDTypes])(const void* src, const StridedLine& line, T* dst);
  // Stores a contiguous line; true when a value had to be reported. Null where the type cannot be a result.
  bool (*store[kDTypes])(const T* src, void* dst, const StridedLine& line, Store how);
};

}  // namespace faltung

#define FALTUNG_DECLARE_CONVERT(isa)                                                \
  extern "C" const faltung::ConvertTable<float> faltung_convert_f32_##isa##_table;  \
  extern "C" const faltung::ConvertTable<double> faltung_convert_f64_##isa##_table; \
  extern "C" const faltung::ConvertTable<uint64_t> faltung_convert_u64_##isa##_table;
FALTUNG_DECLARE_CONVERT(baseline)
FALTUNG_DECLARE_CONVERT(avx2)
FALTUNG_DECLARE_CONVERT(avx512)
