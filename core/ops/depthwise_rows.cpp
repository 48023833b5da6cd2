#include <algorithm>
#include <atomic>

#include "core/ops/depthwise_layer.h"
#include "core/ops/depthwise_rows_plan.h"

namespace faltung {
namespace {

int64_t rounded(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// Two channels a vector where a row fills no more than half of one.
template <class T>
int halves_of(const LayerProblem& p, Isa isa) {
  const DepthwiseRowsTable<T>& table = depthwise_rows_table<T>(isa);
  int halves = 1;
  for (int i = 0; i < table.count; ++i)
    if (table.kernels[i].halves > halves && p.axes.back().out <= table.kernels[i].lanes && p.in_channels > 1)
      halves = table.kernels[i].halves;
  return halves;
}

template <class T>
class DepthwiseRows final : public Layer {
 public:
  DepthwiseRows(const LayerProblem& problem, Isa isa)
      : p_(problem),
        table_(depthwise_rows_table<T>(isa)),
        convert_(convert_table<T>(isa)),
        lanes_(table_.kernels[0].lanes),
        s_(problem, lanes_, halves_of<T>(problem, isa), table_.kernels[0].most_taps, int64_t(sizeof(T))),
        group_weights_(int64_t(s_.taps.size()) * s_.halves),
        weights_(problem, s_.groups * p_.group_out() * group_weights_ * int64_t(sizeof(T))) {
    const int64_t item = int64_t(sizeof(T));
    const LayerAxis &c = s_.columns, &r = s_.rows.axis;
    const bool in_type = p_.in == type_of<T>(), out_type = p_.out == type_of<T>();
    const bool clips = p_.activation == Activation::none || p_.activation == Activation::clip;
    if (!clips) activate_ = epilogue_table<T>(isa).activate[int(p_.activation)];
    in_place_ = in_type && !s_.edged && (c.in_step == item || c.in == 1) && r.in_step % item == 0;
    out_in_place_ = out_type && clips && (c.out_step == item || c.out == 1) && r.out_step % item == 0 &&
                    p_.out_channel_step % item == 0;
    residual_in_place_ = out_type && (c.residual_step == item || c.out == 1) && r.residual_step % item == 0 &&
                         p_.residual_channel_step % item == 0;
    for (int i = 0; i < table_.count; ++i) {
      const DepthwiseRowsKernel<T>& k = table_.kernels[i];
      if (k.halves == s_.halves) kernels_[k.vectors - 1].push_back(&k);
    }
    most_vectors_ = kernels_[1].empty() ? 1 : 2;
    tile_step_ = most_vectors_ * lanes_;
    tile_elements_ = s_.halves * kernels_[0].front()->rows * tile_step_;
    planes_bytes_ = rounded((s_.slots * s_.plane_step + s_.reach + 4 * lanes_) * item);
    line_bytes_ = in_place_ ? 0 : rounded((std::max(c.in, s_.reach) + lanes_) * item);
    tile_bytes_ = rounded(tile_elements_ * item);
    lists_bytes_ = rounded(s_.panels * int64_t(sizeof(DepthwisePlane<T>) + 3 * sizeof(int64_t)));
    const int64_t most_tiles =
        (s_.strip_rows + kernels_[0].front()->rows - 1) / kernels_[0].front()->rows + 2 * s_.rows.classes;
    tiles_bytes_ = rounded(most_tiles * int64_t(sizeof(Tile)));
    chunks_bytes_ = rounded(most_tiles * int64_t(s_.chunks.size() * sizeof(DepthwiseChunk)));
    bias_bytes_ = p_.bias ? size_t(rounded(p_.out_channels * item)) : 0;

    const DepthwiseRowsKernel<T>& k = kernel(s_.rows.outputs(0), c.out);
    summary_.kernel = k.name;
    summary_.tile_positions = int64_t(k.rows) * k.vectors * k.lanes;
    summary_.tile_channels = k.halves;
    summary_.strip = s_.strip_rows;
    summary_.chunk = 256;
    summary_.units = s_.units;
    summary_.scratch =
        planes_bytes_ + 2 * line_bytes_ + 2 * tile_bytes_ + lists_bytes_ + tiles_bytes_ + chunks_bytes_;
    summary_.shared = int64_t(bias_bytes_);
    summary_.packs_input = true;
  }

  int64_t packed_bytes() const override { return weights_.bytes(); }

  void pack(const void* weights, void* packed, int threads) const override {
    const auto load = convert_.load[int(p_.weight)];
    const int64_t m = p_.group_out(), n = int64_t(s_.taps.size()), item = kItemSize[int(p_.weight)];
    // Kernels that lie in one piece, in whatever order, are loaded at once.
    const auto [least, most] = std::minmax_element(s_.taps.begin(), s_.taps.end());
    const int64_t low = *least, span = (*most - low) / item + 1;
    const bool whole = span == n && std::all_of(s_.taps.begin(), s_.taps.end(),
                                                [&](int64_t tap) { return (tap - low) % item == 0; });
    std::vector<T> kernel;
    kernel.resize(size_t(n));
    T* to = static_cast<T*>(DepthwiseWeights::vectors(packed));
    T probe = 0;
    for (int64_t g = 0; g < s_.groups; ++g)
      for (int64_t j = 0; j < m; ++j, to += group_weights_)
        for (int64_t h = 0; h < s_.halves; ++h) {
          const int64_t o = (g * s_.halves + h) * m + j;
          if (o >= p_.out_channels) {
            for (int64_t i = 0; i < n; ++i) to[i * s_.halves + h] = T(0);
            continue;
          }
          const char* from = static_cast<const char*>(weights) + o * p_.weight_out_step;
          if (whole)
            load(from + low, {n, 1, item, 0}, kernel.data());
          else
            for (int64_t i = 0; i < n; ++i) load(from + s_.taps[size_t(i)], {1, 1, 0, 0}, &kernel[size_t(i)]);
          T zero = T(0);
          if (!p_.weight_zero.empty()) zero = T(p_.weight_zero[p_.weight_zero.size() == 1 ? 0 : size_t(o)]);
          for (int64_t i = 0; i < n; ++i) {
            const T w = kernel[size_t(whole ? (s_.taps[size_t(i)] - low) / item : i)] - zero;
            to[i * s_.halves + h] = w;
            probe += w * T(0);
          }
        }
    weights_.finish(weights, packed, probe == T(0), threads);
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    if (p_.outputs() == 0) return {};
    if (!weights_.fast(arrays.weight)) return weights_.run_definition(arrays, threads, poll);
    Scratch bias(bias_bytes_);
    if (p_.bias)
      convert_.load[int(p_.out)](arrays.bias, {p_.out_channels, 1, kItemSize[int(p_.out)], 0},
                                 static_cast<T*>(bias.data()));
    std::atomic<bool> reported{false};
    const bool finished = parallel_for(
        summary_.units, threads,
        [&](int64_t unit, int) {
          [[maybe_unused]] const LayerFloats<T> floats;
          const ScratchLease lease(size_t(summary_.scratch));
          Unit u{arrays, static_cast<const T*>(bias.data())};
          if (run_unit(unit, u, lease.data())) reported = true;
        },
        poll);
    return {finished, reported};
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  // Some rows of the strip that a kernel takes at once.
  struct Tile {
    int64_t row, rows;  // row: of the output
    const DepthwiseChunk* chunks;
    const DepthwiseRowsKernel<T>*main, *last;  // of the last positions
  };
  struct Unit {
    const LayerArrays& arrays;
    const T* bias;
    int64_t item = 0, row_begin = 0, row_end = 0;
    int64_t first_row = 0, packed_rows = 0;  // samples along the rows
    T *planes = nullptr, *line = nullptr, *raw = nullptr, *tile = nullptr, *residual = nullptr;
    DepthwisePlane<T>* list = nullptr;
    DepthwiseChunk* chunks = nullptr;
    Tile* tiles = nullptr;
    int64_t tile_count = 0;
    int64_t *held = nullptr, *wanted = nullptr,
            *slots = nullptr;                              // the outer position of each plane; -1: none
    int64_t group = 0, outer_out = 0, outer_residual = 0;  // bytes
    bool reported = false;
  };

  // The kernel for so many rows and positions.
  const DepthwiseRowsKernel<T>& kernel(int64_t rows, int64_t count) const {
    const auto& kernels = kernels_[most_vectors_ > 1 && count > lanes_ ? 1 : 0];
    const DepthwiseRowsKernel<T>* best = kernels.front();
    for (const DepthwiseRowsKernel<T>* k : kernels)
      if (k->rows >= rows) best = k;
    return *best;
  }

  bool run_unit(int64_t unit, Unit& u, char* scratch) const {
    const int64_t group_units = (s_.groups + s_.unit_groups - 1) / s_.unit_groups;
    const auto take = [&unit](int64_t n) {
      const int64_t at = unit % n;
      unit /= n;
      return at;
    };
    const int64_t strip = take(s_.strips), part = take(s_.outer_units), groups = take(group_units);
    u.item = unit;
    u.row_begin = strip * s_.strip_rows;
    u.row_end = std::min(u.row_begin + s_.strip_rows, s_.rows.axis.out);
    u.first_row = s_.first_row(u.row_begin);
    u.packed_rows = std::max<int64_t>(0, s_.last_row(u.row_end) - u.first_row);

    u.planes = reinterpret_cast<T*>(scratch);
    u.line = reinterpret_cast<T*>(scratch += planes_bytes_);
    u.raw = reinterpret_cast<T*>(scratch += line_bytes_);
    u.tile = reinterpret_cast<T*>(scratch += line_bytes_);
    u.residual = reinterpret_cast<T*>(scratch += tile_bytes_);
    u.chunks = reinterpret_cast<DepthwiseChunk*>(scratch += tile_bytes_);
    u.tiles = reinterpret_cast<Tile*>(scratch += chunks_bytes_);
    u.list = reinterpret_cast<DepthwisePlane<T>*>(scratch += tiles_bytes_);
    u.held = reinterpret_cast<int64_t*>(u.list + s_.panels);
    u.wanted = u.held + s_.panels;
    u.slots = u.wanted + s_.panels;
    std::memset(u.planes, 0, size_t(planes_bytes_));
    std::memset(u.tile, 0, size_t(2 * tile_bytes_));

    resolve_tiles(u);
    const int64_t begin = groups * s_.unit_groups, end = std::min(begin + s_.unit_groups, s_.groups);
    if (s_.panels == 1 && s_.outer_outputs == 1) {
      // The next plane is packed before this one is read: stores that have not arrived yet would hold its loads up.
      pack_plane(u, begin, 0, u.planes);
      for (int64_t g = begin; g < end; ++g) {
        u.group = g;
        u.list[0] = {u.planes + (g - begin) % 2 * s_.plane_step, weights(u)};
        if (g + 1 < end) pack_plane(u, g + 1, 0, u.planes + (g + 1 - begin) % 2 * s_.plane_step);
        run_tiles(u, 1);
      }
      return u.reported;
    }
    for (u.group = begin; u.group < end; ++u.group) {
      std::fill(u.held, u.held + s_.panels, -1);
      for (int64_t position = part * s_.outer_outputs / s_.outer_units;
           position < (part + 1) * s_.outer_outputs / s_.outer_units; ++position)
        run_tiles(u, fetch_planes(u, position));
    }
    return u.reported;
  }

  // Packs the planes that an outer position reads and that are not there yet; returns how many exist.
  int64_t fetch_planes(Unit& u, int64_t position) const {
    int64_t at[64];
    u.outer_out = u.outer_residual = 0;
    for (size_t a = s_.outer.size(); a-- > 0;) {
      const LayerAxis& axis = s_.outer[a];
      at[a] = position % axis.out;
      position /= axis.out;
      u.outer_out += at[a] * axis.out_step;
      u.outer_residual += at[a] * axis.residual_step;
    }
    const int64_t panel_weights = group_weights_ / s_.panels;
    int64_t n = 0;
    for (int64_t panel = 0; panel < s_.panels; ++panel) {
      int64_t index = 0, size = 1, rest = panel;
      for (size_t a = s_.outer.size(); a-- > 0 && index >= 0;) {
        const LayerAxis& axis = s_.outer[a];
        const int64_t z = boundary_index(at[a] * axis.stride + rest % axis.taps * axis.dilation - axis.pad,
                                         axis.in, axis.boundary);
        rest /= axis.taps;
        index = z < 0 ? -1 : index + z * size;
        size *= axis.in;
      }
      if (index < 0) continue;
      u.wanted[n] = index;
      u.list[n].weights = weights(u) + panel * panel_weights;
      ++n;
    }
    // What is held and wanted keeps its slot.
    for (int64_t i = 0; i < n; ++i) u.slots[i] = std::find(u.held, u.held + s_.panels, u.wanted[i]) - u.held;
    for (int64_t i = 0, slot = 0; i < n; ++i) {
      if (u.slots[i] == s_.panels) {
        u.slots[i] =
            std::find(u.held, u.held + s_.panels, u.wanted[i]) - u.held;  // an edge meets one plane twice
        if (u.slots[i] == s_.panels) {
          while (std::find(u.wanted, u.wanted + n, u.held[slot]) != u.wanted + n) ++slot;
          u.slots[i] = slot;
          u.held[slot] = u.wanted[i];
          pack_plane(u, u.group, u.wanted[i], u.planes + slot * s_.plane_step);
        }
      }
      u.list[i].x = u.planes + u.slots[i] * s_.plane_step;
    }
    return n;
  }

  const T* weights(const Unit& u) const {
    return static_cast<const T*>(DepthwiseWeights::vectors(u.arrays.weight)) +
           u.group * p_.group_out() * group_weights_;
  }

  int64_t group_channels(int64_t group) const {
    return std::min<int64_t>(s_.halves, p_.in_channels - group * s_.halves);
  }

  void pack_plane(const Unit& u, int64_t group, int64_t outer, T* to) const {
    const char* from = static_cast<const char*>(u.arrays.in) + u.item * p_.in_batch_step +
                       group * s_.halves * p_.in_channel_step;
    for (size_t a = s_.outer.size(); a-- > 0;) {
      from += outer % s_.outer[a].in * s_.outer[a].in_step;
      outer /= s_.outer[a].in;
    }
    const int64_t item = int64_t(sizeof(T));
    const LayerAxis &c = s_.columns, &r = s_.rows.axis;
    DepthwisePackArgs<T> args{};
    args.lead = s_.left;
    args.count = std::clamp<int64_t>(s_.reach - s_.left, 0, c.in);
    args.to_step = s_.pitch;
    args.phases = s_.phases;
    args.phase_step = s_.phase_step;
    for (int64_t h = 0; h < group_channels(group); ++h, from += p_.in_channel_step, to += s_.half_step) {
      if (in_place_ && r.boundary == Boundary::constant) {
        args.from = reinterpret_cast<const T*>(from + u.first_row * r.in_step);
        args.from_step = r.in_step / item;
        args.rows = u.packed_rows;
        args.to = to;
        table_.pack(args);
        continue;
      }
      args.rows = 1;
      for (int64_t i = 0; i < u.packed_rows; ++i) {
        args.to = to + i * s_.pitch;
        const char* row = from + boundary_index(u.first_row + i, r.in, r.boundary) * r.in_step;
        args.from = reinterpret_cast<const T*>(row);
        if (!in_place_) {
          convert_.load[int(p_.in)](row, {c.in, 1, c.in_step, 0}, u.line);
          for (int64_t n = 0; n < c.in && p_.in_zero != 0; ++n) u.line[n] -= T(p_.in_zero);
          args.from = u.line;
        }
        if (s_.edged) {
          for (int64_t n = 0; n < s_.reach; ++n) u.raw[n] = args.from[s_.samples[size_t(n)]];
          args.from = u.raw;
          args.lead = 0;
          args.count = s_.reach;
        }
        table_.pack(args);
      }
    }
  }

  // The tiles of the strip, the same for all its planes.
  void resolve_tiles(Unit& u) const {
    const int64_t classes = s_.rows.classes, most = kernels_[0].front()->rows, n = int64_t(s_.chunks.size());
    const int64_t last = s_.columns.out - (s_.columns.out - 1) / tile_step_ * tile_step_;
    for (int64_t k = 0; k < classes; ++k) {
      // Outputs k + classes * i of the strip.
      const int64_t begin = (u.row_begin - k + classes - 1) / classes,
                    rows = (u.row_end - k + classes - 1) / classes - begin;
      const int64_t tiles = (rows + most - 1) / most;
      for (int64_t t = 0; t < tiles; ++t) {
        Tile& tile = u.tiles[u.tile_count];
        DepthwiseChunk* chunks = u.chunks + u.tile_count++ * n;
        const int64_t row = begin + t * rows / tiles;
        tile.row = k + classes * row;
        tile.rows = begin + (t + 1) * rows / tiles - row;
        tile.main = &kernel(tile.rows, tile_step_);
        tile.last = &kernel(tile.rows, last);
        tile.chunks = chunks;
        for (int64_t i = 0; i < n; ++i) {
          const auto& chunk = s_.chunks[size_t(i)];
          const int64_t first = s_.rows.sample(k, chunk.row_class, row + chunk.first) - u.first_row;
          const int64_t step = s_.rows.step, end = u.packed_rows - first;
          chunks[i] = {first * s_.pitch, first < 0 ? (-first + step - 1) / step : 0,
                       end <= 0 ? 0 : std::min((end + step - 1) / step, tile.rows + chunk.taps - 1),
                       chunk.taps};
        }
      }
    }
  }

  // All tiles of a group at one outer position.
  void run_tiles(Unit& u, int64_t planes) const {
    const LayerAxis &c = s_.columns, &r = s_.rows.axis;
    const int64_t item = int64_t(sizeof(T)), m = p_.group_out(), first = u.group * s_.halves * m;
    const int64_t r_out = s_.rows.classes * r.out_step, r_residual = s_.rows.classes * r.residual_step;
    DepthwiseRowsArgs<T> args;
    args.planes = u.list;
    args.plane_count = planes;
    args.chunk_count = int64_t(s_.chunks.size());
    args.columns = s_.column_offsets.data();
    args.column_count = int64_t(s_.column_offsets.size());
    args.row_step = s_.rows.step * s_.pitch;
    args.half_step = s_.half_step;
    args.halves = int(group_channels(u.group));
    args.clip = p_.activation == Activation::clip;
    args.lo = T(p_.lo);
    args.hi = T(p_.hi);
    args.residual = nullptr;
    T bias[2] = {};
    args.bias = p_.bias ? bias : nullptr;
    for (int64_t j = 0; j < m; ++j) {
      if (p_.bias)
        for (int64_t h = 0; h < args.halves; ++h) bias[h] = u.bias[first + h * m + j];
      char* plane = static_cast<char*>(u.arrays.out) + u.item * p_.out_batch_step +
                    (first + j) * p_.out_channel_step + u.outer_out;
      const char* residual = nullptr;
      if (p_.residual)
        residual = static_cast<const char*>(u.arrays.residual) + u.item * p_.residual_batch_step +
                   (first + j) * p_.residual_channel_step + u.outer_residual;
      for (const Tile* tile = u.tiles; tile < u.tiles + u.tile_count; ++tile) {
        args.rows = tile->rows;
        args.chunks = tile->chunks;
        for (args.column = 0; args.column < c.out; args.column += tile_step_) {
          const bool last = args.column + tile_step_ >= c.out;
          args.count = last ? c.out - args.column : tile_step_;
          char* to = plane + tile->row * r.out_step + args.column * c.out_step;
          if (out_in_place_) {
            args.c = reinterpret_cast<T*>(to);
            args.c_row = r_out / item;
            args.c_half = m * p_.out_channel_step / item;
          } else {
            args.c = u.tile;
            args.c_row = tile_step_;
            args.c_half = args.rows * tile_step_;
          }
          if (residual) {
            const char* from = residual + tile->row * r.residual_step + args.column * c.residual_step;
            args.residual = reinterpret_cast<const T*>(from);
            args.residual_row = r_residual / item;
            args.residual_half = m * p_.residual_channel_step / item;
            if (!residual_in_place_) {
              args.residual = u.residual;
              args.residual_row = tile_step_;
              args.residual_half = args.rows * tile_step_;
              load_residual(from, args, r_residual, u.residual);
            }
          }
          (last ? tile->last : tile->main)->run(args);
          if (!out_in_place_) store(u, to, args, r_out);
        }
      }
      for (int64_t i = 0; i < planes; ++i) u.list[i].weights += group_weights_;
    }
  }

  void load_residual(const char* from, const DepthwiseRowsArgs<T>& args, int64_t row_step, T* to) const {
    for (int64_t h = 0; h < args.halves; ++h)
      for (int64_t i = 0; i < args.rows; ++i, to += tile_step_)
        convert_.load[int(p_.out)](from + h * p_.group_out() * p_.residual_channel_step + i * row_step,
                                   {args.count, 1, s_.columns.residual_step, 0}, to);
  }

  void store(Unit& u, char* to, const DepthwiseRowsArgs<T>& args, int64_t row_step) const {
    T* from = u.tile;
    if (activate_) activate_(from, args.halves * args.rows * tile_step_, T(p_.lo), T(p_.hi));
    for (int64_t h = 0; h < args.halves; ++h)
      for (int64_t i = 0; i < args.rows; ++i, from += tile_step_)
        u.reported |=
            convert_.store[int(p_.out)](from, to + h * p_.group_out() * p_.out_channel_step + i * row_step,
                                        {args.count, 1, s_.columns.out_step, 0}, p_.store);
  }

  LayerProblem p_;
  const DepthwiseRowsTable<T>& table_;
  const ConvertTable<T>& convert_;
  int64_t lanes_;
  DepthwiseRowsSchedule s_;
  int64_t group_weights_;
  DepthwiseWeights weights_;
  void (*activate_)(T*, int64_t, T, T) = nullptr;
  bool in_place_, out_in_place_, residual_in_place_;
  std::vector<const DepthwiseRowsKernel<T>*> kernels_[2];  // by vectors, of falling rows
  int64_t most_vectors_, tile_step_, tile_elements_;
  int64_t planes_bytes_, line_bytes_, tile_bytes_, lists_bytes_, tiles_bytes_, chunks_bytes_;
  size_t bias_bytes_;
  LayerSummary summary_;
};

}  // namespace

template <class T>
std::unique_ptr<Layer> plan_depthwise_rows(const LayerProblem& problem, Isa isa) {
  return std::make_unique<DepthwiseRows<T>>(problem, isa);
}

template std::unique_ptr<Layer> plan_depthwise_rows<float>(const LayerProblem&, Isa);
template std::unique_ptr<Layer> plan_depthwise_rows<double>(const LayerProblem&, Isa);

}  // namespace faltung
