#include "core/reference/number.h"

#include <cstring>
#include <limits>

#include "core/kernels/select.h"

namespace faltung {

bool is_integer(DType t) {
  return t < DType::f16;
}
bool is_signed(DType t) {
  return t == DType::i8 || t == DType::i16 || t == DType::i32 || t == DType::i64;
}

// One value of any type. Half types widen exactly into float through the conversion table.
Real load_real(const char* p, DType t) {
  if (t == DType::u64 || t == DType::i64) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    return t == DType::i64 ? Real(int64_t(word)) : Real(word);
  }
  double d;
  convert_table<double>(Isa::baseline).load[int(t)](p, {1, 1, 0, 0}, &d);
  return Real(d);
}

uint64_t load_word(const char* p, DType t) {
  uint64_t word;
  convert_table<uint64_t>(Isa::baseline).load[int(t)](p, {1, 1, 0, 0}, &word);
  return word;
}

bool store_real(Real y, char* p, DType t, Store how) {
  if (t == DType::f32) {
    const float f = float(y);
    std::memcpy(p, &f, 4);
    return false;
  }
  const double d = double(y);
  return convert_table<double>(Isa::baseline).store[int(t)](&d, p, {1, 1, 0, 0}, how);
}

bool store_wide(const Wide& y, char* p, DType t, Store how) {
  if (!is_integer(t)) return store_real(Real(y.approximate()), p, t, how);
  uint64_t word = y.word();
  const bool fits = t == DType::u64 ? y.fits_unsigned() : y.fits_signed();
  if (!fits && how == Store::saturate) {
    if (t == DType::u64)
      word = y.negative() ? 0 : std::numeric_limits<uint64_t>::max();
    else
      word =
          uint64_t(y.negative() ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max());
  }
  const bool bad = convert_table<uint64_t>(Isa::baseline).store[int(t)](&word, p, {1, 1, 0, 0}, how);
  return how == Store::check && (bad || !fits);
}

}  // namespace faltung
