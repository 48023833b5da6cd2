// Pixels as tiles of the gradient of weights read them: rows of x with what lies beyond their ends, [pixel][channels], each
// packed once for all taps and chunks that meet it; and g, [pixel][vectors of a panel].
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/gradient.h"
#include "core/kernels/turn.h"
#include "core/ops/dense_box.h"
#include "core/ops/weight_gradient_plan.h"

namespace faltung {

// Channels of a block: real numbers of a group.
struct GradientBlock {
  int64_t group, in, ins, out, outs;
  int64_t copy = 0;  // of several output channels that see one input channel
};

template <class T>
class GradientStrip {
 public:
  GradientStrip(const GradientPlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                DenseArena& arena);

  // `x` and `g` are the first elements of the arrays. What was packed before is forgotten.
  void select(const GradientBlock& block, const char* x, const char* g);
  // Packs what the chunk reads and nothing else of the strip has.
  void load(int64_t chunk);

  int64_t segments() const { return segments_; }
  int64_t depth() const { return depth_; }
  // Elements of x between channels, between neighbouring positions, and between taps of a row.
  int64_t channel_step() const { return channel_step_; }
  int64_t position_step() const { return position_step_; }
  int64_t tap_step() const { return tap_step_; }
  // For every segment, or run, where its row of x begins under a tap of the outer axes.
  const T* const* rows(int64_t tap) const { return table_ + tap * most_runs_; }
  // Where one panel holds the block: the chunk in runs of positions, for rows(). Channels that stand side by side in whole
  // vectors are read where they are, but for the positions that see a border.
  const GradientRun<T>* runs() const { return runs_; }
  int64_t run_count() const { return run_count_; }
  int64_t most_runs() const { return most_runs_; }
  int64_t given_step() const { return given_step_; }
  // g of the vectors from `vector` on, [term][vectors of the panel].
  const T* panel(int64_t vector) const { return g_ + vector * plan_.lanes * plan_.chunk_terms(); }

 private:
  void forget();
  bool given_in_place() const;
  bool samples_in_place() const;
  bool borderless() const;
  const char* place_of(int64_t source) const;
  void find_runs(int64_t first, int64_t piece);
  int64_t source(int64_t line, int64_t tap) const;  // row of x, -1 where it is outside
  const T* row(int64_t source, int64_t piece, int64_t positions);
  void pack_row(const char* from, int64_t first, int64_t pixels, T* to);
  void load_pixels(const char* from, int64_t pixels, T* to);
  void fill_outside(const char* from, int64_t first, int64_t begin, int64_t end, T* to);
  void load_panel(const char* from, int64_t terms, int64_t channels, int64_t width, T* to);

  const GradientPlan& plan_;
  const ConvertTable<T>& convert_;
  const TurnTable<T>& turn_;
  // Positions of a line that see all their taps inside: from `inner_` on, `inner_count_` of them.
  struct Inner {
    int64_t begin, count;
  };
  Inner inner(int64_t piece, int64_t positions) const;

  int64_t row_elements_, capacity_, most_new_, sources_, most_runs_, run_count_ = 0;
  bool in_place_;   // but for borders
  bool untouched_;  // x is read where it is
  int64_t channel_step_ = 1, position_step_ = 0, tap_step_ = 0;
  int64_t used_ = 0, segments_ = 0, depth_ = 0, pixel_step_ = 0, given_step_ = 0;
  GradientBlock block_{};
  const char *x_ = nullptr, *in_ = nullptr, *given_ = nullptr;
  T *strip_, *zeros_, *g_, *planes_;
  const T** table_;
  GradientRun<T>* runs_;
  int32_t* slot_;  // of every row and piece of x, -1 for none
  int64_t* held_;  // what the slots hold
};

}  // namespace faltung
