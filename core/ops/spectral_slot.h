// What is known of a block while it stands in a half of some lanes: how large its samples are, and what follows from that.
//
// The real and the imaginary half of a transform hold a block of real data each, and the rounding errors of one reach the
// other. So blocks of very different size are scaled, each by its own power of two, and each error is relative to its own data.
// Single samples that a transform would spread over the whole block (not finite, or spikes) are lifted out of it.
#pragma once
#include <cmath>
#include <limits>
#include <vector>

#include "core/kernels/spectral.h"
#include "core/ops/spectral_grid.h"
#include "core/ops/spectral_taps.h"

namespace faltung {

constexpr int kMostLanes = 16;  // of any table

// A sample that stands as zero in the transform, and whose products are added to the results.
template <class T>
struct Lifted {
  int64_t slot, row, column;
  T re, im;
};

template <class T>
struct Slot {
  BlockItem item;
  int64_t kernel = 0;  // of the set
  bool present = false;
  bool direct = false;  // computed by the direct method instead
  int64_t lifted = 0;   // samples
  T limit = 0;          // samples that large are lifted
  T largest = 0;        // |x| of the others
  int exponent = 0;     // the samples stand multiplied by 2^exponent

  void clear(T first_limit) {
    present = direct = false;
    kernel = 0, lifted = 0, limit = first_limit, largest = 0, exponent = 0;
  }
  bool zero() const { return largest == T(0); }
  // Whether the results come from the transform.
  bool transformed() const { return present && !direct && !zero(); }
};

// Chooses the exponents of two real blocks that share lanes.
template <class T>
void balance(Slot<T>& a, Slot<T>& b);

// The samples that are lifted before anything else is known: those whose squares would leave the range, if all are to be
// judged by their squares, else what is not finite.
template <class T>
T first_limit(bool local) {
  return local ? std::ldexp(T(1), kSafe<T>) : std::numeric_limits<T>::infinity();
}

// The rule of `local`: the transform's error would drown a block whose largest sample is a spike, more than 2^16 times the root
// mean square of the rest. Of the block's pieces (sums of squares, `step` apart, of `samples` samples each) those without a sample
// other than zero do not count, and the largest sixteenth may hold spikes. Returns what samples make one; infinity: none do.
template <class T>
T spike_limit(const T* squares, int64_t pieces, int64_t step, double samples, T largest);

// More samples to lift than pays: by then the direct method is faster.
inline int64_t most_lifted(const BlockItem& item) {
  int64_t outputs = 1;
  for (const BlockSpan& s : item.spans) outputs *= s.outputs;
  return outputs / 32 + 1;
}

// Multiplies n vectors by 2^exponents, lane by lane, in as many steps as the range of T asks for; `clear` lanes become zero.
template <class T>
void scale_lanes(const SpectralTable<T>& table, T* z, int64_t step, int64_t n, const int* exponents,
                 const bool* clear);

}  // namespace faltung
