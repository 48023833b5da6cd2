#include "core/ops/depthwise_core.h"

#include <algorithm>
#include <limits>

namespace faltung {
namespace {

constexpr int64_t kFarBytes = 2 << 20;  // of samples and results that leave the second cache meanwhile
constexpr int64_t kSkippedTaps = 25;    // of kernels that look which of their taps lie outside

size_t aligned(int64_t bytes) {
  return size_t((bytes + 63) / 64 * 64);
}

template <class T>
DepthwiseLimits limits_of(const DepthwiseTable<T>& table) {
  DepthwiseLimits limits{table.kernels[0].lanes, 0, 64, 64};
  for (int i = 0; i < table.count; ++i) {
    const DepthwiseKernel<T>& k = table.kernels[i];
    limits.columns = std::max(limits.columns, k.columns);
    int& most = k.rows == 2 ? limits.tall_taps : limits.flat_taps;
    most = std::min(most, k.most_taps);
  }
  return limits;
}

}  // namespace

template <class T>
DepthwiseCore<T>::DepthwiseCore(const LayerProblem& problem, Isa isa)
    : p_(problem),
      tiles_(depthwise_table<T>(isa)),
      lanes_(depthwise_table<T>(isa).kernels[0].lanes),
      s_(p_, limits_of(depthwise_table<T>(isa)), int64_t(sizeof(T))),
      convert_(convert_table<T>(isa)) {
  const int64_t item = int64_t(sizeof(T));
  const auto in_elements = [&](int64_t step) { return step % item == 0; };
  const bool fills = s_.channels >= lanes_;
  const LayerAxis &c = s_.columns.axis, &r = s_.rows.axis;
  in_place_ = fills && p_.group_out() == 1 && p_.in == type_of<T>() && p_.in_channel_step == item &&
              c.in_step > 0 && in_elements(c.in_step);
  const bool clips = p_.activation == Activation::none || p_.activation == Activation::clip;
  if (!clips) activate_ = epilogue_table<T>(isa).activate[int(p_.activation)];
  out_in_place_ = fills && clips && p_.out == type_of<T>() && p_.out_channel_step == item &&
                  in_elements(c.out_step) && in_elements(r.out_step);
  residual_in_place_ = fills && p_.residual && p_.out == type_of<T>() && p_.residual_channel_step == item &&
                       in_elements(c.residual_step) && in_elements(r.residual_step);
  const int64_t reach = s_.columns.reach(s_.column_block);
  line_elements_ = reach * s_.width;
  zero_elements_ = line_elements_;
  if (in_place_)
    zero_elements_ = std::max(zero_elements_, (reach - 1) * std::abs(c.in_step) / item + s_.width);
  int64_t samples = p_.in_channels;
  for (const LayerAxis& a : p_.axes) samples *= a.in;
  fetches_ = in_place_ && (p_.far || (samples + p_.out_channels * p_.positions()) * item > kFarBytes);
  table_bytes_ = aligned((s_.panels * s_.entries + int64_t(s_.rows.class_taps.size()) * s_.tile_rows) *
                         int64_t(sizeof(T*)));
  runs_bytes_ = aligned(2 * int64_t(s_.parts.size() * sizeof(DepthwiseRun)));
  skips_ = int64_t(s_.taps.size()) >= kSkippedTaps;
  zero_bytes_ = aligned(zero_elements_ * item);
  lines_bytes_ = aligned(s_.panels * s_.entries * line_elements_ * item);
  tile_bytes_ = aligned(std::max(s_.tile_rows * s_.column_block, reach) * s_.width * item);
}

template <class T>
int64_t DepthwiseCore<T>::vectors() const {
  int64_t n = 0;
  for (int64_t b = 0; b < s_.channel_blocks; ++b)
    n += (s_.block_end(b) - s_.block_begin(b) + lanes_ - 1) / lanes_;
  return n;
}

template <class T>
int64_t DepthwiseCore<T>::first_channel(int64_t vector) const {
  const int64_t in_block = s_.channel_block / lanes_;
  const int64_t block = std::min(vector / in_block, s_.channel_blocks - 1);
  const int64_t begin = s_.block_begin(block), n = s_.block_end(block) - begin;
  return begin + std::min((vector - block * in_block) * lanes_, std::max<int64_t>(0, n - lanes_));
}

template <class T>
bool DepthwiseCore<T>::pack(const char* weights, int64_t channel_begin, int64_t channels, T* packed) const {
  const auto load = convert_.load[int(p_.weight)];
  T probe = 0;
  T* to = packed;
  for (int64_t v = 0; v < vectors(); ++v) {
    const int64_t first = first_channel(v), n = std::clamp<int64_t>(channels - first, 0, lanes_);
    for (const int64_t tap : s_.taps) {
      std::fill(to, to + lanes_, T(0));
      load(weights + first * p_.weight_out_step + tap, {n, 1, p_.weight_out_step, 0}, to);
      if (!p_.weight_zero.empty())
        for (int64_t l = 0; l < n; ++l)
          to[l] -= T(p_.weight_zero[p_.weight_zero.size() == 1 ? 0 : size_t(channel_begin + first + l)]);
      for (int64_t l = 0; l < n; ++l) probe += to[l] * T(0);
      to += lanes_;
    }
  }
  return probe == T(0);
}

// Where the lines of a panel start: its outer taps applied. Null: the whole panel lies in the constant.
template <class T>
const char* DepthwiseCore<T>::plane_of(const Unit& u, int64_t panel) const {
  const char* plane = u.in;
  int64_t rest = panel / int64_t(s_.rows.class_taps.size());
  for (size_t a = s_.outer.size(); a-- > 0;) {
    const LayerAxis& axis = s_.outer[a];
    const int64_t z = u.outer[a] * axis.stride + rest % axis.taps * axis.dilation - axis.pad;
    rest /= axis.taps;
    const int64_t at = boundary_index(z, axis.in, axis.boundary);
    if (at < 0) return nullptr;
    plane += at * axis.in_step;
  }
  return plane;
}

// The row that an entry of the row table stands for; null for one in the constant.
template <class T>
const char* DepthwiseCore<T>::row_of(const Unit& u, const char* plane, int64_t panel, int64_t entry) const {
  if (!plane) return nullptr;
  const int64_t tap_class = panel % int64_t(s_.rows.class_taps.size());
  const int64_t y =
      boundary_index(s_.rows.sample(u.row_class, tap_class, entry), s_.rows.axis.in, s_.rows.axis.boundary);
  return y < 0 ? nullptr : plane + y * s_.rows.axis.in_step;
}

template <class T>
void DepthwiseCore<T>::resolve_runs(Unit& u, int64_t position) const {
  for (size_t i = 0; i < s_.parts.size(); ++i) {
    const DepthwisePart& part = s_.parts[i];
    u.runs[i] = {part.row, part.offset * position, part.rows, part.taps, part.flush};
  }
}

// Whether all samples of a part lie outside, for a tile of `columns` whose first output reads from sample `first` on.
template <class T>
bool DepthwiseCore<T>::beside(const DepthwisePart& part, int64_t first, int64_t columns) const {
  const int64_t low = first + part.offset, high = low + (columns + part.taps - 2) * s_.columns.step;
  return s_.columns.axis.boundary == Boundary::constant && (high < 0 || low >= s_.columns.axis.in);
}
template <class T>
bool DepthwiseCore<T>::beside(int64_t first, int64_t columns) const {
  return std::any_of(s_.parts.begin(), s_.parts.end(),
                     [&](const DepthwisePart& part) { return beside(part, first, columns); });
}

// The runs of a tile that meet samples: kernels larger than a map have most of their taps outside. Rows of zeros are left out
// where no row of the tile reads another, and parts beside the samples. Sums are set aside where they were, hence no bit
// changes: a product with a zero adds nothing.
template <class T>
int64_t DepthwiseCore<T>::live_runs(const Unit& u, int64_t rows, int64_t first, int64_t columns) const {
  int64_t live = 0, begun = 0, skip = 0;  // `begun`: the first since sums were set aside
  for (size_t i = 0; i < s_.parts.size(); ++i) {
    const DepthwisePart& part = s_.parts[i];
    const T* const* table = u.table + part.row;
    const int64_t entries = part.rows + rows - 1;
    int64_t lead = beside(part, first, columns) ? entries : 0, trail = 0;
    while (lead < entries && table[lead] == u.zeros) ++lead;
    while (lead < entries && table[entries - 1 - trail] == u.zeros) ++trail;
    if (lead == entries) {
      if (part.flush && live > begun) u.live[live - 1].flush = true;
      skip += part.rows * part.taps;
    } else {
      const int64_t before = std::max<int64_t>(0, lead - (rows - 1)),
                    after = std::max<int64_t>(0, trail - (rows - 1));
      DepthwiseRun& run = u.live[live++] = u.runs[i];
      run.row += before;
      run.rows -= before + after;
      run.skip = skip + before * part.taps;
      skip = after * part.taps;
    }
    if (part.flush) begun = live;
  }
  return live;
}

// One row of tiles over a segment, its lines packed or not.
template <class T>
void DepthwiseCore<T>::tile_row(Unit& u, const Segment& g, int64_t row, int64_t rows) const {
  const int64_t item = int64_t(sizeof(T));
  const LayerAxis &c = s_.columns.axis, &r = s_.rows.axis;
  const int64_t position = g.packed ? s_.width : c.in_step / item;
  for (int64_t panel = 0; panel < s_.panels; ++panel) {
    const char* plane = plane_of(u, panel);
    const T** table = u.table + panel * s_.entries;
    T* lines = u.lines + panel * s_.entries * line_elements_;
    const int64_t taps = s_.rows.class_taps[size_t(panel) % s_.rows.class_taps.size()];
    for (int64_t i = 0; i < rows + taps - 1; ++i) {
      const char* from = row_of(u, plane, panel, row + i);
      if (!from) {
        if (!u.zeroed) std::memset(u.zeros, 0, zero_bytes_);
        u.zeroed = true;
        table[i] = u.zeros;
      } else if (g.packed) {
        T* line = lines + (row + i) % s_.entries * line_elements_;
        if (row + i >= u.done + taps - 1) pack_line(u, g, from, line);
        table[i] = line;
      } else {
        table[i] = reinterpret_cast<const T*>(from + (g.begin * c.stride - c.pad) * c.in_step);
      }
    }
  }
  u.done = row + rows;
  // The rows that the next row of tiles is the first to read.
  const T** ahead = u.table + s_.panels * s_.entries;
  int64_t ahead_rows = 0;
  if (fetches_ && !g.packed && row + rows < u.row_end) {
    const int64_t classes = int64_t(s_.rows.class_taps.size());
    for (int64_t panel = s_.panels - classes; panel < s_.panels; ++panel) {
      const char* plane = plane_of(u, panel);
      const int64_t first = row + rows + s_.rows.class_taps[size_t(panel - s_.panels + classes)] - 1;
      for (int64_t i = 0; i < s_.tile_rows; ++i)
        if (const char* from = row_of(u, plane, panel, first + i))
          ahead[ahead_rows++] = reinterpret_cast<const T*>(from + (g.begin * c.stride - c.pad) * c.in_step);
    }
  }

  DepthwiseArgs<T> args{};
  args.rows = u.table;
  args.runs = u.runs;
  args.run_count = int64_t(s_.parts.size());
  args.step = s_.columns.step * position;
  args.channels = std::max<int64_t>(u.channels, lanes_);
  args.ahead_rows = ahead_rows;
  args.ahead_outputs = fetches_ && out_in_place_ && row + 2 * rows <= u.row_end;
  args.ahead_step = position;
  args.vector_weights = vector_weights();
  args.bias = u.arrays.bias ? u.arrays.bias + u.channel_begin : nullptr;
  args.clip = p_.activation == Activation::clip;
  args.lo = T(p_.lo);
  args.hi = T(p_.hi);
  const int64_t first_row = u.row_class + s_.rows.classes * row, outputs = g.end - g.begin;
  // Rows of c stand a class apart; a segment's positions side by side.
  T* c_base = u.tile;
  args.c_row = outputs * s_.width;
  int64_t c_position = s_.width;
  if (out_in_place_) {
    c_base = reinterpret_cast<T*>(u.out + first_row * r.out_step + g.begin * c.out_step);
    args.c_row = s_.rows.classes * r.out_step / item;
    c_position = c.out_step / item;
  }
  const T* residual_base = nullptr;
  int64_t residual_position = s_.width;
  if (residual_in_place_) {
    residual_base =
        reinterpret_cast<const T*>(u.residual + first_row * r.residual_step + g.begin * c.residual_step);
    args.residual_row = s_.rows.classes * r.residual_step / item;
    residual_position = c.residual_step / item;
  } else if (p_.residual) {
    load_residual(u, g, row, rows, u.residual_tile);
    residual_base = u.residual_tile;
    args.residual_row = outputs * s_.width;
  }
  for (int64_t k = 0; k < std::min(s_.columns.classes, outputs); ++k) {
    // Outputs begin + k, begin + k + classes, ... of the segment.
    const int64_t n = (outputs - k + s_.columns.classes - 1) / s_.columns.classes;
    const auto cover = tiles_.cover(rows, n);
    const auto run_tiles = [&](const DepthwiseKernel<T>& kernel, int64_t begin, int64_t tiles) {
      args.x = k * c.stride * position + begin * args.step;
      args.weights = u.weights;
      args.tiles = tiles;
      args.ahead = ahead;
      args.ahead_count = kernel.columns * c.stride;
      args.c_step = s_.columns.classes * c_position;
      args.c = c_base + k * c_position + begin * args.c_step;
      args.residual_step = s_.columns.classes * residual_position;
      args.residual =
          residual_base ? residual_base + k * residual_position + begin * args.residual_step : nullptr;
      kernel.run(args);
    };
    // Tiles at the border alone, where other runs lie beside the samples for each; those between together.
    const auto sweep = [&](const DepthwiseKernel<T>& kernel, int64_t begin, int64_t tiles) {
      if (!skips_) return run_tiles(kernel, begin, tiles);
      const auto first = [&](int64_t tile) {
        return (g.begin + k) * c.stride - c.pad + (begin + tile * kernel.columns) * s_.columns.step;
      };
      for (int64_t tile = 0, n = 0; tile < tiles; tile += n) {
        for (n = 0; tile + n < tiles && !beside(first(tile + n), kernel.columns);) ++n;
        n = std::max<int64_t>(n, 1);
        args.run_count = live_runs(u, rows, first(tile), kernel.columns);
        args.runs = u.live;
        run_tiles(kernel, begin + tile * kernel.columns, n);
      }
    };
    sweep(*cover.main, 0, cover.tiles);
    if (cover.rests > 0) sweep(*cover.rest, cover.rest_begin, cover.rests);
  }
  if (!out_in_place_) store(u, g, row, rows, u.tile);
}

template <class T>
void DepthwiseCore<T>::segment(Unit& u, const Segment& g) const {
  if (g.begin >= g.end) return;
  resolve_runs(u, g.packed ? s_.width : s_.columns.axis.in_step / int64_t(sizeof(T)));
  u.done = -s_.entries;
  for (int64_t row = u.row_begin; row < u.row_end;) {
    const int64_t rows = std::min(s_.tile_rows, u.row_end - row);
    tile_row(u, g, row, rows);
    row += rows;
  }
}

template <class T>
bool DepthwiseCore<T>::run(int64_t unit, const DepthwiseArrays<T>& arrays, char* scratch) const {
  Unit u{arrays};
  const auto take = [&unit](int64_t n) {
    const int64_t at = unit % n;
    unit /= n;
    return at;
  };
  const int64_t block = take(s_.channel_blocks);
  u.channel_begin = s_.block_begin(block);
  u.channels = s_.block_end(block) - u.channel_begin;
  u.weights = arrays.weights + block * (s_.channel_block / lanes_) * vector_weights();
  const int64_t column = take(s_.column_blocks);
  u.column_begin = column * s_.columns.axis.out / s_.column_blocks;
  u.column_end = (column + 1) * s_.columns.axis.out / s_.column_blocks;
  const int64_t strip = take(s_.strips);
  u.row_class = take(s_.rows.classes);
  const int64_t class_rows = s_.rows.outputs(u.row_class);
  u.row_begin = std::min(strip * s_.strip_rows, class_rows);
  u.row_end = std::min(u.row_begin + s_.strip_rows, class_rows);
  for (size_t a = s_.outer.size(); a-- > 0;) {
    u.outer[a] = take(s_.outer[a].out);
    u.out += u.outer[a] * s_.outer[a].out_step;
    if (u.residual) u.residual += u.outer[a] * s_.outer[a].residual_step;
  }
  u.in += unit * p_.in_batch_step + u.channel_begin / p_.group_out() * p_.in_channel_step;
  u.out += unit * p_.out_batch_step + u.channel_begin * p_.out_channel_step;
  if (u.residual) u.residual += unit * p_.residual_batch_step + u.channel_begin * p_.residual_channel_step;

  u.table = reinterpret_cast<const T**>(scratch);
  u.runs = reinterpret_cast<DepthwiseRun*>(scratch += table_bytes_);
  u.live = u.runs + s_.parts.size();
  u.zeros = reinterpret_cast<T*>(scratch += runs_bytes_);
  u.lines = reinterpret_cast<T*>(scratch += zero_bytes_);
  u.tile = reinterpret_cast<T*>(scratch += lines_bytes_);
  u.residual_tile = reinterpret_cast<T*>(scratch += tile_bytes_);
  u.raw = reinterpret_cast<T*>(scratch += tile_bytes_);

  // Lines are read where they are between the borders; those are packed, whole tiles of them.
  const int64_t border = tiles_.widest(1).columns * s_.columns.classes;
  Segment left{u.column_begin, u.column_end, true}, inner{u.column_end, u.column_end, false},
      right{u.column_end, u.column_end, true};
  if (in_place_) {
    int64_t begin = u.column_begin, end = u.column_end;
    if (begin < s_.interior_begin) begin = std::max(s_.interior_begin, begin + border);
    if (end > s_.interior_end) end = std::min(s_.interior_end, end - border);
    const bool whole = begin == u.column_begin && end == u.column_end;
    if (begin < end && (whole || end - begin >= border)) {
      left.end = inner.begin = begin;
      inner.end = right.begin = end;
    }
  }
  for (const Segment& g : {left, inner, right}) segment(u, g);
  return u.reported;
}

template <class T>
void DepthwiseCore<T>::summarize(LayerSummary& summary) const {
  const DepthwiseKernel<T>& k = tiles_.widest(s_.tile_rows);
  summary.kernel = k.name;
  summary.tile_positions = int64_t(k.rows) * k.columns;
  summary.tile_channels = k.lanes;
  summary.strip = s_.strip_rows;
  summary.chunk = 256;
  summary.units = s_.units;
  summary.scratch = int64_t(scratch_bytes());
  summary.packs_input = !in_place_;
}

template class DepthwiseCore<float>;
template class DepthwiseCore<double>;

}  // namespace faltung
