#include "core/ops/stencil_roles.h"

#include <algorithm>

namespace faltung {
namespace {

constexpr int64_t kLargestGroup = 16;  // a wider inner axis is a line of its own

ConvAxis as_conv(const BatchAxis& b) {
  return {b.size, b.size, 1, 1, 1, 0, Boundary::constant, b.in_step, 0, b.out_step, b.order};
}

ConvAxis single() {
  return {1, 1, 1, 1, 1, 0, Boundary::constant, 0, 0, 0, 0};
}

// Axes that are one walk through memory become one: outer step = inner step * inner size, everywhere.
void merge(std::vector<BatchAxis>& batch) {
  std::sort(batch.begin(), batch.end(),
            [](const BatchAxis& a, const BatchAxis& b) { return a.order > b.order; });
  std::vector<BatchAxis> merged;
  for (const BatchAxis& b : batch) {
    if (!merged.empty()) {
      BatchAxis& outer = merged.back();
      if (outer.order == b.order * b.size && outer.out_step == b.out_step * b.size &&
          outer.in_step == b.in_step * b.size && outer.kernel_step == b.kernel_step * b.size) {
        outer = {outer.size * b.size, b.in_step, b.kernel_step, b.out_step, b.order};
        continue;
      }
    }
    merged.push_back(b);
  }
  batch = merged;
}

template <class Axis, class Less>
Axis take(std::vector<Axis>& from, Less less) {
  const auto it = std::min_element(from.begin(), from.end(), less);
  const Axis axis = *it;
  from.erase(it);
  return axis;
}

}  // namespace

Roles assign_roles(const Problem& problem) {
  const int64_t parts = problem.parts();
  std::vector<ConvAxis> conv;
  std::vector<BatchAxis> batch, kernels;
  for (const ConvAxis& a : problem.axes) {
    // One tap never leaves the array: every stride-th sample, a batch axis.
    if (a.taps == 1 && a.pad == 0 && (a.out - 1) * a.stride < a.in)
      batch.push_back({a.out, a.in_step * a.stride, 0, a.out_step, a.order});
    else
      conv.push_back(a);
  }
  for (const BatchAxis& b : problem.batch) (b.kernel_step == 0 ? batch : kernels).push_back(b);
  const auto is_single = [](const BatchAxis& b) { return b.size == 1; };
  std::erase_if(batch, is_single);
  std::erase_if(kernels, is_single);

  // An axis with one output makes no line.
  const auto finer = [](const ConvAxis& a, const ConvAxis& b) {
    if ((a.out == 1) != (b.out == 1)) return b.out == 1;
    return a.order < b.order;
  };
  const auto finest = std::min_element(
      batch.begin(), batch.end(), [](const BatchAxis& a, const BatchAxis& b) { return a.order < b.order; });
  const auto finest_conv = std::min_element(conv.begin(), conv.end(), finer);
  const bool has_line = finest_conv != conv.end() && finest_conv->out > 1;

  Roles roles{single(), single(), parts, parts, 1, 0, 0, {}, {}, {}};
  if (finest != batch.end() && (!has_line || finest->order < finest_conv->order)) {
    const BatchAxis inner = *finest;
    if (has_line && inner.size * parts <= kLargestGroup) {
      batch.erase(finest);
      roles.line = take(conv, finer);
      roles.fused = inner.size;
      roles.group = inner.size * parts;
      roles.in_inner = inner.in_step;
      roles.out_inner = inner.out_step;
    } else {
      // A batch axis is the line itself, with what continues it in memory.
      merge(batch);
      roles.line =
          as_conv(take(batch, [](const BatchAxis& a, const BatchAxis& b) { return a.order < b.order; }));
    }
  } else if (finest_conv != conv.end()) {
    roles.line = take(conv, finer);
  }

  // The rows axis is chosen before batch axes merge, which depends on strides.
  if (!conv.empty()) {
    roles.rows = take(conv, [](const ConvAxis& a, const ConvAxis& b) { return a.order < b.order; });
  } else if (!batch.empty()) {
    roles.rows = as_conv(take(batch, [](const BatchAxis& a, const BatchAxis& b) { return a.size > b.size; }));
  }
  merge(batch);
  roles.outer = conv;
  roles.batch = batch;
  roles.kernels = kernels;
  return roles;
}

}  // namespace faltung
