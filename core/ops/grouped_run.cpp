#include "core/ops/grouped_run.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/ops/grouped_lanes.h"
#include "core/ops/grouped_pack.h"
#include "core/ops/grouped_repair.h"
#include "core/ops/grouped_store.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

template <class T>
GroupedTiles tiles_of(const GroupedTable<T>& table) {
  GroupedTiles tiles{table.kernels[0].lanes, {}};
  for (int i = 0; i < table.count; ++i) {
    tiles.most_vectors.resize(size_t(table.kernels[i].outs));
    tiles.most_vectors.back() = table.kernels[i].vectors;
  }
  return tiles;
}

// Prepared weights: whether all are finite, then [group][tile][channel][tap][out of the tile].
template <class T>
class GroupedLayer final : public Layer {
 public:
  GroupedLayer(const LayerProblem& problem, Isa isa)
      : p_(with_rows(problem)),
        table_(grouped_table<T>(isa)),
        convert_(convert_table<T>(isa)),
        tiles_(tiles_of(table_)) {
    if (p_.outputs() > 0) s_ = schedule_grouped(p_, tiles_, sizeof(T));
    for (int i = 0; i < table_.count; ++i)
      if (table_.kernels[i].vectors == 1) first_.push_back(i);
    pack_.emplace(p_, s_, isa);
    store_.emplace(p_, s_, isa);
    const int64_t line = s_.axes.empty() ? 0 : s_.axes.back().size;  // positions of a packed line
    spare_ = std::max(line * s_.block * p_.group_in(),
                      store_->spare(store_->together() ? s_.block * p_.group_out() : p_.group_out()));
    terms_ = p_.terms();
    const int64_t outs = s_.outs.empty() ? 1 : s_.outs[0], vectors = tiles_.most_vectors[size_t(outs) - 1];
    summary_.kernel = kernel(outs, vectors).name;
    summary_.tile_positions = vectors * tiles_.lanes;
    summary_.tile_channels = outs;
    summary_.strip = s_.strip;
    summary_.chunk = s_.chunk;
    summary_.units = s_.units;
    summary_.scratch = bytes();
    summary_.packs_input = true;
    summary_.turns_output = store_->together();
  }

  int64_t packed_bytes() const override {
    return kHeader + p_.out_channels * p_.terms() * int64_t(sizeof(T));
  }

  void pack(const void* weights, void* packed, int) const override {
    if (p_.outputs() == 0) return;
    const FloatEnvironment environment;
    bool finite = true;
    T* to = values(packed);
    for (int64_t o = 0; o < p_.out_channels;)
      for (const int64_t outs : s_.outs) {
        for (int64_t i = 0; i < p_.group_in(); ++i)
          for (int64_t tap = 0; tap < p_.taps(); ++tap, to += outs)
            for (int64_t n = 0; n < outs; ++n) {
              to[n] = weight(static_cast<const char*>(weights), o + n, i, tap);
              finite = finite && std::isfinite(to[n]);
            }
        o += outs;
      }
    *static_cast<bool*>(packed) = finite;
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    if (p_.outputs() == 0) return {};
    std::atomic<bool> reported{false};
    const bool finished = parallel_for(
        s_.units, threads,
        [&](int64_t unit, int) {
          std::optional<FlushSubnormals> flush;
          if constexpr (std::is_same_v<T, float>) flush.emplace();
          const ScratchLease lease{size_t(bytes())};
          if (run_unit(unit_at(unit), arrays, reinterpret_cast<T*>(lease.data()))) reported = true;
        },
        poll);
    if (finished && !*static_cast<const bool*>(arrays.weight))
      return {repair_borders(p_, s_.outs, values(arrays.weight), arrays, threads, poll), reported};
    return {finished, reported};
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  static constexpr int64_t kHeader = 64;
  static T* values(void* packed) { return reinterpret_cast<T*>(static_cast<char*>(packed) + kHeader); }
  static const T* values(const void* packed) {
    return reinterpret_cast<const T*>(static_cast<const char*>(packed) + kHeader);
  }

  const GroupedKernel<T>& kernel(int64_t outs, int64_t vectors) const {
    return table_.kernels[first_[size_t(outs) - 1] + int(vectors) - 1];
  }
  int64_t bytes() const {
    const auto lines = [](int64_t elements) { return (elements * int64_t(sizeof(T)) + 63) / 64 * 64; };
    return lines(s_.samples) + lines(s_.sums) + lines(spare_);
  }

  T weight(const char* from, int64_t out, int64_t in, int64_t tap) const {
    from += out * p_.weight_out_step + in * p_.weight_in_step;
    for (size_t a = p_.axes.size(); a-- > 0;) {
      from += tap % p_.axes[a].taps * p_.axes[a].weight_step;
      tap /= p_.axes[a].taps;
    }
    T value;
    const int64_t item = kItemSize[int(p_.weight)];
    convert_.load[int(p_.weight)](from, {1, 1, item, item}, &value);
    if (!p_.weight_zero.empty()) value -= T(p_.weight_zero[p_.weight_zero.size() == 1 ? 0 : size_t(out)]);
    return value;
  }

  GroupedUnit unit_at(int64_t n) const {
    const int64_t strip = n % s_.strips, block = n / s_.strips % s_.blocks;
    GroupedUnit u{n / s_.strips / s_.blocks,
                  block * s_.block,
                  std::min(s_.block, p_.groups - block * s_.block),
                  {},
                  {}};
    u.begin.assign(p_.axes.size(), 0);
    for (const LayerAxis& a : p_.axes) u.outs.push_back(a.out);
    u.begin[s_.cut] = strip * s_.strip;
    u.outs[s_.cut] = std::min(s_.strip, p_.axes[s_.cut].out - u.begin[s_.cut]);
    return u;
  }

  bool run_unit(const GroupedUnit& u, const LayerArrays& arrays, T* scratch) const {
    const auto whole = [](int64_t elements) {
      constexpr int64_t line = 64 / int64_t(sizeof(T));
      return (elements + line - 1) / line * line;
    };
    T* const planes = scratch;
    T* const sums = planes + whole(s_.samples);
    T* const spare = sums + whole(s_.sums);
    pack_->run(u, static_cast<const char*>(arrays.in), planes, spare);
    std::fill(planes + s_.samples - tiles_.lanes, planes + s_.samples, T(0));
    bool reported = false;
    const int64_t outs = p_.group_out();
    for (int64_t g = 0; g < u.groups; ++g) {
      T* const to = sums + g * outs * s_.sum_plane;
      const T* w = values(arrays.weight) + (u.group + g) * outs * terms_;
      const T* const x = planes + g * p_.group_in() * s_.phases * s_.plane;
      int64_t first = 0;
      for (const int64_t n : s_.outs) {
        run_tiles(u, x, w, n, to + first * s_.sum_plane);
        w += n * terms_;
        first += n;
      }
      if (!store_->together()) reported |= store_->run(u, (u.group + g) * outs, outs, arrays, to, spare);
    }
    if (store_->together()) reported |= store_->run(u, u.group * outs, u.groups * outs, arrays, sums, spare);
    return reported;
  }

  // All positions of some out channels of a group.
  void run_tiles(const GroupedUnit& u, const T* x, const T* weights, int64_t outs, T* sums) const {
    const size_t rank = p_.axes.size();
    const int64_t rows = u.outs[rank - 2], count = u.outs[rank - 1];
    int64_t outer = 1;
    for (size_t a = 0; a + 2 < rank; ++a) outer *= u.outs[a];
    for (int64_t n = 0; n < outer; ++n, sums += s_.outer_step) {
      const T* from = x;
      int64_t rest = n;
      for (size_t a = rank - 2; a-- > 0;) {
        from += rest % u.outs[a] * s_.axes[a].step;
        rest /= u.outs[a];
      }
      if (s_.flat) {
        run_span(from, weights, outs, sums, (rows - 1) * s_.row_step + count);
      } else {
        for (int64_t r = 0; r < rows; ++r)
          run_span(from + r * s_.axes[rank - 2].step, weights, outs, sums + r * s_.row_step, count);
      }
    }
  }

  // Neighbouring positions, in tiles of nearly equal sizes.
  void run_span(const T* x, const T* weights, int64_t outs, T* sums, int64_t positions) const {
    const int64_t lanes = tiles_.lanes, most = tiles_.most_vectors[size_t(outs) - 1];
    int64_t vectors = (positions + lanes - 1) / lanes;
    for (int64_t tiles = (vectors + most - 1) / most; tiles > 0; --tiles) {
      const int64_t n = (vectors + tiles - 1) / tiles;
      const GroupedKernel<T>& k = kernel(outs, n);
      GroupedArgs<T> args{x, s_.offsets.data(), weights, 0, sums, s_.sum_plane, false};
      for (int64_t t = 0; t < terms_; t += s_.chunk) {
        args.terms = std::min(s_.chunk, terms_ - t);
        k.run(args);
        args.offsets += args.terms;
        args.weights += args.terms * outs;
        args.add = true;
      }
      vectors -= n;
      x += n * lanes;
      sums += n * lanes;
    }
  }

  LayerProblem p_;
  const GroupedTable<T>& table_;
  const ConvertTable<T>& convert_;
  GroupedTiles tiles_;
  GroupedSchedule s_;
  std::vector<int> first_;  // the row of one vector, for each number of outs
  std::optional<GroupedPack<T>> pack_;
  std::optional<GroupedStore<T>> store_;
  int64_t terms_ = 0, spare_ = 0;
  LayerSummary summary_;
};

template <class T>
std::unique_ptr<Layer> plan(const LayerProblem& problem, Isa isa) {
  if (fits_lanes<T>(problem, isa)) return plan_grouped_lanes<T>(with_rows(problem), isa);
  return std::make_unique<GroupedLayer<T>>(problem, isa);
}

}  // namespace

std::unique_ptr<Layer> plan_grouped(const LayerProblem& problem, Isa isa) {
  if (problem.complex_numbers) throw std::invalid_argument("needs real numbers");
  if (problem.compute != Compute::f32 && problem.compute != Compute::f64)
    throw std::invalid_argument("needs sums in float32 or float64");
  // Integers keep their bias and residual exactly in float64 only.
  if (problem.compute == Compute::f64 || is_integer(problem.in)) return plan<double>(problem, isa);
  return plan<float>(problem, isa);
}

}  // namespace faltung
