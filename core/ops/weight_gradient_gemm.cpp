// The gradient of weights by matrix products over pixels.
#include <algorithm>
#include <stdexcept>

#include "core/ops/dense_tile.h"
#include "core/ops/weight_gradient_run.h"

namespace faltung {
namespace {

template <class T>
class GemmGradient final : public PixelGradient<T> {
 public:
  GemmGradient(const LayerProblem& problem, Isa isa);

 private:
  using PixelGradient<T>::plan_;
  GradientBlock block(int64_t index) const override;
  int64_t sums_of(const GradientBlock& b) const override {
    return b.ins * plan_.outer_taps * plan_.taps * plan_.width(b.outs);
  }
  WeightGradientArrays arrays_of(const GradientBlock&, const WeightGradientArrays& all) const override {
    return all;
  }
  void run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip,
                 T* sums) const override;
  void finish(const GradientBlock& block, const T* sums, T* line,
              const WeightGradientArrays& arrays) const override {
    store_gradient(plan_, this->convert_, this->turn_, block, sums, line, static_cast<char*>(arrays.dw));
    repair_gradient(plan_, this->convert_, block, sums, arrays);
  }
  const GemmKernel<T>& kernel(int64_t rows, int64_t vectors) const {
    return table_.kernels[first_kernel_[vectors] + rows - 1];
  }

  const GemmTable<T>& table_;
  int first_kernel_[9];
};

template <class T>
GemmGradient<T>::GemmGradient(const LayerProblem& problem, Isa isa)
    : PixelGradient<T>(schedule_gradient(problem, gemm_table<T>(isa)), isa), table_(gemm_table<T>(isa)) {
  std::fill(std::begin(first_kernel_), std::end(first_kernel_), 0);
  for (int i = table_.count; i-- > 0;) first_kernel_[table_.kernels[i].vectors] = i;
  const int64_t taps = plan_.outer_taps * plan_.taps;
  this->prepare(kernel(plan_.tile_rows, plan_.tile_vectors).name,
                plan_.block_in * taps * plan_.width(plan_.block_out),
                2 * (plan_.block_in * taps + plan_.block_out));
}

template <class T>
GradientBlock GemmGradient<T>::block(int64_t index) const {
  const int64_t out = index % plan_.out_blocks * plan_.block_out;
  const int64_t in = index / plan_.out_blocks % plan_.in_blocks * plan_.block_in;
  return {index / plan_.out_blocks / plan_.in_blocks, in, std::min(plan_.block_in, plan_.in_channels - in),
          out, std::min(plan_.block_out, plan_.out_channels - out)};
}

template <class T>
void GemmGradient<T>::run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip,
                                T* sums) const {
  const GradientRows rows = gradient_rows(plan_, block);
  const int64_t step = strip.channel_step();
  const int64_t run = block.ins * (plan_.folded ? plan_.taps : 1), inner = plan_.folded ? 1 : plan_.taps;
  const TileCut cut = cut_row(run, plan_.tile_rows);
  const int64_t vectors = plan_.width(block.outs) / plan_.lanes;
  GemmArgs<T> args{};
  args.row_step = step;
  args.term_step = strip.position_step();
  args.tiles = 1;
  args.ldc = args.sums_step = rows.channel;
  for (int64_t v = 0; v < vectors; v += plan_.tile_vectors) {
    const int64_t wide = std::min<int64_t>(plan_.tile_vectors, vectors - v);
    args.b = strip.panel(v);
    args.b_step = wide * plan_.lanes;
    args.ahead = reinterpret_cast<const char*>(args.b);
    int64_t row = 0;
    for (const TileRun& tiles : cut.runs)
      for (int64_t tile = 0; tile < tiles.tiles; ++tile, row += tiles.rows) {
        const int64_t half = (tiles.rows + 1) / 2;
        const auto compute = kernel(tiles.rows, wide).run;
        args.c_half = half * rows.channel;
        for (int64_t outer = 0; outer < plan_.outer_taps; ++outer) {
          args.a = args.a_half = strip.rows(outer);
          args.segments = strip.segments(), args.depth = strip.depth();
          // Lines that lie behind each other are one.
          int64_t joined = 1;
          while (joined < args.segments && args.a[joined] == args.a[joined - 1] + args.depth * args.term_step)
            ++joined;
          if (joined == args.segments) args.depth *= args.segments, args.segments = 1;
          for (int64_t tap = 0; tap < inner; ++tap) {
            args.at = tap * strip.tap_step() + row * step;
            args.at_half = args.at + half * step;
            args.c = sums + (outer * plan_.taps + tap) * rows.tap + row * rows.channel + v * plan_.lanes;
            args.sums = first ? nullptr : args.c;
            compute(args);
          }
        }
      }
  }
}

}  // namespace

std::unique_ptr<WeightGradient> plan_weight_gradient_gemm(const LayerProblem& problem, Isa isa) {
  if (problem.compute == Compute::f32) return std::make_unique<GemmGradient<float>>(problem, isa);
  if (problem.compute == Compute::f64) return std::make_unique<GemmGradient<double>>(problem, isa);
  throw std::invalid_argument("computes in float32 or float64");
}

}  // namespace faltung
