// Lines of the input packed for a tile: converted, with their boundaries, strided samples brought together.
#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "core/kernels/convert.h"
#include "core/ops/stencil_plan.h"

namespace faltung {

// How the lines of one unit are packed, worked out once for all of them: stretches of the array, and single groups that stand
// outside it. Positions in the packed line are elements.
struct LinePlan {
  struct Stretch {
    int64_t source, step, groups, at;  // bytes from the line's start, bytes between groups
  };
  struct Outside {
    int64_t at, source, copy;  // source in bytes; copy: where the same group stands packed, or -1
  };
  struct Part {
    int64_t at, end;
  };
  std::vector<Stretch> stretches;
  std::vector<Outside> outside;
  std::vector<Part> constants;  // filled
  std::vector<Part>
      rests;  // what a partial vector reads beyond the last column: zeros, for garbage may be slow
  // Short lines of the array's own type, element by element: position in the line, or -1 for the constant.
  std::vector<int64_t> gather;
};

template <class T>
class LinePacker {
 public:
  LinePacker(const Problem& problem, const StencilSchedule& schedule, const ConvertTable<T>& convert)
      : problem_(problem),
        s_(schedule),
        load_(convert.load[int(problem.in)]),
        same_((std::is_same_v<T, float> && problem.in == DType::f32) ||
              (std::is_same_v<T, double> && problem.in == DType::f64)) {
    load_(problem.fill, {1, problem.parts(), 0, kItemSize[int(problem.in)]}, fill_);
  }

  void fill_line(T* dst, int64_t elements) const {
    if (problem_.parts() == 1) {
      std::fill(dst, dst + elements, fill_[0]);
      return;
    }
    for (int64_t i = 0; i < elements; i += 2) dst[i] = fill_[0], dst[i + 1] = fill_[1];
  }

  // Plans what the output columns of one or two intervals, side by side, read.
  // `padded`: tiles may read beyond the last column.
  void plan(const Layout& layout, const Interval* intervals, int count, bool padded, LinePlan& plan) const {
    const ConvAxis& line = s_.roles.line;
    const int64_t group = s_.roles.group;
    plan.stretches.clear();
    plan.outside.clear();
    plan.rests.clear();
    plan.constants.clear();
    for (size_t phase = 0; phase < s_.phase_taps.size(); ++phase) {
      const int64_t taps = s_.phase_taps[phase];
      int64_t at = layout.base[phase];
      const int64_t end = phase + 1 < s_.phase_taps.size() ? layout.base[phase + 1] : layout.length;
      for (int i = 0; i < count; ++i) {
        const int64_t first = intervals[i].begin * line.stride + int64_t(phase) * line.dilation - line.pad;
        if (layout.per_tap) {
          for (int64_t t = 0; t < taps; ++t, at += layout.step) {
            segment(first + t * s_.line_phases * line.dilation, intervals[i].size(), at, plan);
            plan.rests.push_back({at + intervals[i].size() * group, std::min(end, at + layout.step)});
          }
        } else {
          const int64_t n = intervals[i].size() + (taps - 1) * s_.line_step;
          segment(first, n, at, plan);
          at += n * group;
        }
      }
      if (!layout.per_tap) plan.rests.push_back({at, end});
    }
    if (!padded) plan.rests.clear();
  }

  // For borders read in place: few elements, so a list of them beats calls for each stretch.
  void plan_gather(LinePlan& plan) const {
    constexpr int64_t kLongest = 256;
    const Roles& r = s_.roles;
    const int64_t item = int64_t(sizeof(T));
    plan.gather.clear();
    int64_t elements = 0;
    for (const LinePlan::Stretch& s : plan.stretches)
      elements = std::max(elements, s.at + s.groups * r.group);
    for (const LinePlan::Outside& o : plan.outside) elements = std::max(elements, o.at + r.group);
    for (const LinePlan::Part& c : plan.constants) elements = std::max(elements, c.end);
    if (elements > kLongest) return;
    plan.gather.assign(size_t(elements), -1);
    for (const LinePlan::Stretch& s : plan.stretches)
      for (int64_t i = 0; i < s.groups * r.group; ++i) plan.gather[size_t(s.at + i)] = s.source / item + i;
    for (const LinePlan::Outside& o : plan.outside)
      for (int64_t g = 0; g < r.group; ++g) plan.gather[size_t(o.at + g)] = o.source / item + g;
  }

  // Packs the line at `src`; null stands for a line of the constant.
  void pack(const char* src, const Layout& layout, const LinePlan& plan, T* dst) const {
    if (!src) return fill_line(dst, layout.length);
    if (!plan.gather.empty()) {
      const T* line = reinterpret_cast<const T*>(src);
      const int64_t n = int64_t(plan.gather.size());
      for (int64_t i = 0; i < n; ++i) {
        const int64_t from = plan.gather[size_t(i)];
        dst[i] = from >= 0 ? line[from] : fill_[i % s_.roles.parts];
      }
      std::fill(dst + n, dst + layout.length, T(0));
      return;
    }
    for (const LinePlan::Stretch& s : plan.stretches) load(src + s.source, s.step, s.groups, dst + s.at);
    const int64_t group = s_.roles.group;
    for (const LinePlan::Outside& o : plan.outside) {
      if (o.copy >= 0) {
        for (int64_t g = 0; g < group; ++g) dst[o.at + g] = dst[o.copy + g];
      } else {
        load(src + o.source, 0, 1, dst + o.at);
      }
    }
    for (const LinePlan::Part& c : plan.constants) fill_line(dst + c.at, c.end - c.at);
    for (const LinePlan::Part& r : plan.rests) std::fill(dst + r.at, dst + r.end, T(0));
  }

 private:
  // n groups, line.stride apart, the first at position `first` of the line, which may lie outside.
  void segment(int64_t first, int64_t n, int64_t at, LinePlan& plan) const {
    const ConvAxis& line = s_.roles.line;
    const int64_t group = s_.roles.group, stride = line.stride;
    const int64_t lead = std::clamp<int64_t>(first < 0 ? (-first + stride - 1) / stride : 0, 0, n);
    const int64_t last = line.in - 1 - first;
    const int64_t stop = last < 0 ? lead : std::clamp<int64_t>(last / stride + 1, lead, n);
    if (stop > lead)
      plan.stretches.push_back(
          {(first + lead * stride) * line.in_step, line.in_step * stride, stop - lead, at + lead * group});
    const auto outside = [&](int64_t i) {
      const int64_t from = boundary_index(first + i * stride, line.in, line.boundary);
      if (from < 0) {
        const int64_t start = at + i * group;
        if (!plan.constants.empty() && plan.constants.back().end == start)
          plan.constants.back().end += group;
        else
          plan.constants.push_back({start, start + group});
        return;
      }
      const int64_t packed = from - (first + lead * stride);
      const bool stands = packed >= 0 && packed % stride == 0 && packed / stride < stop - lead;
      plan.outside.push_back(
          {at + i * group, from * line.in_step, stands ? at + (lead + packed / stride) * group : -1});
    };
    for (int64_t i = 0; i < lead; ++i) outside(i);
    for (int64_t i = stop; i < n; ++i) outside(i);
  }

  // n groups, `step` bytes apart.
  void load(const char* src, int64_t step, int64_t n, T* dst) const {
    const Roles& r = s_.roles;
    const int64_t item = kItemSize[int(problem_.in)];
    if (same_ && step == item * r.group && r.contiguous(r.in_inner, item))
      std::memcpy(dst, src, size_t(n * r.group) * sizeof(T));
    else if (r.contiguous(r.in_inner, item))
      load_(src, {n, r.group, step, item}, dst);
    else if (r.parts == 1)
      load_(src, {n, r.group, step, r.in_inner}, dst);
    else
      for (int64_t i = 0; i < n; ++i)
        load_(src + i * step, {r.fused, r.parts, r.in_inner, item}, dst + i * r.group);
  }

  const Problem& problem_;
  const StencilSchedule& s_;
  void (*load_)(const void*, const StridedLine&, T*);
  bool same_;  // samples are of the computing type
  T fill_[2];
};

}  // namespace faltung
