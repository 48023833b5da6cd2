// The grouped family: a layer whose groups have few channels, on planes of samples.
//
// A vector holds neighbouring positions of one channel, so that any number of channels fills it. The input lies packed, each
// plane with its border around it, so that a term of the sum is the same plane shifted by one offset for all positions, from
// the end of one row into the next as well:
//
//   sums[o * sum_step + p] = (add ? the same : 0) + sum over t < terms of x[p + offsets[t]] * weights[t * outs + o]
//   o < outs, p < vectors * lanes
#pragma once
#include <cstdint>

namespace faltung {

template <class T>
struct GroupedArgs {
  const T* x;
  const int64_t* offsets;  // elements
  const T* weights;
  int64_t terms;
  T* sums;
  int64_t sum_step;
  bool add;
};

template <class T>
struct GroupedKernel {
  const char* name;
  int outs, vectors, lanes;
  void (*run)(const GroupedArgs<T>&);
};

// Finished lines: out[r * out_step + i] = clip(sums[r * sum_step + i] + bias + residual[r * residual_step + i]).
template <class T>
struct FinishArgs {
  const T* sums;
  T* out;             // may be `sums`
  const T* residual;  // null for none
  int64_t rows, count, sum_step, out_step, residual_step;
  T bias, lo, hi;
};

// A plane with its border: to[r * to_step + i] = from[r * from_step + (i - before) * step] for i in [before, before +
// count), 0 for the others of before + count + after; step is 1 or 2.
template <class T>
struct BorderArgs {
  const T* from;
  T* to;
  int64_t rows, before, count, after, step, from_step, to_step;
};

template <class T>
struct GroupedTable {
  const GroupedKernel<T>* kernels;  // outs ascending from 1; of each, vectors ascending from 1
  int count;
  void (*finish)(const FinishArgs<T>&);
  void (*border)(const BorderArgs<T>&);
};

}  // namespace faltung

#define FALTUNG_DECLARE_GROUPED(isa)                                               \
  extern "C" const faltung::GroupedTable<float> faltung_grouped_f32_##isa##_table; \
  extern "C" const faltung::GroupedTable<double> faltung_grouped_f64_##isa##_table;
FALTUNG_DECLARE_GROUPED(baseline)
FALTUNG_DECLARE_GROUPED(avx2)
FALTUNG_DECLARE_GROUPED(avx512)
