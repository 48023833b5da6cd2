#include <algorithm>
#include <atomic>
#include <optional>
#include <type_traits>
#include <vector>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/ops/grouped_lanes.h"

namespace faltung {
namespace {

// Prepared weights: whether all are finite, then [vector][run] as the kernels read them.
template <class T>
class GroupedLanesLayer final : public Layer {
 public:
  GroupedLanesLayer(const LayerProblem& problem, Isa isa)
      : p_(problem),
        table_(grouped_lanes_table<T>(isa)),
        load_(convert_table<T>(isa).load[int(problem.weight)]),
        s_(schedule_lanes<T>(problem, isa)),
        arrays_(p_, s_, isa),
        last_columns_(p_.axes[1].out - (s_.blocks - 1) * s_.columns) {
    const bool clips = p_.activation == Activation::none || p_.activation == Activation::clip;
    if (!clips) activate_ = epilogue_table<T>(isa).activate[int(p_.activation)];
    for (const int64_t most : {2, 1}) {
      covers_[most - 1] = cover_lanes(table_, s_.fold, most, s_.columns);
      last_covers_[most - 1] = cover_lanes(table_, s_.fold, most, last_columns_);
    }
    panels_ = s_.most_bundles() * s_.panels * s_.panel;
    results_ = s_.most_bundles() * s_.vectors * s_.lanes * s_.rows * s_.columns;
    for (const LayerAxis& a : p_.axes)
      pads_ = pads_ || (a.boundary == Boundary::constant &&
                        (a.pad > 0 || (a.out - 1) * a.stride + (a.taps - 1) * a.dilation - a.pad >= a.in));
    const GroupedLanesKernel<T>& k = *covers_[p_.axes[0].out > 1].kernel;
    summary_.kernel = k.name;
    summary_.tile_positions = int64_t(k.rows) * k.columns;
    summary_.tile_channels = s_.lanes;
    summary_.strip = s_.rows;
    summary_.chunk = std::min<int64_t>(s_.fold ? p_.taps() : p_.terms(), 256);
    summary_.units = p_.batch * s_.units_wide * s_.strips * s_.blocks;
    summary_.scratch = bytes();
    summary_.packs_input = true;
    summary_.turns_output = !arrays_.out_direct();
  }

  int64_t packed_bytes() const override {
    return kHeader + s_.bundles * s_.vectors * s_.vector_weights * int64_t(sizeof(T));
  }

  void pack(const void* weights, void* packed, int) const override {
    const FloatEnvironment environment;
    const LayerAxis &row = p_.axes[0], &column = p_.axes[1];
    std::vector<T> plain(size_t(p_.out_channels * p_.terms()));
    T* line = plain.data();
    T probe = 0;
    for (int64_t out = 0; out < p_.out_channels; ++out)
      for (int64_t in = 0; in < p_.group_in(); ++in)
        for (int64_t r = 0; r < row.taps; ++r, line += column.taps) {
          load_(static_cast<const char*>(weights) + out * p_.weight_out_step + in * p_.weight_in_step +
                    r * row.weight_step,
                {column.taps, 1, column.weight_step, 0}, line);
          for (int64_t c = 0; c < column.taps; ++c) probe += line[c] * T(0);
        }
    T* to = values(packed);
    for_weights([&](int64_t at) { *to++ = plain[size_t(at)]; });
    *static_cast<bool*>(packed) = probe == T(0);
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    if (pads_ && !*static_cast<const bool*>(arrays.weight)) return run_definition(arrays, threads, poll);
    const bool finished = parallel_for(
        summary_.units, threads,
        [&](int64_t unit, int) {
          std::optional<FlushSubnormals> flush;
          if constexpr (std::is_same_v<T, float>) flush.emplace();
          const ScratchLease lease{size_t(bytes())};
          run_unit(unit_at(unit), arrays, reinterpret_cast<T*>(lease.data()));
        },
        poll);
    return {finished, false};
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  static constexpr int64_t kHeader = 64;
  static T* values(void* packed) { return reinterpret_cast<T*>(static_cast<char*>(packed) + kHeader); }
  static const T* values(const void* packed) {
    return reinterpret_cast<const T*>(static_cast<const char*>(packed) + kHeader);
  }
  static int64_t lines(int64_t elements) { return (elements * int64_t(sizeof(T)) + 63) / 64 * 64; }
  int64_t bytes() const {
    return lines(panels_) + (arrays_.out_direct() ? 0 : lines(results_)) +
           (p_.residual && !arrays_.residual_direct() ? lines(results_) : 0);
  }

  // Calls visit(its place in [out][in][row][column]) for every prepared weight in order.
  template <class Visit>
  void for_weights(Visit visit) const {
    const int64_t L = s_.lanes, J = s_.fold, columns = p_.axes[1].taps, taps = p_.taps();
    for (int64_t n = 0; n < s_.bundles * s_.vectors; ++n) {
      const int64_t out = s_.first_out(n / s_.vectors, n % s_.vectors);
      for (size_t r = 0; r < s_.runs.size(); ++r) {
        const GroupedLanesRun& run = s_.runs[r];
        const GroupedLanesTaps& at = s_.taps[r];
        const int64_t first = at.row * columns + at.column;
        for (int64_t c = 0; c < (J ? J : run.channels); ++c)
          for (int64_t k = 0; k < run.taps; ++k)
            for (int64_t l = 0; l < L; ++l) {
              const int64_t o = J ? out + (l ^ c) : out + l, in = J ? l & (J - 1) : at.panel * L + c;
              visit((o * s_.channels + in) * taps + first + k);
            }
      }
    }
  }

  // Weights that are not finite must not meet the zeros that stand for samples outside.
  Outcome run_definition(const LayerArrays& arrays, int threads, Poll poll) const {
    LayerProblem p = p_;
    const int64_t item = int64_t(sizeof(T));
    p.weight = sizeof(T) == 4 ? DType::f32 : DType::f64;
    p.axes[1].weight_step = item;
    p.axes[0].weight_step = item * p.axes[1].taps;
    p.weight_in_step = item * p.taps();
    p.weight_out_step = p.weight_in_step * p.group_in();
    std::vector<T> weights(size_t(p.out_channels * p.terms()));
    const T* from = values(arrays.weight);
    for_weights([&](int64_t at) { weights[size_t(at)] = *from++; });
    LayerArrays same = arrays;
    same.weight = weights.data();
    return run_layer_reference(p, same, threads, poll);
  }

  GroupedLanesUnit unit_at(int64_t n) const {
    GroupedLanesUnit u{};
    const auto take = [&n](int64_t count) {
      const int64_t at = n % count;
      n /= count;
      return at;
    };
    u.column = take(s_.blocks) * s_.columns;
    u.columns = std::min(s_.columns, p_.axes[1].out - u.column);
    u.row = take(s_.strips) * s_.rows;
    u.rows = std::min(s_.rows, p_.axes[0].out - u.row);
    const int64_t wide = take(s_.units_wide);
    u.bundle = wide * s_.unit_bundles;
    u.bundles = wide + 1 < s_.units_wide ? s_.unit_bundles : s_.bundles - u.bundle;
    u.item = n;
    u.out = s_.first_out(u.bundle, 0);
    u.outs = s_.first_out(u.bundle + u.bundles - 1, s_.vectors - 1) + s_.lanes - u.out;
    return u;
  }

  void run_unit(const GroupedLanesUnit& u, const LayerArrays& arrays, T* scratch) const {
    const int64_t item = int64_t(sizeof(T));
    const LayerAxis &row = p_.axes[0], &column = p_.axes[1];
    T* const panels = scratch;
    scratch += lines(panels_) / item;
    arrays_.pack(u, static_cast<const char*>(arrays.in), panels);

    GroupedLanesArgs<T> g{};
    g.step = column.stride * s_.lanes;
    g.row_step = row.stride * s_.line;
    g.runs = s_.runs.data();
    g.run_count = int64_t(s_.runs.size());
    g.clip = p_.activation == Activation::clip;
    g.lo = T(p_.lo), g.hi = T(p_.hi);
    T* const results = scratch;
    Target to{results, u.columns * u.outs, u.outs};
    if (arrays_.out_direct()) {
      to.c_row = row.out_step / item, to.c_step = column.out_step / item;
      to.c = static_cast<T*>(arrays.out) + u.item * p_.out_batch_step / item + u.row * to.c_row +
             u.column * to.c_step + u.out;
    } else {
      scratch += lines(results_) / item;
    }
    if (arrays_.residual_direct()) {
      g.residual_row = row.residual_step / item, g.residual_step = column.residual_step / item;
      to.residual = static_cast<const T*>(arrays.residual) + u.item * p_.residual_batch_step / item +
                    u.row * g.residual_row + u.column * g.residual_step + u.out;
    } else if (p_.residual) {
      g.residual_row = u.columns * u.outs, g.residual_step = u.outs;
      to.residual = scratch;
      arrays_.load_residual(u, static_cast<const char*>(arrays.residual), scratch);
    }
    for (int64_t b = 0; b < u.bundles; ++b)
      for (int64_t v = 0; v < s_.vectors; ++v) {
        const int64_t out = s_.first_out(u.bundle + b, v);
        g.weights = values(arrays.weight) + ((u.bundle + b) * s_.vectors + v) * s_.vector_weights;
        g.bias = p_.bias ? static_cast<const T*>(arrays.bias) + out : nullptr;
        run_vector(u, g, panels + b * s_.panels * s_.panel, to, out - u.out);
      }
    if (arrays_.out_direct()) return;
    if (activate_) activate_(results, u.rows * u.columns * u.outs, T(p_.lo), T(p_.hi));
    arrays_.store(u, results, static_cast<char*>(arrays.out));
  }

  // Where position 0 and channel 0 of a unit go, and what is added there.
  struct Target {
    T* c;
    int64_t c_row, c_step;
    const T* residual = nullptr;
  };

  // All positions of one vector of outputs.
  void run_vector(const GroupedLanesUnit& u, GroupedLanesArgs<T> g, const T* panels, const Target& to,
                  int64_t out) const {
    const auto& covers = u.columns == s_.columns ? covers_ : last_covers_;
    for (int64_t r = 0; r < u.rows;) {
      const GroupedLanesCover<T>& cover = covers[u.rows - r > 1];
      const int64_t from_step = g.step, residual = r * g.residual_row;
      const auto sweep = [&](int64_t column, int64_t tiles) {
        g.x = panels + r * g.row_step + column * from_step;
        g.c = to.c + out + r * to.c_row + column * to.c_step;
        g.c_row = to.c_row, g.c_step = to.c_step;
        g.residual = to.residual ? to.residual + out + residual + column * g.residual_step : nullptr;
        g.tiles = tiles;
        cover.kernel->run(g);
      };
      sweep(0, cover.tiles);
      if (cover.rest >= 0) sweep(cover.rest, 1);
      r += cover.kernel->rows;
    }
  }

  LayerProblem p_;
  const GroupedLanesTable<T>& table_;
  void (*load_)(const void*, const StridedLine&, T*);
  GroupedLanesSchedule s_;
  GroupedLanesArrays<T> arrays_;
  int64_t last_columns_;
  GroupedLanesCover<T> covers_[2],
      last_covers_[2];  // of one row, and of two where there are; of the last block
  void (*activate_)(T*, int64_t, T, T) = nullptr;
  bool pads_ = false;
  int64_t panels_, results_;  // elements of a unit
  LayerSummary summary_;
};

}  // namespace

template <class T>
std::unique_ptr<Layer> plan_grouped_lanes(const LayerProblem& problem, Isa isa) {
  return std::make_unique<GroupedLanesLayer<T>>(problem, isa);
}

template std::unique_ptr<Layer> plan_grouped_lanes<float>(const LayerProblem&, Isa);
template std::unique_ptr<Layer> plan_grouped_lanes<double>(const LayerProblem&, Isa);

}  // namespace faltung
