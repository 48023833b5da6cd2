// The line pass: lines of the input, with their boundaries, correlated along themselves into slots of a ring.
//
// Steps of one to three elements from tap to tap go through the kernels of turned lines (core/kernels/separable.h), four lines
// at once; these read the array itself where they can, and only the ends of a line are packed. All others are packed whole
// and go through those of the stencil, by the line's own schedule.
#pragma once
#include <vector>

#include "core/kernels/select.h"
#include "core/ops/separable_plan.h"
#include "core/ops/stencil_lines.h"
#include "core/ops/stencil_sweep.h"

namespace faltung {

template <class T>
class LinePass {
 public:
  LinePass(const SeparableSchedule& schedule, const Shapes<T>& shapes, const ConvertTable<T>& convert,
           const LinesTable<T>& lines)
      : s_(schedule),
        shapes_(shapes),
        turned_(lines),
        convert_(convert),
        packer_(s_.line_problem, s_.line, convert) {}

  // After the schedule is there.
  void prepare();

  // Where the elements of one end of a padded line come from: elements from the line's start, a part of the constant, zero.
  using End = std::vector<int64_t>;
  static constexpr int64_t kFill = -1, kZero = -3;

  // What one thread needs.
  struct Workspace {
    T* lines = nullptr;         // packed, or their two ends
    T* planes = nullptr;        // of turned lines
    T* spare = nullptr;         // the result of a line that nobody asked for
    const T** table = nullptr;  // of lines, or of a blocked line
    LinePlan plan;
    End head, tail;
    int64_t direct_begin = 0,
            direct_end = 0;     // elements of the padded line that the array itself holds, whole vectors
    int64_t direct_source = 0;  // bytes from a line's start to where its element 0 would be
    std::vector<StencilRun<T>> runs;
    std::vector<Sweeper<T>> sweepers;  // of each term
    const T* weights = nullptr;
  };
  int64_t scratch_elements() const { return lines_ * layout_.length; }
  int64_t plane_elements() const { return s_.turned ? kLines * plane_ : 0; }
  int64_t spare_elements() const { return s_.turned ? s_.line_elements(s_.block_columns) : 0; }
  int64_t table_entries() const;

  // Packed weights of a term, and the tap behind each.
  int64_t weights() const { return s_.turned ? s_.roles.line.taps : int64_t(s_.line.weight_offsets.size()); }
  int64_t tap(int64_t weight) const {
    return s_.turned ? weight : s_.line.weight_offsets[size_t(weight)] / int64_t(sizeof(double));
  }

  void begin(const T* weights, Workspace& w) const;
  // The columns that the next lines cover.
  void aim(Interval columns, Workspace& w) const;

  // How many lines one call takes.
  static constexpr int64_t kMost = 32;
  int64_t most() const { return lines_; }
  // Lines of `columns` columns from `sources`; the results of the terms stand `term_stride` elements apart. A result is padded
  // to whole vectors. Returns the sum of the results' squares.
  T run(const char* const* sources, T* const* into, int64_t count, int64_t columns, int64_t term_stride,
        Workspace& w) const;

  // One line, packed: for those who look at samples.
  void pack(const char* source, Workspace& w) const { packer_.pack(source, layout_, w.plan, w.lines); }
  int64_t packed_elements() const { return layout_.length; }

 private:
  End end_of(const LinePlan& plan, int64_t begin, int64_t end) const;
  void pack_end(const char* source, const End& end, T* into) const;
  T run_turned(const char* const* sources, T* const* into, int64_t count, int64_t columns,
               int64_t term_stride, Workspace& w) const;
  void turn(const char* const* sources, int64_t count, int64_t begin, int64_t end, Workspace& w) const;

  const SeparableSchedule& s_;
  const Shapes<T>& shapes_;
  const LinesTable<T>& turned_;
  const ConvertTable<T>& convert_;
  LinePacker<T> packer_;
  T fill_[2];
  Layout layout_;
  int64_t lines_ = 1;
  int64_t plane_ = 0, span_ = 0;  // elements of a plane; results that are made from one filling of the planes
};

}  // namespace faltung
