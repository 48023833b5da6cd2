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
      tap_step;           // tap 0 of the correlation is `tap` of the kernel, the next one tap_step before it
  int64_t dilation, pad;  // of the correlation; a negative pad skips samples
};

// Residues that some tap reaches, in the order of their first output. All others are bias and residual alone.
std::vector<TransposedPhase> transposed_phases(const LayerAxis& axis);

// The samples that the windows of a phase meet, and the padding of its correlation on them.
struct PhaseInput {
  int64_t begin, size, pad;  // no samples: size 0
};
PhaseInput phase_input(const TransposedPhase& phase, int64_t samples);

}  // namespace faltung
