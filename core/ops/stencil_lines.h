// Lines of the input as a tile reads them: in place where they lie right, else converted into scratch with their boundaries.
#pragma once
#include <algorithm>
#include <cstring>

#include "core/kernels/convert.h"
#include "core/ops/stencil_plan.h"

namespace faltung {

template <class T>
class LinePacker {
 public:
  LinePacker(const Problem& problem, const StencilSchedule& schedule, const ConvertTable<T>& convert)
      : problem_(problem), s_(schedule), load_(convert.load[int(problem.in)]) {
    load_(problem.fill, {1, problem.parts(), 0, kItemSize[int(problem.in)]}, fill_);
  }

  // One sample of the constant boundary, part by part.
  T fill(int64_t element) const { return fill_[element % problem_.parts()]; }

  void fill_line(T* dst, int64_t elements) const {
    for (int64_t i = 0; i < elements; ++i) dst[i] = fill(i);
  }

  // Packs what the output columns of `parts` (one or two intervals, side by side) read from the line at `src`
  // (null: a line of the constant).
  void pack(const char* src, const Layout& layout, const Interval* intervals, int count, T* dst) const {
    const ConvAxis& line = s_.roles.line;
    const int64_t group = s_.roles.group;
    if (!src) return fill_line(dst, layout.length);
    for (size_t phase = 0; phase < s_.phase_taps.size(); ++phase) {
      const int64_t taps = s_.phase_taps[phase];
      T* at = dst + layout.base[phase];
      for (int i = 0; i < count; ++i) {
        const int64_t first = intervals[i].begin * line.stride + int64_t(phase) * line.dilation - line.pad;
        if (layout.per_tap) {
          for (int64_t t = 0; t < taps; ++t)
            segment(src, first + t * s_.line_phases * line.dilation, intervals[i].size(), at + t * layout.step);
        } else {
          const int64_t n = intervals[i].size() + (taps - 1) * s_.line_step;
          segment(src, first, n, at);
          at += n * group;
        }
      }
      // What a partial vector reads beyond the last column: zeros, for garbage may be subnormal and slow.
      T* const end = dst + (phase + 1 < s_.phase_taps.size() ? layout.base[phase + 1] : layout.length);
      if (layout.per_tap) {
        const int64_t used = intervals[0].size() * group;
        for (int64_t t = 0; t < taps; ++t)
          std::fill(at + t * layout.step + used, std::min(end, at + (t + 1) * layout.step), T(0));
      } else {
        std::fill(at, end, T(0));
      }
    }
  }

 private:
  // n samples, line.stride apart, the first at position `first` of the line, which may lie outside.
  void segment(const char* src, int64_t first, int64_t n, T* dst) const {
    const ConvAxis& line = s_.roles.line;
    const int64_t group = s_.roles.group, stride = line.stride;
    const int64_t lead = std::clamp<int64_t>(first < 0 ? (-first + stride - 1) / stride : 0, 0, n);
    const int64_t last = line.in - 1 - first;
    const int64_t stop = last < 0 ? lead : std::clamp<int64_t>(last / stride + 1, lead, n);
    if (stop > lead)
      load(src + (first + lead * stride) * line.in_step, line.in_step * stride, stop - lead, dst + lead * group);
    const Interval packed{first + lead * stride, first + stop * stride};
    for (int64_t i = 0; i < lead; ++i) outside(src, first + i * stride, packed, dst, lead, dst + i * group);
    for (int64_t i = stop; i < n; ++i) outside(src, first + i * stride, packed, dst, lead, dst + i * group);
  }

  // n groups, `step` bytes apart.
  void load(const char* src, int64_t step, int64_t n, T* dst) const {
    const Roles& r = s_.roles;
    const int64_t item = kItemSize[int(problem_.in)];
    if (r.contiguous(r.in_inner, item))
      load_(src, {n, r.group, step, item}, dst);
    else if (r.parts == 1)
      load_(src, {n, r.group, step, r.in_inner}, dst);
    else
      for (int64_t i = 0; i < n; ++i) load_(src + i * step, {r.fused, r.parts, r.in_inner, item}, dst + i * r.group);
  }

  void outside(const char* src, int64_t position, Interval packed, const T* line_start, int64_t lead, T* dst) const {
    const int64_t group = s_.roles.group;
    const int64_t from = boundary_index(position, s_.roles.line.in, s_.roles.line.boundary);
    if (from < 0) {
      for (int64_t g = 0; g < group; ++g) dst[g] = fill(g);
    } else if (s_.roles.line.stride == 1 && from >= packed.begin && from < packed.end) {
      const T* copy = line_start + (lead + from - packed.begin) * group;
      for (int64_t g = 0; g < group; ++g) dst[g] = copy[g];
    } else {
      load(src + from * s_.roles.line.in_step, 0, 1, dst);
    }
  }

  const Problem& problem_;
  const StencilSchedule& s_;
  void (*load_)(const void*, const StridedLine&, T*);
  T fill_[2];
};

}  // namespace faltung
