// How a woven transposed layer is cut: which residues are computed together, strips of blocks, pieces of channels.
//
// A block is S neighbouring outputs of an axis, counted from where the padding begins: one output of every residue. Layers
// of stride 1 write the residues of some blocks into scratch memory in the near cache, from where whole lines of the result
// are woven. All numbers derive from shapes and types alone.
#pragma once
#include <vector>

#include "core/ops/pair_cut.h"
#include "core/ops/transposed_phases.h"

namespace faltung {

// One set of every axis.
struct TransposedCombo {
  std::vector<const TransposedSet*> sets;
  int64_t residues;        // computed together
  bool channels_together;  // in scratch [blocks][channel], else [channel][blocks]
};

struct TransposedCut {
  std::vector<std::vector<TransposedSet>> sets;  // of every axis
  std::vector<TransposedCombo> combos;           // the sets of the last axis run fastest
  bool residues_first;  // scratch channels are [residue][channel], else [channel][residue]
  std::vector<PairRange> items, strips, channels;  // of the batch, of the first axis's blocks, of the outputs
  bool gaps;                                       // some outputs belong to no residue that a tap reaches
};

// With `together`, residues may share a layer where that is cheaper. `lanes` of a vector.
TransposedCut cut_transposed(const LayerProblem& problem, bool together, int64_t lanes);

// Whether lines of the result have to be woven: residues of the last axis would interleave single numbers.
bool needs_weaving(const LayerProblem& problem, const TransposedCut& cut);

}  // namespace faltung
