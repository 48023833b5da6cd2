// A planned correlation as Python holds it.
#pragma once
#include <nanobind/nanobind.h>

#include <memory>

#include "core/ops/correlate.h"

namespace faltung::bindings {

struct PyCorrelation {
  std::unique_ptr<Correlation> plan;
  int64_t
      kernel_offset;  // bytes from the kernel's first element to tap 0: a convolution starts at the far end
};

// Runs on the memory of two arrays and of the result; true when a value had to be reported (see Store). With
// `release` the GIL is free meanwhile and Ctrl-C is heard; `threads` 0 stands for the setting.
bool run_correlation(const PyCorrelation& self, const char* in, const char* kernel, char* out, int threads,
                     bool release);

}  // namespace faltung::bindings
