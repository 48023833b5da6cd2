// Lines of the result from residues that lie apart, and a residual taken apart the same way.
#pragma once
#include "core/ops/transposed_phases.h"

namespace faltung {

// The residues of one set along one line. Steps are bytes; an element is a number, or neighbouring ones.
struct WeaveSource {
  const TransposedSet* set;
  char* from;          // phase 0 in block `begin`
  int64_t begin, end;  // blocks, counted as the set's
  int64_t phase_step, block_step;
};

struct WeaveLine {
  char* line;
  int64_t step, element;  // bytes between its elements, and of one
  int64_t size, pad;      // elements, and the axis's padding
};

// Both directions copy every element of the line that one of the sources has.
void weave(const WeaveLine& line, const WeaveSource* sources, int64_t count);
void unravel(const WeaveLine& line, const WeaveSource* sources, int64_t count);

}  // namespace faltung
