#include "core/bench/ceiling.h"

#include <cstdint>

namespace faltung::bench {
namespace {

constexpr int kChains = 12;  // two units times a latency of four, and some; 12 + 2 registers fit everywhere
constexpr std::int64_t kRounds = 2000;

template <class T, int Bytes>
struct Chains {
  typedef T vec __attribute__((vector_size(Bytes)));

  __attribute__((always_inline)) static inline void run() {
    vec acc[kChains], a, b;
    for (int c = 0; c < kChains; ++c) acc[c] = vec{} + T(c);
    a = vec{} + T(1);
    b = vec{} + T(2);
    // The compiler must neither see the values nor drop the work.
    __asm__ volatile("" : "+m"(a), "+m"(b));
    for (std::int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
      for (int c = 0; c < kChains; ++c) acc[c] = acc[c] * a + b;
    }
    for (int c = 0; c < kChains; ++c) __asm__ volatile("" : : "m"(acc[c]));
  }
  static double rate(void (*work)()) {
    return 2.0 * kChains * kRounds * (Bytes / int(sizeof(T))) / seconds(work) * 1e-9;
  }
};

template <class T>
void baseline() {
  Chains<T, 16>::run();
}
#if defined(FALTUNG_HAVE_AVX512)
template <class T>
__attribute__((target("avx2,fma"))) void avx2() {
  Chains<T, 32>::run();
}
template <class T>
__attribute__((target("avx512f,avx512dq,avx512vl,prefer-vector-width=512"))) void avx512() {
  Chains<T, 64>::run();
}
#endif

}  // namespace

template <class T>
double multiply_add_ceiling(Isa isa) {
#if defined(FALTUNG_HAVE_AVX512)
  if (isa == Isa::avx512) return Chains<T, 64>::rate(avx512<T>);
  if (isa == Isa::avx2) return Chains<T, 32>::rate(avx2<T>);
#endif
  static_cast<void>(isa);
  return Chains<T, 16>::rate(baseline<T>);
}

template double multiply_add_ceiling<float>(Isa);
template double multiply_add_ceiling<double>(Isa);
template double multiply_add_ceiling<std::uint64_t>(Isa);

}  // namespace faltung::bench
