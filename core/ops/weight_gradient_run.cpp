// The gradient of weights by matrix products: blocks of sums, chunks of positions, tiles; parts of the chunks; threads.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/kernels/select.h"
#include "core/ops/dense_tile.h"
#include "core/ops/weight_gradient_store.h"

namespace faltung {
namespace {

template <class T>
class DenseGradient final : public WeightGradient {
 public:
  DenseGradient(const LayerProblem& problem, Isa isa);
  bool run(const WeightGradientArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 private:
  struct Workspace {
    Workspace(const DenseGradient& d, DenseArena arena_)
        : arena(arena_),
          strip(d.plan_, d.convert_, d.turn_, arena),
          sums(arena.template take<T>(d.block_sums_)),
          total(arena.template take<T>(d.plan_.parts == 1 && d.plan_.chunks > kGradientRun ? d.block_sums_
                                                                                           : 0)),
          line(arena.template take<T>(d.line_)) {}
    DenseArena arena;
    GradientStrip<T> strip;
    T *sums, *total, *line;
  };

  GradientBlock block(int64_t index) const;
  int64_t sums_of(const GradientBlock& b) const {
    return b.ins * plan_.outer_taps * plan_.taps * plan_.width(b.outs);
  }
  void run_part(const GradientBlock& block, int64_t part, Workspace& w, T* into) const;
  void run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip, T* sums) const;
  void finish(const GradientBlock& block, const T* sums, T* line, const WeightGradientArrays& arrays) const;
  const GemmKernel<T>& kernel(int64_t rows, int64_t vectors) const {
    return table_.kernels[first_kernel_[vectors] + rows - 1];
  }

  const GemmTable<T>& table_;
  const ConvertTable<T>& convert_;
  const TurnTable<T>& turn_;
  GradientPlan plan_;
  int64_t block_sums_, line_;
  int first_kernel_[9];
  LayerSummary summary_;
};

template <class T>
DenseGradient<T>::DenseGradient(const LayerProblem& problem, Isa isa)
    : table_(gemm_table<T>(isa)),
      convert_(convert_table<T>(isa)),
      turn_(turn_table<T>(isa)),
      plan_(schedule_gradient(problem, table_)) {
  std::fill(std::begin(first_kernel_), std::end(first_kernel_), 0);
  for (int i = table_.count; i-- > 0;) first_kernel_[table_.kernels[i].vectors] = i;
  const int64_t taps = plan_.outer_taps * plan_.taps;
  block_sums_ = plan_.block_in * taps * plan_.width(plan_.block_out);
  line_ = 2 * (plan_.block_in * taps + plan_.block_out);
  const GemmKernel<T>& full = kernel(plan_.tile_rows, plan_.tile_vectors);
  summary_.kernel = full.name;
  summary_.tile_positions = full.rows;
  summary_.tile_channels = int64_t(full.vectors) * full.lanes;
  summary_.strip = plan_.chunk_lines;
  summary_.chunk = plan_.chunk_terms();
  summary_.splits = plan_.parts;
  summary_.units = plan_.blocks() * plan_.parts;
  summary_.scratch = int64_t(Workspace(*this, DenseArena(nullptr)).arena.bytes());
  summary_.shared = plan_.parts > 1 ? plan_.blocks() * plan_.parts * block_sums_ * int64_t(sizeof(T)) : 0;
  summary_.packs_input = true;
}

template <class T>
GradientBlock DenseGradient<T>::block(int64_t index) const {
  const int64_t out = index % plan_.out_blocks * plan_.block_out;
  const int64_t in = index / plan_.out_blocks % plan_.in_blocks * plan_.block_in;
  return {index / plan_.out_blocks / plan_.in_blocks, in, std::min(plan_.block_in, plan_.in_channels - in),
          out, std::min(plan_.block_out, plan_.out_channels - out)};
}

template <class T>
void DenseGradient<T>::run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip,
                                 T* sums) const {
  const GradientRows rows = gradient_rows(plan_, block);
  const LayerAxis& columns = plan_.p.axes.back();
  const int64_t pixel = strip.pixel_step();
  const int64_t run = block.ins * (plan_.folded ? plan_.taps : 1), inner = plan_.folded ? 1 : plan_.taps;
  const TileCut cut = cut_row(run, plan_.tile_rows);
  const int64_t vectors = plan_.width(block.outs) / plan_.lanes;
  GemmArgs<T> args{};
  args.row_step = 1;
  args.term_step = columns.stride / plan_.pixel_stride * pixel;
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
            args.at = tap * columns.dilation * pixel + row;
            args.at_half = args.at + half;
            args.c = sums + (outer * plan_.taps + tap) * rows.tap + row * rows.channel + v * plan_.lanes;
            args.sums = first ? nullptr : args.c;
            compute(args);
          }
        }
      }
  }
}

template <class T>
void DenseGradient<T>::run_part(const GradientBlock& block, int64_t part, Workspace& w, T* into) const {
  const int64_t begin = part * plan_.chunks / plan_.parts, end = (part + 1) * plan_.chunks / plan_.parts;
  const int64_t count = sums_of(block);
  T* sums = end - begin > kGradientRun ? w.sums : into;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t at = (chunk - begin) % kGradientRun;
    w.strip.load(chunk);
    run_chunk(block, at == 0, w.strip, sums);
    if (sums == into || (at + 1 < kGradientRun && chunk + 1 < end)) continue;
    const bool initial = chunk - begin < kGradientRun;
    for (int64_t i = 0; i < count; ++i) into[i] = initial ? sums[i] : into[i] + sums[i];
  }
  if (begin == end) std::fill(into, into + count, T(0));
}

template <class T>
void DenseGradient<T>::finish(const GradientBlock& block, const T* sums, T* line,
                              const WeightGradientArrays& arrays) const {
  store_gradient(plan_, convert_, turn_, block, sums, line, static_cast<char*>(arrays.dw));
  repair_gradient(plan_, convert_, block, sums, arrays);
}

template <class T>
bool DenseGradient<T>::run(const WeightGradientArrays& arrays, int threads, Poll poll) const {
  const char *x = static_cast<const char*>(arrays.x), *g = static_cast<const char*>(arrays.g);
  const bool shares = plan_.parts > 1;
  const ScratchLease shared(size_t(summary_.shared));
  T* partial = reinterpret_cast<T*>(shared.data());
  const auto environment = [](std::optional<FlushSubnormals>& flush) {
    if (std::is_same_v<T, float>) flush.emplace();
  };
  bool finished = parallel_for(
      plan_.blocks() * plan_.parts, threads,
      [&](int64_t unit, int) {
        std::optional<FlushSubnormals> flush;
        environment(flush);
        const ScratchLease lease(size_t(summary_.scratch));
        Workspace w(*this, DenseArena(lease.data()));
        const GradientBlock one = block(unit / plan_.parts);
        w.strip.select(one, x, g);
        T* into = shares ? partial + unit * block_sums_ : plan_.chunks > kGradientRun ? w.total : w.sums;
        run_part(one, unit % plan_.parts, w, into);
        if (!shares) finish(one, into, w.line, arrays);
      },
      poll);
  if (!shares || !finished) return finished;
  return parallel_for(
      plan_.blocks(), threads,
      [&](int64_t index, int) {
        std::optional<FlushSubnormals> flush;
        environment(flush);
        const ScratchLease lease(size_t(line_) * sizeof(T));
        T* sums = partial + index * plan_.parts * block_sums_;
        const GradientBlock whole = block(index);
        const int64_t count = sums_of(whole);
        for (int64_t step = 1; step < plan_.parts; step *= 2)
          for (int64_t part = 0; part + step < plan_.parts; part += 2 * step) {
            const T* other = sums + (part + step) * block_sums_;
            T* one = sums + part * block_sums_;
            for (int64_t i = 0; i < count; ++i) one[i] += other[i];
          }
        finish(whole, sums, reinterpret_cast<T*>(lease.data()), arrays);
      },
      poll);
}

}  // namespace

std::unique_ptr<WeightGradient> plan_weight_gradient_gemm(const LayerProblem& problem, Isa isa) {
  switch (problem.compute) {
    case Compute::f32:
      return std::make_unique<DenseGradient<float>>(problem, isa);
    case Compute::f64:
      return std::make_unique<DenseGradient<double>>(problem, isa);
    case Compute::u64:
    case Compute::wide:
      break;
  }
  throw std::invalid_argument("gemm computes in float32 or float64");
}

}  // namespace faltung
