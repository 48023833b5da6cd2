// A planned layer and prepared weights as Python holds them.
#pragma once
#include <nanobind/nanobind.h>

#include <memory>

#include "core/base/memory.h"
#include "core/ops/layer.h"

namespace faltung::bindings {

struct PyLayer {
  LayerProblem problem;
  std::unique_ptr<Layer> plan;
  int64_t
      weight_offset;  // bytes from the weights' first element to tap 0: a flipped kernel starts at the far end
};

// What Layer::pack made; belongs to plans of the same problem.
struct PyPacked {
  Scratch memory;
};

// Prepares weights (the first element of the array) into packed_bytes() at a cache line; `threads` and `release` as below.
void pack_layer(const PyLayer& self, const char* weights, void* packed, int threads, bool release);

// Runs on the memory of arrays; null where there is no bias or residual. True when a value had to be reported (see Store).
// With `release` the GIL is free meanwhile and Ctrl-C is heard; `threads` 0 stands for the setting.
bool run_layer(const PyLayer& self, const LayerArrays& arrays, int threads, bool release);

// How a plan works, for people.
nanobind::dict summary_of(const LayerSummary& summary, int64_t weight_bytes);

}  // namespace faltung::bindings
