// The residues of output positions modulo the stride, along one axis: each is a correlation of stride 1.
//
//   y[r],  r + pad = i S + h D        g = gcd(S, D)
//
// The taps that reach a residue lie S / g apart and meet samples D / g apart, the later tap the earlier sample:
//
//   y[first + n S] = sum over t < taps of x[n + t dilation - pad'] * w[tap - t tap_step]
#pragma once
#include <vector>

#include "core/reference/layer.h"

namespace faltung {

struct TransposedPhase {
  int64_t first, outs;  // outputs first, first + S, ...
  int64_t taps, tap,
      tap_step;            // tap 0 of the correlation is `tap` of the kernel, the next tap_step before it
  int64_t dilation, pad;   // of the correlation; a negative pad skips samples
  int64_t residue, block;  // first + pad of the axis = block S + residue
};

// Residues that some tap reaches, in the order of their first output. All others are bias and residual alone.
std::vector<TransposedPhase> transposed_phases(const LayerAxis& axis);

// Residues that are computed together: their outputs stand side by side in blocks of the stride, block by block.
struct TransposedSet {
  std::vector<TransposedPhase> phases;  // in the order of their residues
  int64_t stride, block, blocks;        // the first block, and how many
  int64_t taps, tap_step, dilation, pad;

  // Whether each of the phases has an output in every block.
  bool even() const;
  // Whether they are all residues, so that blocks have no gaps.
  bool full() const { return int64_t(phases.size()) == stride; }
};

// One set for each phase; or, `together`, one for all that have equally many taps and meet the same samples.
std::vector<TransposedSet> transposed_sets(const LayerAxis& axis, bool together);

// The samples that windows meet, and the padding of their correlation on these; none: size 0.
struct PhaseInput {
  int64_t begin, size, pad;
};
// Of blocks [first, last) of a set, counted from its own first.
PhaseInput set_input(const TransposedSet& set, int64_t samples, int64_t first, int64_t last);

}  // namespace faltung
