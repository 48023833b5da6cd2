// The floating-point environment that kernels may rely on.
#pragma once

#include <cstdint>

#if defined(__SSE__) || defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace faltung {

/// The control register of this thread's floating point, where the machine has one that we know.
struct FloatControl {
#if defined(__SSE__) || defined(__x86_64__)
  static constexpr std::uint64_t standard = 0x1f80;  // MXCSR: all exceptions masked, nothing else
  static constexpr std::uint64_t flush = 0x8040;     // FTZ: results, DAZ: operands
  static std::uint64_t control(std::uint64_t value) noexcept {
    return value & ~std::uint64_t{0x3f};
  }  // - flags
  static std::uint64_t read() noexcept { return _mm_getcsr(); }
  static void write(std::uint64_t value) noexcept { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__) && defined(__GNUC__)
  static constexpr std::uint64_t standard = 0;                    // FPCR
  static constexpr std::uint64_t flush = std::uint64_t{1} << 24;  // FZ: both
  static std::uint64_t control(std::uint64_t value) noexcept { return value; }
  static std::uint64_t read() noexcept {
    std::uint64_t value = 0;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(std::uint64_t value) noexcept { __asm__ __volatile__("msr fpcr, %0" : : "r"(value)); }
#else
  static constexpr std::uint64_t standard = 0, flush = 0;
  static std::uint64_t control(std::uint64_t) noexcept { return standard; }
  static std::uint64_t read() noexcept { return standard; }
  static void write(std::uint64_t) noexcept {}
#endif
};

/// While one lives, this thread rounds to nearest, keeps subnormals and traps nothing.
///
/// Other libraries flush subnormals for the whole thread (-ffast-math objects do when they are loaded), and
/// new threads inherit that from their creator. Results would then depend on who created which thread when.
class FloatEnvironment {
 public:
  FloatEnvironment() noexcept : saved_(FloatControl::read()) {
    if (FloatControl::control(saved_) != FloatControl::standard) FloatControl::write(FloatControl::standard);
  }
  ~FloatEnvironment() {
    if (FloatControl::control(saved_) != FloatControl::standard) FloatControl::write(saved_);
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  std::uint64_t saved_;
};

/// While one lives, this thread treats subnormal operands and results as zero, where the machine can.
///
/// A multiplication by a subnormal number costs some FMA units a hundred cycles. Only where the promise allows it: float32
/// of layers. Inside a FloatEnvironment (a body of parallel_for has one).
class FlushSubnormals {
 public:
  FlushSubnormals() noexcept : saved_(FloatControl::read()) {
    FloatControl::write(saved_ | FloatControl::flush);
  }
  ~FlushSubnormals() { FloatControl::write(saved_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  std::uint64_t saved_;
};

}  // namespace faltung
