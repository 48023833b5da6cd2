// Random numbers that are the same on every machine: a test is a seed, and a failure prints it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <initializer_list>

namespace faltung::tests {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {}

  std::uint64_t word() {  // splitmix64
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// Both ends included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(word() % (static_cast<std::uint64_t>(high - low) + 1));
  }
  bool one_in(std::int64_t n) { return between(1, n) == 1; }
  double unit() { return static_cast<double>(word() >> 11) * 0x1p-53; }
  template <class T>
  T of(std::initializer_list<T> choices) {
    return choices.begin()[between(0, static_cast<std::int64_t>(choices.size()) - 1)];
  }

 private:
  std::uint64_t state_;
};

/// FALTUNG_TEST_FULL=1 runs a random test `factor` times as long. ThreadSanitizer slows everything by far.
inline int repeated(int count, int factor = 20) {
#if defined(__SANITIZE_THREAD__)
  count /= 3;
#endif
  const char* full = std::getenv("FALTUNG_TEST_FULL");
  return full != nullptr && *full != '\0' && *full != '0' ? count * factor : count;
}

}  // namespace faltung::tests
