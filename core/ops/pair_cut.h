// How a pair of layers is cut: whole items where several fit, else output rows of one; rows are of the first axis.
#pragma once
#include <vector>

#include "core/reference/layer.h"

namespace faltung {

inline constexpr int64_t kMiddleBytes =
    512 << 10;  // of a near cache of 2 MB, beside weights, samples and results

struct PairRange {
  int64_t begin, size;
};

// [0, size) in pieces of at most `most`: equal ones where that takes at most twice as many, else of two sizes. Pieces of one
// size share a plan and its prepared weights.
std::vector<PairRange> cut_evenly(int64_t size, int64_t most);

// What distinguishes strips that need plans of their own.
struct PairShape {
  int64_t items, rows, in, pad;
  bool operator==(const PairShape&) const = default;
};

// Output rows, and the input rows that their windows meet.
struct PairStrip {
  PairRange rows, in;
  int64_t pad;
};

// The strips of one item. One where windows reach beyond an end in another way than the axis itself can say.
std::vector<PairStrip> cut_rows(const LayerAxis& axis, int64_t most);

}  // namespace faltung
