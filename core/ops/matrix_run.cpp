#include "core/ops/matrix_run.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/ops/dense.h"

namespace faltung {
namespace {

constexpr int64_t kTileRows = 32;

// The same layer on weights that stand as [group][channel][term], in float32.
LayerProblem on_ordered_weights(LayerProblem p) {
  const int64_t item = sizeof(float);
  p.weight = DType::f32;
  p.weight_in_step = item;
  int64_t step = item * p.group_in();
  for (size_t a = p.axes.size(); a-- > 0;) {
    p.axes[a].weight_step = step;
    step *= p.axes[a].taps;
  }
  p.weight_out_step = step;
  return p;
}

}  // namespace

// While one lives, this thread has tiles.
class OpenTiles {
 public:
  explicit OpenTiles(const MatrixTable& matrix) : matrix_(matrix) { matrix_.open(); }
  ~OpenTiles() { matrix_.close(); }
  OpenTiles(const OpenTiles&) = delete;
  OpenTiles& operator=(const OpenTiles&) = delete;

 private:
  const MatrixTable& matrix_;
};

struct MatrixLayer::Workspace {
  Workspace(const MatrixLayer& m, DenseArena arena_)
      : arena(arena_),
        strip(m.plan_, m.matrix_, m.convert_, m.turn_, arena),
        store(m.plan_.d, m.convert_, m.wide_, m.turn_, m.epilogue_, arena),
        jobs(arena.take<DenseJob>(m.plan_.d.lines() + 1)),
        runs(arena.take<Run>(m.plan_.d.lines() + 1)),
        taps(arena.take<const char*>(m.plan_.outer_taps)) {}

  DenseArena arena;
  MatrixStrip strip;
  DenseStore<float> store;
  DenseJob* jobs;
  Run* runs;
  const char** taps;
};

MatrixLayer::MatrixLayer(const LayerProblem& problem, const MatrixPlan& plan, Isa isa)
    : matrix_(matrix_table(isa)),
      convert_(convert_table<float>(isa)),
      wide_(convert_table<double>(isa)),
      turn_(turn_table<float>(isa)),
      epilogue_(epilogue_table<float>(isa)),
      plan_(plan),
      alone_(divide_dense(plan_.d, 1)),
      fallback_(plan_dense(on_ordered_weights(problem), isa)) {
  for (const MatrixPlan::Step& s : plan_.steps) offsets_.push_back(s.offset);
  for (int i = 0; i < matrix_.count; ++i) {
    const MatrixKernel& k = matrix_.kernels[i];
    if (k.products == plan_.products) kernels_[k.row_tiles - 1][k.column_tiles - 1] = &k;
  }
  const MatrixKernel& full = *kernels_[1][plan_.d.panels[0].vectors - 1];
  summary_.kernel = full.name;
  summary_.tile_positions = kTileRows;
  summary_.tile_channels = int64_t(full.column_tiles) * plan_.d.lanes;
  summary_.strip = plan_.d.lines();
  summary_.chunk = std::min(plan_.chunk_steps, plan_.total_steps()) * 32;
  summary_.units = alone_.units;
  summary_.scratch = int64_t(Workspace(*this, DenseArena(nullptr)).arena.bytes());
  summary_.packs_input = true;
  summary_.turns_output = plan_.d.out == DenseOut::planes;
}

int64_t MatrixLayer::packed_bytes() const {
  return MatrixWeights::kHeader +
         std::max(plan_.d.p.groups * MatrixWeights::group_bytes(plan_), fallback_->packed_bytes());
}

void MatrixLayer::pack(const void* weights, void* packed, int threads) const {
  char* values = static_cast<char*>(packed) + MatrixWeights::kHeader;
  const bool tiles = pack_matrix(plan_, matrix_, convert_, turn_, weights, values, threads);
  *static_cast<int64_t*>(packed) = tiles;
  if (tiles) return;
  const int64_t channels = plan_.d.p.out_channels, terms = plan_.d.terms;
  Scratch ordered(size_t(channels * terms) * sizeof(float));
  order_weights(plan_.d.p, convert_, weights, static_cast<float*>(ordered.data()));
  fallback_->pack(ordered.data(), values, threads);
}

void MatrixLayer::run_band(int64_t panel, const char* weights, const char* const* taps, const Run* runs,
                           int64_t count, Workspace& w) const {
  const DensePanel& p = plan_.d.panels[size_t(panel)];
  const int64_t steps = int64_t(plan_.steps.size()), step_bytes = MatrixWeights::step_bytes(plan_, panel);
  int64_t last_tap = -1;
  for (int64_t t = 0; t < plan_.outer_taps; ++t)
    if (taps[t]) last_tap = t;
  MatrixArgs args{};
  args.part_step = w.strip.part_step();
  args.row_step = plan_.row_step();
  const auto run_chunk = [&](const char* sheet, int64_t begin, const char* b, bool first, bool last) {
    args.b = b;
    args.add = !first;
    int64_t position = 0;
    for (int64_t i = 0; i < count; position += runs[i++].count) {
      DenseJob job{};
      job.rows = job.tiles = 1, job.position = position;
      GemmArgs<float> sums{};
      w.store.set_sums(job, p, true, sums);
      if (last) w.store.set_last(job, p, sums);
      args.offsets = offsets_.data() + begin;
      args.ldc = sums.ldc;
      args.bias = sums.bias;
      args.clip = sums.clip;
      args.lo = sums.lo, args.hi = sums.hi;
      for (int64_t t = 0; t < runs[i].count; t += kTileRows) {
        args.a = sheet + runs[i].from + t * args.row_step;
        args.rows = std::min(kTileRows, runs[i].count - t);
        args.c = sums.c + t * sums.ldc;
        args.residual = sums.residual ? sums.residual + t * sums.ldc : nullptr;
        kernels_[args.rows > kTileRows / 2][p.vectors - 1]->run(args);
      }
    }
  };
  if (last_tap < 0) {
    args.steps = 0;
    run_chunk(nullptr, 0, nullptr, true, true);
    return;
  }
  bool first = true;
  for (int64_t t = 0; t < plan_.outer_taps; ++t) {
    if (!taps[t]) continue;
    for (int64_t s = 0; s < steps; s += args.steps) {
      args.steps = std::min(plan_.chunk_steps, steps - s);
      run_chunk(taps[t], s, weights + (t * steps + s) * step_bytes, first,
                t == last_tap && s + args.steps == steps);
      first = false;
    }
  }
}

// All outputs of a sheet, whose first line is `line` of the box.
void MatrixLayer::run_sheet(const DenseBox& box, int64_t item, const int64_t* at, int64_t line,
                            const char* weights, Workspace& w) const {
  const size_t axes = plan_.d.p.axes.size();
  const int64_t rows = axes > 1 ? box.size[axes - 1] : 1,
                pitch = plan_.flows ? plan_.phase_pixels : box.columns;
  const int64_t total = plan_.flows ? (rows - 1) * pitch + box.columns : rows * box.columns;
  for (int64_t t = 0; t < plan_.outer_taps; ++t) w.taps[t] = w.strip.sheet(item, at, t);
  // Positions of the sheet: row r has [r * pitch, r * pitch + columns).
  for (int64_t begin = 0; begin < total; begin += plan_.d.band) {
    const int64_t end = std::min(total, begin + plan_.d.band);
    int64_t jobs = 0, runs = 0;
    if (plan_.flows) w.runs[runs++] = {begin * plan_.row_step(), end - begin};
    for (int64_t r = begin / pitch; r < rows && r * pitch < end; ++r) {
      const int64_t from = std::max(begin, r * pitch), to = std::min(end, r * pitch + box.columns);
      if (from >= to) continue;
      DenseJob& job = w.jobs[jobs++] = {};
      job.line = job.half_line = line + r, job.column = from - r * pitch;
      job.rows = to - from, job.tiles = 1, job.position = from - begin;
      if (!plan_.flows)
        w.runs[runs++] = {r * plan_.line_step() + (from - r * pitch) * plan_.row_step(), to - from};
    }
    for (int64_t n = box.first_panel; n < box.last_panel; ++n) {
      const DensePanel& panel = plan_.d.panels[size_t(n)];
      w.store.load_residual(w.jobs, jobs, panel);
      run_band(n, weights + MatrixWeights::panel_begin(plan_, n), w.taps, w.runs, runs, w);
      w.store.finish(w.jobs, jobs, end - begin, panel);
    }
  }
}

bool MatrixLayer::run_unit(const DenseBox& box, const LayerArrays& arrays, const char* weights,
                           Workspace& w) const {
  if (!w.strip.select(box, static_cast<const char*>(arrays.in))) return false;
  w.store.select(box, arrays);
  weights += box.group * MatrixWeights::group_bytes(plan_);
  const size_t axes = plan_.d.p.axes.size(), outer = axes > 2 ? axes - 2 : 0;
  const int64_t rows = axes > 1 ? box.size[axes - 1] : 1;
  int64_t sheets = box.size[0], at[DenseBox::kMostAxes];
  for (size_t a = 0; a < outer; ++a) sheets *= box.size[a + 1];
  for (int64_t s = 0; s < sheets; ++s) {
    int64_t rest = s;
    for (size_t a = outer; a-- > 0;) {
      at[a] = rest % box.size[a + 1];
      rest /= box.size[a + 1];
    }
    run_sheet(box, rest, at, s * rows, weights, w);
  }
  return true;
}

Outcome MatrixLayer::run(const LayerArrays& arrays, int threads, Poll poll) const {
  if (plan_.d.p.outputs() == 0) return {};
  const MatrixWeights weights(arrays.weight);
  if (!weights.tiles) {
    LayerArrays same = arrays;
    same.weight = weights.values;
    return fallback_->run(same, threads, poll);
  }
  const DenseGrid grid = threads <= 1 ? alone_ : divide_dense(plan_.d, threads);
  std::atomic<bool> reported{false}, special{false};
  const bool finished = parallel_for(
      grid.units, threads,
      [&](int64_t unit, int) {
        if (special.load(std::memory_order_relaxed)) return;
        const FlushSubnormals flush;
        const OpenTiles tiles(matrix_);
        const ScratchLease lease(size_t(summary_.scratch));
        Workspace w(*this, DenseArena(lease.data()));
        if (!run_unit(dense_box(plan_.d, grid, unit), arrays, weights.values, w)) special = true;
        if (w.store.reported()) reported = true;
      },
      poll);
  if (!finished || !special) return {finished, reported};
  Scratch ordered(size_t(plan_.d.p.out_channels * plan_.d.terms) * sizeof(float));
  Scratch packed(size_t(fallback_->packed_bytes()));
  unpack_matrix(plan_, weights.values, static_cast<float*>(ordered.data()));
  fallback_->pack(ordered.data(), packed.data(), threads);
  LayerArrays same = arrays;
  same.weight = packed.data();
  return fallback_->run(same, threads, poll);
}

std::unique_ptr<Layer> plan_matrix(const LayerProblem& problem, int products, Isa isa) {
  if (isa != Isa::amx) throw std::invalid_argument("needs a matrix unit (AMX)");
  return std::make_unique<MatrixLayer>(problem, schedule_matrix(problem, products), isa);
}

}  // namespace faltung
