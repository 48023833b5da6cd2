// Lines of the result from residues that lie apart, and a residual taken apart the same way.
#pragma once
#include <vector>

#include "core/ops/transposed_phases.h"

namespace faltung {

// The residues of one set along a line. Steps are bytes; an element is a number, or neighbouring ones.
struct WeaveSource {
  const TransposedSet* set;  // null: not in these lines
  int64_t begin, end;        // blocks, counted as the set's; the first stands where its base points
  int64_t phase_step, block_step;
};

struct WeaveLine {
  int64_t step, element;  // bytes between its elements, and of one
  int64_t size, pad;      // elements, and the axis's padding
};

// What is moved is found once, for all lines of one shape.
class Weaver {
 public:
  Weaver(const WeaveLine& line, const std::vector<WeaveSource>& sources);

  // Both copy every element of the line that a source has; bases[i] is where source i stands.
  void weave(char* line, char* const* bases) const { run<true>(line, bases); }
  void unravel(char* line, char* const* bases) const { run<false>(line, bases); }

 private:
  enum class Kind : uint8_t { pairs4, pairs8, move };
  struct Move {
    Kind kind;
    size_t source, other;  // `other` holds the odd elements of pairs
    int64_t line, line_step, from, from_step, odd, count, bytes;
  };
  void add_runs(const WeaveLine& line, const WeaveSource& source, size_t index);
  bool add_pairs(const WeaveLine& line, const std::vector<WeaveSource>& sources);
  template <bool Woven>
  void run(char* line, char* const* bases) const;

  std::vector<Move> moves_;
};

}  // namespace faltung
