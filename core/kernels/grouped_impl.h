// The grouped microkernel, once for every type, shape and ISA.
//
// Budget (AVX-512, 32 registers; 4 outs x 6 vectors): 24 accumulators + 4 weights + 1 sample and what is in flight = 30.
// A term is 24 multiply-adds, 12 cycles on two ports, against 6 loads of samples, two cache lines each where they are
// unaligned, 4 broadcasts from memory and an offset: 17 of 24 line reads. No shuffle, and no register of the other
// operand is refilled more than once a term. Two outs x 12 vectors stand at 27 of 24 line reads: few outs are fed by the
// loads, not by the multipliers. Measured on samples in the near cache, of 224 GFLOP/s: 2 x 12 125, 3 x 8 158, 4 x 6 175
// to 196, 6 x 4 194, 8 x 3 207 to 224. AVX2 (16 registers): 4 x 3 holds 12 accumulators, 3 samples and one weight at a
// time.
#pragma once
#include "core/kernels/grouped.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

// In a register: GCC would load it again for every multiplication.
template <class V>
FALTUNG_INLINE void keep(V& v) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__SSE2__)
  __asm__("" : "+x"(v));
#else
  static_cast<void>(v);
#endif
}

template <class T, int Bytes, int O, int V>
void grouped(const GroupedArgs<T>& g) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  vec acc[O][V] = {};
  const T* w = g.weights;
  for (int64_t t = 0; t < g.terms; ++t, w += O) {
    const T* x = g.x + g.offsets[t];
    if constexpr (O < V) {
      vec weight[O];
#pragma GCC unroll 8
      for (int o = 0; o < O; ++o) weight[o] = Vx::fill(w[o]);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) {
        vec a = Vx::load(x + v * L);
        if constexpr (O > 1) keep(a);
#pragma GCC unroll 8
        for (int o = 0; o < O; ++o) acc[o][v] += a * weight[o];
      }
    } else {
      vec a[V];
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) a[v] = Vx::load(x + v * L);
#pragma GCC unroll 8
      for (int o = 0; o < O; ++o) {
        const vec weight = Vx::fill(w[o]);
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) acc[o][v] += a[v] * weight;
      }
    }
  }
#pragma GCC unroll 8
  for (int o = 0; o < O; ++o) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      T* to = g.sums + o * g.sum_step + v * L;
      Vx::store(to, g.add ? Vx::load(to) + acc[o][v] : acc[o][v]);
    }
  }
}

// NaN passes: a comparison with it is false.
template <class V>
FALTUNG_INLINE V finished(V y, V lo, V hi) {
  y = lo > y ? lo : y;
  return hi < y ? hi : y;
}

template <class T, int Bytes, bool Residual>
FALTUNG_INLINE void finish_line(const T* sums, T* out, const T* residual, int64_t count, T bias, T lo, T hi) {
  if constexpr (Bytes == sizeof(T)) {
    if (count > 0) {
      T y = sums[0] + bias;
      if constexpr (Residual) y += residual[0];
      out[0] = finished(y, lo, hi);
    }
  } else {
    using Vx = Vec<T, Bytes>;
    using vec = typename Vx::type;
    const vec b = Vx::fill(bias), l = Vx::fill(lo), h = Vx::fill(hi);
    int64_t i = 0;
    for (; i + Vx::lanes <= count; i += Vx::lanes) {
      vec y = Vx::load(sums + i) + b;
      if constexpr (Residual) y += Vx::load(residual + i);
      Vx::store(out + i, finished(y, l, h));
    }
    constexpr int kHalf = Bytes > 16 ? Bytes / 2 : int(sizeof(T));
    if constexpr (kHalf > int(sizeof(T))) {
      finish_line<T, kHalf, Residual>(sums + i, out + i, Residual ? residual + i : residual, count - i, bias,
                                      lo, hi);
    } else {
      for (; i < count; ++i)
        finish_line<T, kHalf, Residual>(sums + i, out + i, Residual ? residual + i : residual, 1, bias, lo,
                                        hi);
    }
  }
}

template <class T, int Bytes>
void finish(const FinishArgs<T>& f) {
  for (int64_t r = 0; r < f.rows; ++r) {
    const T* sums = f.sums + r * f.sum_step;
    T* out = f.out + r * f.out_step;
    if (f.residual)
      finish_line<T, Bytes, true>(sums, out, f.residual + r * f.residual_step, f.count, f.bias, f.lo, f.hi);
    else
      finish_line<T, Bytes, false>(sums, out, nullptr, f.count, f.bias, f.lo, f.hi);
  }
}

// The last vector overlaps the one before it.
template <class T, int Bytes>
FALTUNG_INLINE void copy_line(const T* from, T* to, int64_t count) {
  using Vx = Vec<T, Bytes>;
  constexpr int L = Vx::lanes;
  if (count >= L) {
    for (int64_t i = 0; i < count - L; i += L) Vx::store(to + i, Vx::load(from + i));
    Vx::store(to + count - L, Vx::load(from + count - L));
  } else if constexpr (Bytes > 16) {
    copy_line<T, Bytes / 2>(from, to, count);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

// Elements First, First + 2, ... of two vectors side by side.
template <int First, int... I>
struct Seconds {
  template <class V>
  static FALTUNG_INLINE V of(V a, V b) {
    return __builtin_shufflevector(a, b, (First + 2 * I)...);
  }
};
template <int First, int N, int... I>
struct CountSeconds : CountSeconds<First, N - 1, N - 1, I...> {};
template <int First, int... I>
struct CountSeconds<First, 0, I...> {
  using type = Seconds<First, I...>;
};

// Every second element of 2 count - 1; the last vector, which may not read beyond, takes the odd ones of its pair.
template <class T, int Bytes>
FALTUNG_INLINE void copy_seconds(const T* from, T* to, int64_t count) {
  using Vx = Vec<T, Bytes>;
  constexpr int L = Vx::lanes;
  if (count > L) {
    for (int64_t i = 0; i < count - L; i += L)
      Vx::store(to + i, CountSeconds<0, L>::type::of(Vx::load(from + 2 * i), Vx::load(from + 2 * i + L)));
    from += 2 * (count - L) - 1;
    Vx::store(to + count - L, CountSeconds<1, L>::type::of(Vx::load(from), Vx::load(from + L)));
  } else if constexpr (Bytes > 16) {
    copy_seconds<T, Bytes / 2>(from, to, count);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
  }
}

// Few: a call of memset would cost more, which the barrier keeps the compiler from.
template <class T>
FALTUNG_INLINE void clear(T* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    to[i] = 0;
    __asm__ volatile("" : : : "memory");
  }
}

template <class T, int Bytes>
void border(const BorderArgs<T>& b) {
  if (b.count == 0 && b.before + b.after > Vec<T, Bytes>::lanes) {
    for (int64_t r = 0; r < b.rows; ++r)
      __builtin_memset(b.to + r * b.to_step, 0, size_t(b.before + b.after) * sizeof(T));
    return;
  }
  for (int64_t r = 0; r < b.rows; ++r) {
    const T* from = b.from + r * b.from_step;
    T* to = b.to + r * b.to_step;
    clear(to, b.before);
    to += b.before;
    if (b.step == 1)
      copy_line<T, Bytes>(from, to, b.count);
    else
      copy_seconds<T, Bytes>(from, to, b.count);
    clear(to + b.count, b.after);
  }
}

template <class T, int Bytes, int O, int V>
constexpr GroupedKernel<T> grouped_row(const char* name) {
  return {name, O, V, Vec<T, Bytes>::lanes, &grouped<T, Bytes, O, V>};
}

}  // namespace
}  // namespace faltung

// Table rows: one kernel each, and the vectors 1..N of one number of outs.
#define FALTUNG_GROUPED_ROW(T, B, type, isa, O, V) \
  grouped_row<T, B, O, V>("grouped_" #type "_" #O "x" #V "_" #isa)
#define FALTUNG_GROUPED_2(T, B, type, isa, O) \
  FALTUNG_GROUPED_ROW(T, B, type, isa, O, 1), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 2)
#define FALTUNG_GROUPED_3(T, B, type, isa, O) \
  FALTUNG_GROUPED_2(T, B, type, isa, O), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 3)
#define FALTUNG_GROUPED_4(T, B, type, isa, O) \
  FALTUNG_GROUPED_3(T, B, type, isa, O), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 4)
#define FALTUNG_GROUPED_5(T, B, type, isa, O) \
  FALTUNG_GROUPED_4(T, B, type, isa, O), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 5)
#define FALTUNG_GROUPED_6(T, B, type, isa, O) \
  FALTUNG_GROUPED_5(T, B, type, isa, O), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 6)
#define FALTUNG_GROUPED_8(T, B, type, isa, O)                                        \
  FALTUNG_GROUPED_6(T, B, type, isa, O), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 7), \
      FALTUNG_GROUPED_ROW(T, B, type, isa, O, 8)
#define FALTUNG_GROUPED_12(T, B, type, isa, O)                                                  \
  FALTUNG_GROUPED_8(T, B, type, isa, O), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 9),            \
      FALTUNG_GROUPED_ROW(T, B, type, isa, O, 10), FALTUNG_GROUPED_ROW(T, B, type, isa, O, 11), \
      FALTUNG_GROUPED_ROW(T, B, type, isa, O, 12)
// A unit is its rows and these.
#define FALTUNG_GROUPED_TABLE(T, B, type, isa)                                                    \
  extern "C" const faltung::GroupedTable<T> faltung_grouped_##type##_##isa##_table = {            \
      faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0]), &faltung::finish<T, B>, \
      &faltung::border<T, B>};
