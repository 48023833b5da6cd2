// What stands around the transforms: transposes, measures and factors of lanes.
//
// A transpose works on blocks of lanes x lanes numbers: it first lays pieces of 16 bytes from every fourth (doubles: second)
// source beside each other, which insertions from memory do, and then transposes 4 x 4 floats or 2 x 2 doubles within 16
// bytes. AVX-512, floats: 48 insertions on either port and 32 shuffles on one of them for 256 numbers, at least 40 cycles
// (measured 59); by shuffles alone it is 64 (measured 100).
#pragma once
#include <limits>

#include "core/kernels/isa/quarters.h"
#include "core/kernels/spectral.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <int... I>
struct Indices {};
template <int N, int... I>
struct CountTo : CountTo<N - 1, N - 1, I...> {};
template <int... I>
struct CountTo<0, I...> {
  using type = Indices<I...>;
};

// Transposes within every 16 bytes of a few vectors.
template <class T, int Bytes>
struct Within {
  using V = typename Vec<T, Bytes>::type;
  static constexpr int kLanes = Vec<T, Bytes>::lanes, kUnit = 16 / int(sizeof(T));

  // Numbers of the 16 bytes of a and, from kUnit on, of b.
  template <int... Choice>
  struct Pick {
    static constexpr int from(int i) {
      constexpr int choices[] = {Choice...};
      const int choice = choices[i % kUnit], base = i / kUnit * kUnit;
      return choice < kUnit ? base + choice : kLanes + base + choice - kUnit;
    }
    template <int... I>
    static FALTUNG_INLINE V run(V a, V b, Indices<I...>) {
      return __builtin_shufflevector(a, b, from(I)...);
    }
  };
  template <int... Choice>
  static FALTUNG_INLINE V pick(V a, V b) {
    return Pick<Choice...>::run(a, b, typename CountTo<kLanes>::type{});
  }

  // v[0], v[step], ... : two doubles or four floats.
  static FALTUNG_INLINE void transpose(V* v, int step) {
    if constexpr (kUnit == 2) {
      const V a = v[0], b = v[step];
      v[0] = pick<0, 2>(a, b);
      v[step] = pick<1, 3>(a, b);
    } else {
      const V low = pick<0, 4, 1, 5>(v[0], v[step]), high = pick<2, 6, 3, 7>(v[0], v[step]);
      const V low2 = pick<0, 4, 1, 5>(v[2 * step], v[3 * step]),
              high2 = pick<2, 6, 3, 7>(v[2 * step], v[3 * step]);
      v[0] = pick<0, 1, 4, 5>(low, low2);
      v[step] = pick<2, 3, 6, 7>(low, low2);
      v[2 * step] = pick<0, 1, 4, 5>(high, high2);
      v[3 * step] = pick<2, 3, 6, 7>(high, high2);
    }
  }
};

template <class T, int Bytes>
struct SpectralLines {
  using Vx = Vec<T, Bytes>;
  using V = typename Vx::type;
  static constexpr int L = Vx::lanes;

  // L numbers from each of L places to L others: number i of source l becomes number l of target i.
  template <class Source, class Target>
  static FALTUNG_INLINE void transpose(Source source, Target target) {
    constexpr int kPieces = Bytes / 16, kUnit = L / kPieces;
    V v[L];
#pragma GCC unroll 4
    for (int a = 0; a < kUnit; ++a) {
      const T* from[kPieces];
#pragma GCC unroll 4
      for (int k = 0; k < kPieces; ++k) from[k] = source(k * kUnit + a);
#pragma GCC unroll 4
      for (int c = 0; c < kPieces; ++c) {
        const T* at[kPieces];
#pragma GCC unroll 4
        for (int k = 0; k < kPieces; ++k) at[k] = from[k] + c * kUnit;
        v[a * kPieces + c] = Quarters<T, Bytes>::load(at);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < kPieces; ++c) {
      Within<T, Bytes>::transpose(v + c, kPieces);
#pragma GCC unroll 4
      for (int t = 0; t < kUnit; ++t) Vx::store(target(c * kUnit + t), v[t * kPieces + c]);
    }
  }

  // Blocks of L; the last one overlaps the one before, where there is one.
  template <class Block, class Single>
  static FALTUNG_INLINE void by_blocks(int64_t n, Block block, Single single) {
    int64_t i = 0;
    for (; i + L <= n; i += L) block(i);
    if (i == n) return;
    if (n >= L) return block(n - L);
    for (; i < n; ++i) single(i);
  }

  static void gather(const T* const* rows, int64_t n, T* z, int64_t step) {
    by_blocks(
        n,
        [&](int64_t i) FALTUNG_LAMBDA_INLINE {
          transpose([&](int l) FALTUNG_LAMBDA_INLINE { return rows[l] + i; },
                    [&](int t) FALTUNG_LAMBDA_INLINE { return z + (i + t) * step; });
        },
        [&](int64_t i) FALTUNG_LAMBDA_INLINE {
          for (int l = 0; l < L; ++l) z[i * step + l] = rows[l][i];
        });
  }
  static void scatter(const T* z, int64_t step, int64_t n, T* const* rows) {
    by_blocks(
        n,
        [&](int64_t i) FALTUNG_LAMBDA_INLINE {
          transpose([&](int t) FALTUNG_LAMBDA_INLINE { return z + (i + t) * step; },
                    [&](int l) FALTUNG_LAMBDA_INLINE { return rows[l] + i; });
        },
        [&](int64_t i) FALTUNG_LAMBDA_INLINE {
          for (int l = 0; l < L; ++l) rows[l][i] = z[i * step + l];
        });
  }

  // The larger of each, NaN being smaller than anything; the squares of a lane are NaN exactly where one of its numbers is.
  static FALTUNG_INLINE V larger(V x, V y) { return x > y ? x : y; }
  static FALTUNG_INLINE V size(V x) {
    using Bits = decltype(x < x);
    return reinterpret_cast<V>(reinterpret_cast<Bits>(x) & ~reinterpret_cast<Bits>(-V{}));
  }
  static void measure(const T* z, int64_t step, int64_t n, T* largest, T* squares) {
    constexpr int kChains = 4;
    V most[kChains] = {Vx::load(largest)}, sum[kChains] = {Vx::load(squares)};
    int64_t i = 0;
    for (; i + kChains <= n; i += kChains, z += kChains * step) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) {
        const V x = Vx::load(z + c * step);
        most[c] = larger(size(x), most[c]);
        sum[c] += x * x;
      }
    }
    for (; i < n; ++i, z += step) {
      const V x = Vx::load(z);
      most[0] = larger(size(x), most[0]);
      sum[0] += x * x;
    }
    const V total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    const V found = larger(larger(most[0], most[1]), larger(most[2], most[3]));
    Vx::store(largest, total == total ? found : Vx::fill(std::numeric_limits<T>::infinity()));
    Vx::store(squares, total);
  }

  static void scale(T* z, int64_t step, int64_t n, const T* factors) {
    const V factor = Vx::load(factors);
    for (int64_t i = 0; i < n; ++i, z += step) Vx::store(z, Vx::load(z) * factor);
  }
};

}  // namespace
}  // namespace faltung
