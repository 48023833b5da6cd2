// What is known of a block while it stands in a half of some lanes: how large its samples are, and what follows from that.
//
// The real and the imaginary half of a transform hold a block of real data each, and the rounding errors of one reach the
// other. So blocks of very different size are scaled, each by its own power of two, and each error is relative to its own data.
#pragma once
#include <vector>

#include "core/kernels/spectral.h"
#include "core/ops/spectral_grid.h"
#include "core/ops/spectral_taps.h"

namespace faltung {

constexpr int kMostLanes = 16;  // of any table

// A sample that is not finite: it stands as zero in the transform, and its products are added to the results.
template <class T>
struct Broken {
  int64_t slot, row, column;
  T re, im;
};

template <class T>
struct Slot {
  BlockItem item;
  bool present = false;
  bool direct = false;  // computed by the direct method instead
  int64_t broken = 0;   // samples that are not finite
  T largest = 0;        // |x|
  double squares = 0;   // sum of squares
  int exponent = 0;     // the samples stand multiplied by 2^exponent

  void clear() {
    present = direct = false;
    broken = 0, largest = 0, squares = 0, exponent = 0;
  }
  bool zero() const { return largest == T(0); }
  // Whether the results come from the transform.
  bool transformed() const { return present && !direct && !zero(); }
};

// Chooses the exponents of two real blocks that share lanes.
template <class T>
void balance(Slot<T>& a, Slot<T>& b);

// The rule of `local`: so large a sample that the transform's error would drown the rest of the block.
template <class T>
bool has_spike(const Slot<T>& slot, int64_t samples);

// More samples to repair than pays: by then the direct method is faster.
inline int64_t most_broken(const BlockItem& item) {
  int64_t outputs = 1;
  for (const BlockSpan& s : item.spans) outputs *= s.outputs;
  return outputs / 32 + 1;
}

// Multiplies n vectors by 2^exponents, lane by lane, in as many steps as the range of T asks for; `clear` lanes become zero.
template <class T>
void scale_lanes(const SpectralTable<T>& table, T* z, int64_t step, int64_t n, const int* exponents,
                 const bool* clear);

}  // namespace faltung
