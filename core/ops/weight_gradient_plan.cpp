#include "core/ops/weight_gradient_plan.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "core/ops/dense_tile.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr int64_t kChain = 256;             // terms that a register sums at most
constexpr int64_t kBlockBytes = 384 << 10;  // of sums, in a near cache of 2 MB beside x and g
constexpr int64_t kLeastBlock = 96 << 10;   // smaller blocks read x and g too often
constexpr int64_t kPartBytes = 2 << 20;     // partial sums of a call
constexpr int64_t kUnits = 8;               // that threads should find
constexpr int kLaneVectors = 4;             // of a pixel whose channels stand side by side
constexpr int64_t kFolded = 28;             // channels from which on a tap fills its tiles alone

void demand(bool condition, const char* reason) {
  if (!condition) throw std::invalid_argument(reason);
}

void cut_terms(GradientPlan& s) {
  s.pieces = (s.columns + kChain - 1) / kChain;
  s.piece = (s.columns + s.pieces - 1) / s.pieces;
  s.chunk_lines = 1;
  s.chunks = s.lines * s.pieces;
  if (s.pieces == 1 && s.lines > 0) {
    const int64_t most = kChain / s.columns;
    s.chunks = (s.lines + most - 1) / most;
    s.chunk_lines = (s.lines + s.chunks - 1) / s.chunks;
    s.chunks = (s.lines + s.chunk_lines - 1) / s.chunk_lines;
  }
}

// The size of `parts` equal parts of n, a multiple of `unit`.
int64_t equal(int64_t n, int64_t parts, int64_t unit) {
  const int64_t size = (n + parts - 1) / parts;
  return std::min(n, (size + unit - 1) / unit * unit);
}

// Blocks of sums that stay in cache while all positions pass; nearly square, for x is packed once for each block of output
// channels and g once for each of input channels.
void cut_channels(GradientPlan& s) {
  const int64_t taps = s.outer_taps * s.taps, panel = int64_t(s.tile_vectors) * s.lanes;
  const int64_t all = taps * s.in_channels * s.width(s.out_channels) * s.item;
  const int64_t bytes = std::clamp(all / kUnits, kLeastBlock, kBlockBytes);
  const int64_t unit = s.tile_rows * s.p.parts();
  const int64_t most_in = s.folded ? 1 : std::max<int64_t>(1, s.in_channels / unit);
  const int64_t most_out = (s.out_channels + panel - 1) / panel;
  int64_t in_parts = 1, out_parts = 1;
  s.block_in = s.in_channels, s.block_out = s.out_channels;
  const auto size = [&] { return taps * s.block_in * s.width(s.block_out) * s.item; };
  while (size() > bytes && (in_parts < most_in || out_parts < most_out)) {
    const bool out = in_parts == most_in || (out_parts < most_out && s.block_out >= s.block_in);
    ++(out ? out_parts : in_parts);
    s.block_in = equal(s.in_channels, in_parts, unit);
    s.block_out = equal(s.out_channels, out_parts, panel);
  }
  s.in_blocks = (s.in_channels + s.block_in - 1) / s.block_in;
  s.out_blocks = (s.out_channels + s.block_out - 1) / s.block_out;
  s.parts = 1;
  const int64_t sums = size() * s.blocks();
  while (s.parts * s.blocks() < kUnits && 4 * s.parts <= s.chunks && 2 * s.parts * sums <= kPartBytes)
    s.parts *= 2;
}

}  // namespace

int64_t GradientPlan::row_pixels(int64_t positions) const {
  const LayerAxis& a = p.axes.back();
  if (a.taps == 1) return positions;
  return (positions - 1) * a.stride + (a.taps - 1) * a.dilation + 1;
}

namespace {

// What both methods share.
template <class T>
GradientPlan begin(const LayerProblem& problem, int lanes) {
  demand(!is_integer(problem.in) && !is_integer(problem.out), "integers are summed exactly by other methods");
  demand(problem.compute == (std::is_same_v<T, float> ? Compute::f32 : Compute::f64),
         "computes in another type");
  demand(problem.in == problem.out && problem.in == problem.weight, "arrays have one type");
  demand(!problem.axes.empty(), "there is no spatial axis");
  GradientPlan s{};
  s.p = problem;
  s.item = int64_t(sizeof(T));
  s.lanes = lanes;
  s.in_channels = problem.group_in() * problem.parts();
  s.out_channels = problem.group_out() * problem.parts();
  const LayerAxis& columns = problem.axes.back();
  s.taps = columns.taps;
  s.outer_taps = 1;
  s.lines = problem.batch;
  for (size_t a = 0; a + 1 < problem.axes.size(); ++a) {
    s.outer_taps *= problem.axes[a].taps;
    s.lines *= problem.axes[a].out;
  }
  s.columns = columns.out;
  s.pixel_stride = columns.taps == 1 ? columns.stride : 1;
  cut_terms(s);
  return s;
}

}  // namespace

template <class T>
GradientPlan schedule_gradient(const LayerProblem& problem, const GemmTable<T>& table) {
  GradientPlan s = begin<T>(problem, table.kernels[0].lanes);
  s.folded = s.taps > 1 && problem.axes.back().dilation == 1 && s.in_channels < kFolded;
  const int64_t rows = s.in_channels * (s.folded ? s.taps : 1);
  const DenseTile tile = choose_tile(table, rows, 1, s.out_channels);
  s.tile_rows = tile.rows, s.tile_vectors = tile.vectors;
  cut_channels(s);
  return s;
}

template <class T>
GradientPlan schedule_lanes(const LayerProblem& problem, int lanes) {
  demand(problem.groups == problem.in_channels, "needs one group a channel");
  demand(!problem.complex_numbers, "complex numbers are no lanes");
  const int64_t copies = problem.group_out();
  LayerProblem p = problem;
  p.groups = 1;
  p.out_channels = p.in_channels;
  p.out_channel_step *= copies;
  p.weight_out_step *= copies;
  GradientPlan s = begin<T>(p, lanes);
  s.whole_vectors = true;
  const bool side_by_side = p.in_channel_step == kItemSize[int(p.in)];
  s.tile_rows = 1;
  s.tile_vectors = side_by_side ? kLaneVectors : 1;
  s.block_in = s.block_out = std::min<int64_t>(s.in_channels, int64_t(s.tile_vectors) * lanes);
  s.in_blocks = (s.in_channels + s.block_in - 1) / s.block_in;
  s.out_blocks = copies;
  // On shapes alone, where blocks depend on the layout.
  const int64_t vectors = (s.in_channels + lanes - 1) / lanes * copies;
  s.parts = 1;
  while (s.parts * vectors < kUnits && 4 * s.parts <= s.chunks) s.parts *= 2;
  return s;
}

template GradientPlan schedule_gradient<float>(const LayerProblem&, const GemmTable<float>&);
template GradientPlan schedule_gradient<double>(const LayerProblem&, const GemmTable<double>&);
template GradientPlan schedule_lanes<float>(const LayerProblem&, int);
template GradientPlan schedule_lanes<double>(const LayerProblem&, int);

}  // namespace faltung
