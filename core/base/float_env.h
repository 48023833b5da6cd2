// The floating-point environment that kernels may rely on.
#pragma once

#include <cstdint>

#if defined(__SSE__) || defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace faltung {

/// While one lives, this thread rounds to nearest, keeps subnormals and traps nothing.
///
/// Other libraries flush subnormals for the whole thread (-ffast-math objects do when they are loaded), and
/// new threads inherit that from their creator. Results would then depend on who created which thread when.
class FloatEnvironment {
 public:
  FloatEnvironment() noexcept : saved_(read()) {
    if (control(saved_) != standard) write(standard);
  }
  ~FloatEnvironment() {
    if (control(saved_) != standard) write(saved_);
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__SSE__) || defined(__x86_64__)
  static constexpr std::uint64_t standard = 0x1f80;  // MXCSR: all exceptions masked, nothing else
  static std::uint64_t control(std::uint64_t value) noexcept {
    return value & ~std::uint64_t{0x3f};
  }  // - flags
  static std::uint64_t read() noexcept { return _mm_getcsr(); }
  static void write(std::uint64_t value) noexcept { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__) && defined(__GNUC__)
  static constexpr std::uint64_t standard = 0;  // FPCR
  static std::uint64_t control(std::uint64_t value) noexcept { return value; }
  static std::uint64_t read() noexcept {
    std::uint64_t value = 0;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(std::uint64_t value) noexcept { __asm__ __volatile__("msr fpcr, %0" : : "r"(value)); }
#else
  static constexpr std::uint64_t standard = 0;
  static std::uint64_t control(std::uint64_t) noexcept { return standard; }
  static std::uint64_t read() noexcept { return standard; }
  static void write(std::uint64_t) noexcept {}
#endif

  std::uint64_t saved_;
};

}  // namespace faltung
