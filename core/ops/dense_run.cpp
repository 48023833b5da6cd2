#include "core/ops/dense_run.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/ops/dense_planes.h"

namespace faltung {
namespace {

constexpr int64_t kNearWeights = 1 << 20;  // larger ones are fetched ahead
constexpr int64_t kMostTiles = 16;         // of a job

int64_t job_tiles(const DensePlan& plan, int64_t rows) {
  return std::clamp<int64_t>(plan.band / rows, 1, kMostTiles);
}

}  // namespace

template <class T>
struct DenseLayer<T>::Workspace {
  Workspace(const DenseLayer& d, DenseArena arena_)
      : arena(arena_),
        strip(d.plan_, d.convert_, d.turn_, arena),
        store(d.plan_, d.convert_, d.wide_, d.turn_, d.epilogue_, arena),
        jobs(arena.take<DenseJob>(d.most_jobs_)) {}

  DenseArena arena;
  DenseStrip<T> strip;
  DenseStore<T> store;
  DenseJob* jobs;
  int64_t job_count = 0;
  bool first_pass = true;  // over the input
};

template <class T>
DenseLayer<T>::DenseLayer(const LayerProblem& problem, const DensePlan& plan, Isa isa)
    : given_(problem),
      table_(gemm_table<T>(isa)),
      convert_(convert_table<T>(isa)),
      wide_(convert_table<double>(isa)),
      turn_(turn_table<T>(isa)),
      epilogue_(epilogue_table<T>(isa)),
      plan_(plan),
      alone_(divide_dense(plan_, 1)) {
  std::fill(std::begin(first_kernel_), std::end(first_kernel_), 0);
  for (int i = table_.count; i-- > 0;) first_kernel_[table_.kernels[i].vectors] = i;
  far_weights_ = plan_.group_weights * plan_.item > kNearWeights;
  most_jobs_ = plan_.lines() * ((plan_.columns + plan_.tile_rows - 1) / plan_.tile_rows + 8);
  const GemmKernel<T>& full = kernel(plan_.tile_rows, plan_.tile_vectors);
  summary_.kernel = full.name;
  summary_.tile_positions = full.rows;
  summary_.tile_channels = int64_t(full.vectors) * full.lanes;
  summary_.strip = plan_.lines();
  for (const DenseChunk& c : plan_.chunks) summary_.chunk = std::max(summary_.chunk, c.terms());
  summary_.units = alone_.units;
  summary_.scratch = int64_t(Workspace(*this, DenseArena(nullptr)).arena.bytes());
  summary_.packs_input = plan_.packs;
  summary_.turns_output = plan_.out == DenseOut::planes;
}

template <class T>
void DenseLayer<T>::pack(const void* weights, void* packed, int threads) const {
  pack_dense(plan_, convert_, turn_, weights, packed, threads);
}

// Tiles of `columns` positions of a line, from column on, both counted from the box.
template <class T>
void DenseLayer<T>::add_jobs(const DenseBox& box, int64_t line, int64_t column, int64_t columns,
                             Workspace& w) const {
  const LayerAxis& axis = plan_.p.axes.back();
  for (const TileRun& run : cut_row(columns, plan_.tile_rows).runs)
    for (int64_t tile = 0; tile < run.tiles;) {
      const int64_t tiles = std::min(run.tiles - tile, job_tiles(plan_, run.rows));
      const TapRange met = met_taps(axis, box.column + column, tiles * run.rows);
      w.jobs[w.job_count++] = {line, line, column, run.rows, tiles, 0, met.first, met.last};
      column += tiles * run.rows;
      tile += tiles;
    }
}

template <class T>
void DenseLayer<T>::make_jobs(const DenseBox& box, Workspace& w) const {
  const LayerAxis& axis = plan_.p.axes.back();
  int64_t lines = 1;
  for (size_t a = 0; a < plan_.p.axes.size(); ++a) lines *= box.size[a];
  w.job_count = 0;
  // A line that has a kernel row outside goes alone, without that row.
  const bool pairs = pairs_lines(box.columns, plan_.tile_rows);
  int64_t ends[3] = {box.columns, box.columns, box.columns};
  if (plan_.tap_entries)
    cut_borders(axis, box.column, box.columns, plan_.tile_rows, plan_.tile_vectors, ends);
  for (int64_t line = 0; line < lines; ++line) {
    if (pairs && line + 1 < lines && w.strip.outside_alike(line, line + 1)) {
      w.jobs[w.job_count++] = {line, line + 1, 0, 2 * box.columns, 1, 0, 0, axis.taps};
      ++line;
      continue;
    }
    int64_t column = 0;
    for (const int64_t end : ends)
      if (end > column) {
        add_jobs(box, line, column, end - column, w);
        column = end;
      }
  }
}

template <class T>
void DenseLayer<T>::run_chunk(const DensePanel& panel, size_t chunk, const T* b, const T* ahead,
                              const Band& band, Workspace& w) const {
  const DenseChunk& c = plan_.chunks[chunk];
  const bool last = chunk + 1 == plan_.chunks.size();
  const int64_t width = int64_t(panel.vectors) * plan_.lanes;
  // Every tile asks for one line a term, until all lines of the next chunk are asked for.
  const int64_t lines = far_weights_ ? c.terms() * ((width * plan_.item + 63) / 64) : 0;
  int64_t asked = 0;
  // The input of a product of matrices lies in one piece: each tile asks for the rows of the next, a line a term is enough.
  const bool streams =
      w.first_pass && !plan_.packs && plan_.chunks.size() == 1 && plan_.row_step == plan_.terms;
  const int64_t taps = plan_.p.axes.back().taps;
  GemmArgs<T> args{};
  args.depth = c.depth;
  args.row_step = plan_.row_step;
  args.term_step = 1;
  args.b_step = width;
  for (int64_t i = band.begin; i < band.end; ++i) {
    const DenseJob& job = w.jobs[i];
    args.a = w.strip.line(job.line) + c.entry;
    args.a_half = w.strip.line(job.half_line) + c.entry;
    args.segments = c.segments;
    args.b = b;
    if (plan_.pads_rows || plan_.tap_entries) {
      // Taps that meet nothing but the border add nothing.
      int64_t first = 0, last = c.segments;
      const auto outside = [&](int64_t s) {
        const int64_t tap = plan_.tap_entries ? (c.entry + s) % taps : job.first_tap;
        return tap < job.first_tap || tap >= job.last_tap ||
               (plan_.pads_rows && w.strip.outside(args.a[s]) && w.strip.outside(args.a_half[s]));
      };
      while (last > first && outside(last - 1)) --last;
      while (last > first && outside(first)) ++first;
      args.a += first;
      args.a_half += first;
      args.b += first * c.depth * width;
      args.segments = last - first;
    }
    args.at = job.column * plan_.row_step + c.offset;
    args.at_half = args.at + (job.half_line == job.line ? (job.rows + 1) / 2 * plan_.row_step : 0);
    args.tiles = job.tiles;
    args.advance = job.rows;
    w.store.set_sums(job, panel, chunk == 0, args);
    if (last) w.store.set_last(job, panel, args);
    const bool asks = asked < lines;
    args.ahead = reinterpret_cast<const char*>(asks ? ahead : b) + (asks ? asked * 64 : 0);
    args.ahead_step = asks ? 64 : 0;
    asked += job.tiles * args.segments * c.depth;
    if (streams) {
      args.ahead = reinterpret_cast<const char*>(args.a[0] + args.at + job.rows * plan_.row_step);
      args.ahead_step = 64;
    }
    kernel(job.rows, panel.vectors).run(args);
  }
}

// `after`: what is read after this band.
template <class T>
void DenseLayer<T>::run_band(const DensePanel& panel, const T* weights, const T* after, const Band& band,
                             Workspace& w) const {
  const int64_t width = int64_t(panel.vectors) * plan_.lanes, count = band.end - band.begin;
  w.store.load_residual(w.jobs + band.begin, count, panel);
  for (size_t c = 0; c < plan_.chunks.size(); ++c) {
    const T* next = c + 1 < plan_.chunks.size() ? weights + plan_.chunks[c + 1].first * width : after;
    run_chunk(panel, c, weights + plan_.chunks[c].first * width, next, band, w);
    if (plan_.exact) w.store.add_exact(band.positions, panel, c == 0);
  }
  w.store.finish(w.jobs + band.begin, count, band.positions, panel);
}

// As many jobs from `begin` on as a band holds, at least one; empty behind the last.
template <class T>
typename DenseLayer<T>::Band DenseLayer<T>::next_band(int64_t begin, Workspace& w) const {
  Band band{begin, begin, 0};
  while (band.end < w.job_count &&
         (band.end == begin || band.positions + w.jobs[band.end].positions() <= plan_.band)) {
    w.jobs[band.end].position = band.positions;
    band.positions += w.jobs[band.end++].positions();
  }
  return band;
}

template <class T>
void DenseLayer<T>::run_unit(const DenseBox& box, const LayerArrays& arrays, const T* weights,
                             Workspace& w) const {
  w.strip.select(box, static_cast<const char*>(arrays.in));
  w.store.select(box, arrays);
  make_jobs(box, w);
  weights += box.group * plan_.group_weights;
  const auto begin_of = [&](int64_t panel) { return weights + plan_.panels[size_t(panel)].weights; };
  const auto run = [&](int64_t n, const Band& band) {
    const bool last_band = band.end == w.job_count;
    const int64_t after = last_band && n + 1 < box.last_panel ? n + 1 : n;
    w.first_pass = n == box.first_panel;
    run_band(plan_.panels[size_t(n)], begin_of(n), begin_of(after), band, w);
  };
  // Weights that stay near meet a band after the other, so that samples and results come and go once; others are fetched
  // once, and the input stays.
  if (!far_weights_ && plan_.out != DenseOut::planes) {
    for (Band band = next_band(0, w); band.begin < band.end; band = next_band(band.end, w))
      for (int64_t n = box.first_panel; n < box.last_panel; ++n) run(n, band);
  } else {
    for (int64_t n = box.first_panel; n < box.last_panel; ++n)
      for (Band band = next_band(0, w); band.begin < band.end; band = next_band(band.end, w)) run(n, band);
  }
}

template <class T>
Outcome DenseLayer<T>::run(const LayerArrays& arrays, int threads, Poll poll) const {
  if (plan_.p.outputs() == 0) return {};
  const PackedWeights<T> weights(arrays.weight);
  const DenseGrid grid = threads <= 1 ? alone_ : divide_dense(plan_, threads);
  std::atomic<bool> reported{false};
  bool finished = parallel_for(
      grid.units, threads,
      [&](int64_t unit, int) {
        std::optional<FlushSubnormals> flush;
        if (std::is_same_v<T, float>) flush.emplace();
        const ScratchLease lease(size_t(summary_.scratch));
        Workspace w(*this, DenseArena(lease.data()));
        run_unit(dense_box(plan_, grid, unit), arrays, weights.values, w);
        if (w.store.reported()) reported = true;
      },
      poll);
  if (finished && !weights.finite)
    finished = repair_dense(given_, plan_, arrays, weights.values, threads, poll);
  return {finished, reported};
}

template class DenseLayer<float>;
template class DenseLayer<double>;

namespace {

template <class T>
std::unique_ptr<Layer> plan_of(const LayerProblem& problem, Isa isa) {
  const DensePlan plan = schedule_dense<T>(problem, gemm_table<T>(isa));
  if (DensePlanes<T>::takes(plan)) return std::make_unique<DensePlanes<T>>(problem, plan, isa);
  return std::make_unique<DenseLayer<T>>(problem, plan, isa);
}

}  // namespace

std::unique_ptr<Layer> plan_dense(const LayerProblem& problem, Isa isa) {
  switch (problem.compute) {
    case Compute::f32:
      return plan_of<float>(problem, isa);
    case Compute::f64:
      return plan_of<double>(problem, isa);
    case Compute::u64:
    case Compute::wide:
      break;
  }
  throw std::invalid_argument("gemm computes in float32 or float64");
}

}  // namespace faltung
