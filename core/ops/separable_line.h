// The line pass: lines of the input, packed with their boundaries, correlated along themselves into slots of a ring.
#pragma once
#include <vector>

#include "core/ops/separable_plan.h"
#include "core/ops/stencil_lines.h"
#include "core/ops/stencil_sweep.h"

namespace faltung {

template <class T>
class LinePass {
 public:
  LinePass(const SeparableSchedule& schedule, const Shapes<T>& shapes, const ConvertTable<T>& convert)
      : s_(schedule), shapes_(shapes), packer_(s_.line_problem, s_.line, convert) {}

  // After the schedule is there.
  void prepare();

  // What one thread needs.
  struct Workspace {
    T* lines = nullptr;         // packed
    const T** table = nullptr;  // entries of it, or of a blocked line
    LinePlan plan;
    std::vector<StencilRun<T>> runs;
    std::vector<Sweeper<T>> sweepers;  // of each term
  };
  int64_t scratch_elements() const { return lines_ * layout_.length; }
  int64_t table_entries() const;
  int64_t weights() const { return int64_t(s_.line.weight_offsets.size()); }
  int64_t tap(int64_t weight) const {
    return s_.line.weight_offsets[size_t(weight)] / int64_t(sizeof(double));
  }

  void begin(const T* weights, Workspace& w) const;
  // The columns that the next lines cover.
  void aim(Interval columns, Workspace& w) const { packer_.plan(layout_, &columns, 1, true, w.plan); }

  // How many lines one call takes.
  int64_t most() const { return lines_; }
  // Lines of `columns` columns from `sources` into rows `stride` elements apart; the results of the terms stand `term_stride`
  // apart. A result is padded to whole vectors.
  void run(const char* const* sources, int64_t count, int64_t columns, T* into, int64_t stride,
           int64_t term_stride, Workspace& w) const;

  // Packs one line, for a line that no axis goes along, and for those who look at samples.
  void pack(const char* source, const LinePlan& plan, T* into) const {
    packer_.pack(source, layout_, plan, into);
  }
  int64_t packed_elements() const { return layout_.length; }

 private:
  const SeparableSchedule& s_;
  const Shapes<T>& shapes_;
  LinePacker<T> packer_;
  Layout layout_;
  int64_t lines_ = 1;
};

}  // namespace faltung
