// A 192-bit two's complement sum: exact for any number of products of 64-bit integers.
#pragma once
#include <cstdint>

namespace faltung {

class Wide {
 public:
  // Adds a * b, each given as its 64-bit word and its sign extension (0 or -1).
  void add_product(uint64_t a, bool a_negative, uint64_t b, bool b_negative) {
    const uint64_t x = a_negative ? 0 - a : a, y = b_negative ? 0 - b : b;
    const unsigned __int128 p = static_cast<unsigned __int128>(x) * y;
    a_negative != b_negative ? subtract(p) : add(p);
  }
  bool negative() const { return high_ < 0; }
  bool fits_signed() const {
    return high_ == (int64_t(low_ >> 64) < 0 ? -1 : 0) && int64_t(low_ >> 64) == (int64_t(low_) < 0 ? -1 : 0);
  }
  bool fits_unsigned() const { return high_ == 0 && uint64_t(low_ >> 64) == 0; }
  uint64_t word() const { return uint64_t(low_); }
  double approximate() const {
    const bool minus = negative();
    const unsigned __int128 low = minus ? 0 - low_ : low_;
    const int64_t high = minus ? (low_ == 0 ? -high_ : ~high_) : high_;
    const double y = double(high) * 0x1p128 + double(low);
    return minus ? -y : y;
  }

 private:
  void add(unsigned __int128 p) {
    low_ += p;
    high_ += low_ < p;
  }
  void subtract(unsigned __int128 p) {
    high_ -= low_ < p;
    low_ -= p;
  }
  unsigned __int128 low_ = 0;
  int64_t high_ = 0;
};

}  // namespace faltung
