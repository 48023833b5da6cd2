// What all ways to the gradient of weights share: blocks of sums, chunks of positions, parts of the chunks, threads.
#pragma once
#include "core/kernels/select.h"
#include "core/ops/weight_gradient_store.h"

namespace faltung {

template <class T>
class PixelGradient : public WeightGradient {
 public:
  bool run(const WeightGradientArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 protected:
  PixelGradient(const GradientPlan& plan, Isa isa)
      : plan_(plan), convert_(convert_table<T>(isa)), turn_(turn_table<T>(isa)) {}
  // To be called when the rest stands: at most so many sums a block, and numbers of a line for finish().
  void prepare(const char* kernel, int64_t block_sums, int64_t line);

  virtual int64_t blocks() const { return plan_.blocks(); }
  virtual GradientBlock block(int64_t index) const = 0;
  virtual int64_t sums_of(const GradientBlock& block) const = 0;
  // The arrays of a block's copy.
  virtual WeightGradientArrays arrays_of(const GradientBlock& block,
                                         const WeightGradientArrays& all) const = 0;
  // Adds the loaded chunk to the sums; `first` finds nothing there.
  virtual void run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip,
                         T* sums) const = 0;
  virtual void finish(const GradientBlock& block, const T* sums, T* line,
                      const WeightGradientArrays& arrays) const = 0;

  GradientPlan plan_;
  const ConvertTable<T>& convert_;
  const TurnTable<T>& turn_;
  LayerSummary summary_;

 private:
  struct Workspace {
    Workspace(const PixelGradient& d, DenseArena arena_);
    DenseArena arena;
    GradientStrip<T> strip;
    T *sums, *total, *line;
  };
  void run_part(const GradientBlock& block, int64_t part, Workspace& w, T* into) const;

  int64_t block_sums_ = 0, line_ = 0;
};

}  // namespace faltung
