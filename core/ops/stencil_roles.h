// Which axis plays which part in a stencil, from the problem alone.
//
//   line   contiguous in the output: vectors run along it. Neighbouring batch items (colour channels, the parts of complex
//          numbers) stand inside it as a group, so that tap t lies group * dilation elements further.
//   rows   the next convolved axis: its taps are taken in groups, so that one load serves several rows.
//   outer  the other convolved axes: every combination of their taps is a panel of rows.
//   batch  items that share the kernel; kernels: batch axes along which the kernel changes.
#pragma once
#include <vector>

#include "core/reference/problem.h"

namespace faltung {

struct Roles {
  ConvAxis line, rows;
  int64_t parts, group, fused;  // elements: group = parts * fused batch items
  int64_t in_inner, out_inner;  // bytes between the fused items

  // Whether the elements of a group are neighbours in memory.
  bool contiguous(int64_t inner, int64_t item) const { return fused == 1 || inner == parts * item; }
  std::vector<ConvAxis> outer;
  std::vector<BatchAxis> batch, kernels;
};

Roles assign_roles(const Problem& problem);

}  // namespace faltung
