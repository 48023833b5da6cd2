#include "core/ops/stencil_roles.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace faltung {
namespace {

constexpr int64_t kLargestGroup = 16;  // a wider inner axis is a line of its own

ConvAxis as_conv(const BatchAxis& b) {
  return {b.size, b.size, 1, 1, 1, 0, Boundary::constant, b.in_step, 0, b.out_step};
}

ConvAxis single() { return {1, 1, 1, 1, 1, 0, Boundary::constant, 0, 0, 0}; }

bool finer(int64_t step_a, int64_t step_b) { return std::abs(step_a) < std::abs(step_b); }

// Axes that are one walk through memory become one: outer step = inner step * inner size, everywhere.
void merge(std::vector<BatchAxis>& batch) {
  std::sort(batch.begin(), batch.end(),
            [](const BatchAxis& a, const BatchAxis& b) { return finer(b.out_step, a.out_step); });
  std::vector<BatchAxis> merged;
  for (const BatchAxis& b : batch) {
    if (!merged.empty()) {
      BatchAxis& outer = merged.back();
      if (outer.out_step == b.out_step * b.size && outer.in_step == b.in_step * b.size &&
          outer.kernel_step == b.kernel_step * b.size) {
        outer = {outer.size * b.size, b.in_step, b.kernel_step, b.out_step};
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
  const int64_t in_size = kItemSize[int(problem.in)], out_size = kItemSize[int(problem.out)];
  std::vector<ConvAxis> conv;
  std::vector<BatchAxis> batch, kernels;
  for (const ConvAxis& a : problem.axes) {
    // One tap never leaves the array: every stride-th sample, a batch axis.
    if (a.taps == 1 && a.pad == 0)
      batch.push_back({a.out, a.in_step * a.stride, 0, a.out_step});
    else
      conv.push_back(a);
  }
  for (const BatchAxis& b : problem.batch) (b.kernel_step == 0 ? batch : kernels).push_back(b);
  const auto is_single = [](const BatchAxis& b) { return b.size == 1; };
  std::erase_if(batch, is_single);
  std::erase_if(kernels, is_single);
  merge(batch);

  Roles roles{single(), single(), parts, in_size, out_size, {}, {}, {}};
  const auto finer_conv = [](const ConvAxis& a, const ConvAxis& b) {
    if ((a.out == 1) != (b.out == 1)) return b.out == 1;  // an axis with one output makes no line
    return finer(a.out_step, b.out_step);
  };
  const auto finest = std::min_element(batch.begin(), batch.end(), [](const BatchAxis& a, const BatchAxis& b) {
    return finer(a.out_step, b.out_step);
  });
  const auto finest_conv = std::min_element(conv.begin(), conv.end(), finer_conv);
  const bool batch_first =
      finest != batch.end() && (finest_conv == conv.end() || finest_conv->out == 1 || finer(finest->out_step, finest_conv->out_step));
  if (batch_first) {
    const BatchAxis inner = *finest;
    const bool contiguous = inner.in_step == in_size * parts && inner.out_step == out_size * parts;
    const bool fuse = finest_conv != conv.end() && finest_conv->out > 1 && inner.size * parts <= kLargestGroup &&
                      (parts == 1 || contiguous);
    if (fuse || conv.empty() || inner.size * parts > kLargestGroup || finest_conv->out == 1) {
      batch.erase(finest);
      if (fuse) {
        roles.group = inner.size * parts;
        if (parts == 1) roles.in_inner = inner.in_step, roles.out_inner = inner.out_step;
        roles.line = take(conv, finer_conv);
      } else {
        roles.line = as_conv(inner);
      }
    } else {
      roles.line = take(conv, finer_conv);
    }
  } else if (finest_conv != conv.end()) {
    roles.line = take(conv, finer_conv);
  }

  if (!conv.empty()) {
    roles.rows = take(conv, [](const ConvAxis& a, const ConvAxis& b) { return finer(a.in_step, b.in_step); });
  } else if (!batch.empty()) {
    roles.rows = as_conv(take(batch, [](const BatchAxis& a, const BatchAxis& b) { return a.size > b.size; }));
  }
  roles.outer = conv;
  roles.batch = batch;
  roles.kernels = kernels;
  return roles;
}

}  // namespace faltung
