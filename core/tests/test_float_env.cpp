// Subnormals are zero exactly while asked, on this thread alone.
#include "core/base/float_env.h"

#include <limits>
#include <thread>

#include "core/tests/check.h"

namespace faltung::tests {
namespace {

// Behind the compiler's back: what it computes itself knows no control register.
template <class T>
T product(T a, T b) {
  volatile T x = a, y = b;
  return x * y;
}

// Compares normal numbers only: a comparison flushes as well.
template <class T>
bool kept() {
  const T least = std::numeric_limits<T>::min(), tiny = std::numeric_limits<T>::denorm_min();
  return product(product(least, T(0.5)), T(2)) == least && product(tiny, T(0x1p100)) == tiny * T(0x1p100);
}

template <class T>
bool flushed() {
  const T least = std::numeric_limits<T>::min(), tiny = std::numeric_limits<T>::denorm_min();
  const bool results = product(least, T(0.5)) == 0, operands = product(tiny, T(0x1p100)) == 0;
  return results && operands && product(-least, T(0.5)) == 0 && product(least, T(2)) == 2 * least;
}

#if defined(__SSE2__) || defined(__aarch64__)
constexpr bool kCanFlush = true;
#else
constexpr bool kCanFlush = false;
#endif

}  // namespace

FALTUNG_TEST(subnormals_are_zero_while_asked) {
  const FloatEnvironment standard;
  CHECK(kept<float>() && kept<double>());
  {
    const FlushSubnormals flush;
    CHECK(flushed<float>() == kCanFlush && flushed<double>() == kCanFlush);
    {
      const FlushSubnormals again;
      CHECK(flushed<float>() == kCanFlush);
    }
    CHECK(flushed<float>() == kCanFlush);
    {
      const FloatEnvironment inner;
      CHECK(kept<float>() && kept<double>());
    }
    CHECK(flushed<float>() == kCanFlush);
  }
  CHECK(kept<float>() && kept<double>());
}

FALTUNG_TEST(subnormals_are_zero_on_one_thread) {
  const FloatEnvironment standard;
  bool other = false;
  std::thread thread([&] {
    const FlushSubnormals flush;
    other = flushed<float>() == kCanFlush && kept<float>() != kCanFlush;
  });
  thread.join();
  CHECK(other);
  CHECK(kept<float>());
}

}  // namespace faltung::tests
