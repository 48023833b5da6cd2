// The array operation, planned: decides once how a Problem runs, then runs it on any arrays of that shape.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/cpu.h"
#include "core/base/pool.h"
#include "core/reference/reference.h"

namespace faltung {

// How a plan works, for people.
struct Summary {
  std::string kernel;  // the microkernel of the full tile
  int64_t tile_rows = 0, tile_columns = 0, tile_group = 0;
  int64_t strip_rows = 0, block_columns = 0;  // one unit of work
  int64_t units = 0;
  int64_t calls = 0;            // partial sums a tile is added up from
  int64_t scratch = 0;          // bytes a thread
  int64_t packed_weights = 0;   // bytes
  bool reads_in_place = false;  // else lines are converted into scratch
  bool writes_in_place = false;
  std::vector<int64_t> block;  // points of a spectral block, an axis each
};

class Correlation {
 public:
  virtual ~Correlation() = default;
  // Immutable: may run in many threads at once. The result does not depend on `threads`.
  virtual Outcome run(const void* in, const void* kernel, void* out, int threads, Poll poll) const = 0;
  virtual const Summary& summary() const = 0;
};

// The direct method: a register-tiled stencil.
std::unique_ptr<Correlation> plan_stencil(const Problem& problem, Isa isa);

// The separable method: the kernel is a sum of `terms` outer products of 1-D factors. In place of the kernel it takes
// factors[term][axis][tap] in float64, axes as in the problem, taps in the order of the correlation (kernel steps are not
// looked at), the factor of an axis as long as its taps.
std::unique_ptr<Correlation> plan_separable(const Problem& problem, int terms, Isa isa);

// The spectral method: overlap-save in blocks.
struct SpectralOptions {
  // Points of a block along each axis: products of 2, 3 and 5, at least the axis's reach.
  std::vector<int64_t> block;
  // A block along one axis is a matrix that fills the lanes (four-step); else a lane holds a block.
  bool folded = false;
  // Samples beyond 2^16 times the root mean square of the rest of their block are added term by term.
  bool local = false;
  // Keep the spectrum of a kernel of any size for the next run; else up to 4 KB of taps.
  bool keep = false;
};
std::unique_ptr<Correlation> plan_spectral(const Problem& problem, const SpectralOptions& options, Isa isa);

}  // namespace faltung
