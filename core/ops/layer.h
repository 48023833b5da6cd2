// A layer, planned: decides once how a LayerProblem runs, then runs it on any arrays of that shape.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/cpu.h"
#include "core/base/pool.h"
#include "core/reference/layer.h"

namespace faltung {

// How a plan works, for people.
struct LayerSummary {
  std::string kernel;                             // the microkernel of the full tile
  int64_t tile_positions = 0, tile_channels = 0;  // its outputs
  int64_t strip = 0;                              // output rows of one unit of work
  int64_t chunk = 0;                              // terms that a register sums from zero, at most 256
  int64_t splits = 1;                             // parts of a reduction that are summed apart
  int64_t units = 0;
  int64_t scratch = 0;        // bytes a thread
  int64_t shared = 0;         // bytes a call: partial sums
  bool packs_input = false;   // strip by strip into cache; else the input is read where it is
  bool turns_output = false;  // tiles are transposed at the store
};

class Layer {
 public:
  virtual ~Layer() = default;
  // Bytes of prepared weights, which begin at a cache line.
  virtual int64_t packed_bytes() const = 0;
  // Prepares weights that stand as the problem says (`weights` is tap 0 of channel 0).
  virtual void pack(const void* weights, void* packed, int threads) const = 0;
  // Immutable: may run in many threads at once. arrays.weight is prepared. The bits do not depend on `threads`.
  virtual Outcome run(const LayerArrays& arrays, int threads, Poll poll) const = 0;
  virtual const LayerSummary& summary() const = 0;
};

// The definition as a plan: takes every problem.
std::unique_ptr<Layer> plan_layer_reference(const LayerProblem& problem);

}  // namespace faltung
