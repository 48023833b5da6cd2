// Matrices transposed, once for every type and ISA.
//
// A block of L rows and E columns, E elements in 16 bytes, becomes E lines of L. Its vector e holds E columns of the rows
// e, E + e, 2 E + e, ...: pieces of 16 bytes, which the load puts side by side, so that what is left to do is to transpose
// E x E inside each piece:
//
//   L = 8, E = 4, from the rows a to h:   v0 = a0 a1 a2 a3 | e0 e1 e2 e3      to:   a0 b0 c0 d0 | e0 f0 g0 h0
//                                         v1 = b0 b1 b2 b3 | f0 f1 f2 f3            a1 b1 c1 d1 | e1 f1 g1 h1
//                                         v2 = c0 ..., v3 = d0 ...                  ...
//
// With 64-byte vectors of float: 64 loads of 16 bytes and 32 shuffles for 16 x 16, where transposing whole rows would take
// 64 shuffles, for which there is one port. What is not a whole block goes by squares of E, then one by one.
#pragma once
#include "core/kernels/isa/quarters.h"
#include "core/kernels/turn.h"

namespace faltung {
namespace {

template <int... I>
struct Counted {};
template <int N, int... I>
struct Count : Count<N - 1, N - 1, I...> {};
template <int... I>
struct Count<0, I...> {
  using type = Counted<I...>;
};

template <class T, int Bytes>
struct TurnBlock {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  typedef double pairs __attribute__((vector_size(Bytes)));
  static constexpr int L = Vx::lanes, E = 16 / int(sizeof(T)), kPieces = Bytes / 16;

  // Inside each piece: a0 b0 a1 b1 of the low halves, or of the high ones.
  template <bool High, class V>
  static FALTUNG_INLINE V interleave(V a, V b) {
    constexpr typename Count<Bytes / int(sizeof(a[0]))>::type all;
    return interleave<High>(a, b, all);
  }
  template <bool High, class V, int... I>
  static FALTUNG_INLINE V interleave(V a, V b, Counted<I...>) {
    constexpr int n = 16 / int(sizeof(a[0])), lanes = Bytes / int(sizeof(a[0]));
    return __builtin_shufflevector(a, b, (I % 2 * lanes + I / n * n + I % n / 2 + High * n / 2)...);
  }

  static FALTUNG_INLINE void run(const T* from, int64_t from_step, T* to, int64_t to_step) {
    vec v[E];
#pragma GCC unroll 4
    for (int e = 0; e < E; ++e) {
      const T* at[kPieces];
#pragma GCC unroll 4
      for (int k = 0; k < kPieces; ++k) at[k] = from + (k * E + e) * from_step;
      v[e] = Quarters<T, Bytes>::load(at);
    }
    store(v, to, to_step);
  }

  static FALTUNG_INLINE void store(const vec (&v)[2], double* to, int64_t to_step) {
    Vx::store(to, interleave<false>(v[0], v[1]));
    Vx::store(to + to_step, interleave<true>(v[0], v[1]));
  }
  static FALTUNG_INLINE void store(const vec (&v)[4], float* to, int64_t to_step) {
    const pairs a = (pairs)interleave<false>(v[0], v[1]), b = (pairs)interleave<true>(v[0], v[1]);
    const pairs c = (pairs)interleave<false>(v[2], v[3]), d = (pairs)interleave<true>(v[2], v[3]);
    Vx::store(to, (vec)interleave<false>(a, c));
    Vx::store(to + to_step, (vec)interleave<true>(a, c));
    Vx::store(to + 2 * to_step, (vec)interleave<false>(b, d));
    Vx::store(to + 3 * to_step, (vec)interleave<true>(b, d));
  }
};

template <class T>
void turn_one_by_one(const T* from, int64_t from_step, int64_t from_inner, T* to, int64_t to_step,
                     int64_t rows, int64_t columns) {
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < rows; ++i) to[j * to_step + i] = from[i * from_step + j * from_inner];
}

// Whole blocks, `Bytes` of rows at once, of rows [begin, rows); returns the first row that is left.
template <class T, int Bytes>
FALTUNG_INLINE int64_t turn_blocks(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t begin,
                                   int64_t rows, int64_t columns) {
  using Block = TurnBlock<T, Bytes>;
  constexpr int64_t E = Block::E;
  const int64_t whole = columns / E * E;
  int64_t i = begin;
  for (; i + Block::L <= rows; i += Block::L) {
    const T* f = from + i * from_step;
    T* t = to + i;
    for (int64_t j = 0; j < whole; j += E) Block::run(f + j, from_step, t + j * to_step, to_step);
    turn_one_by_one(f + whole, from_step, 1, t + whole * to_step, to_step, Block::L, columns - whole);
  }
  return i;
}

template <class T, int Bytes>
void turn(const T* from, int64_t from_step, int64_t from_inner, T* to, int64_t to_step, int64_t rows,
          int64_t columns) {
  int64_t done = 0;
  if (from_inner == 1) {
    done = turn_blocks<T, Bytes>(from, from_step, to, to_step, 0, rows, columns);
    if constexpr (Bytes > 16) done = turn_blocks<T, 16>(from, from_step, to, to_step, done, rows, columns);
  }
  turn_one_by_one(from + done * from_step, from_step, from_inner, to + done, to_step, rows - done, columns);
}

}  // namespace
}  // namespace faltung

#define FALTUNG_TURN_TABLE(T, B, type, isa)                                                                \
  extern "C" const faltung::TurnTable<T> faltung_turn_##type##_##isa##_table = {faltung::Vec<T, B>::lanes, \
                                                                                &faltung::turn<T, B>};
