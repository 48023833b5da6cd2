#include "core/ops/stencil_run.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <type_traits>

#include "core/base/float_env.h"

namespace faltung {
namespace {

constexpr size_t kKeptScratch = 1 << 20;  // bytes a thread keeps between calls

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

// The thread's own scratch, or a fresh one where it is in use (a poll may call back into the library).
class ScratchLease {
 public:
  explicit ScratchLease(size_t bytes) : own_(!busy_) {
    if (own_) busy_ = true;
    Scratch& s = own_ ? kept_ : fresh_;
    s.reserve(bytes);
    data_ = static_cast<char*>(s.data());
  }
  ~ScratchLease() {
    if (!own_) return;
    busy_ = false;
    if (kept_.size() > kKeptScratch) kept_ = Scratch();
  }
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;
  char* data() const { return data_; }

 private:
  static thread_local Scratch kept_;
  static thread_local bool busy_;
  Scratch fresh_;
  bool own_;
  char* data_;
};
thread_local Scratch ScratchLease::kept_;
thread_local bool ScratchLease::busy_ = false;

}  // namespace

template <class T>
Shapes<T>::Shapes(const StencilTable<T>& table, bool complex_weights) {
  for (int i = 0; i < table.count; ++i) {
    const StencilKernel<T>& k = table.kernels[i];
    if (k.complex_weights != complex_weights) continue;
    if (shapes_.empty() || shapes_.back().rows != k.rows || shapes_.back().vectors != k.vectors)
      shapes_.push_back({k.rows, k.vectors, k.lanes, {}});
    shapes_.back().kernels.push_back(&k);
  }
  for (const Shape<T>& s : shapes_) {
    grid_[size_t(s.rows)][size_t(s.vectors)] = &s;
    limits_.lanes = s.lanes;
    limits_.group = int(s.kernels.size());
    limits_.vectors = std::max(limits_.vectors, s.vectors);
    limits_.tall_rows = std::max(limits_.tall_rows, s.rows);
  }
  for (const Shape<T>& s : shapes_) widest_[size_t(s.rows)] = std::max(widest_[size_t(s.rows)], s.vectors);
  for (const Shape<T>& s : shapes_)
    if (s.vectors == limits_.vectors) limits_.rows = std::max(limits_.rows, s.rows);
}

template <class T>
int64_t Shapes<T>::next(int64_t left, int64_t strip, bool tall) const {
  if (tall && left >= limits_.tall_rows) return limits_.tall_rows;
  int64_t best = 1;
  double best_cost = 0;
  for (int64_t rows = 1; rows <= (tall ? limits_.tall_rows : limits_.rows) && rows <= strip; ++rows) {
    if (widest_[size_t(rows)] == 0) continue;
    const int64_t count = (left + rows - 1) / rows;
    const double cost = double(count) * (double(rows) + 1.5);  // a tile's fixed cost is about that of 1.5 rows
    if (rows == 1 || cost < best_cost) best = rows, best_cost = cost;
  }
  return best;
}

template <class T>
struct StencilCorrelation<T>::Workspace {
  const T** table;
  T* lines;
  T* tile;
  T* fill;
  StencilRun<T>* runs;
  T* weights;  // of one kernel, where the batch has several
  int64_t kernel_item = -1;
  LinePlan line_plan;
  bool filled = false, reported = false, finite = true;
};

template <class T>
struct StencilCorrelation<T>::Unit {
  const char* in;
  char* out;
  const T* weights;
  int64_t row_class, row_begin, row_end;  // rows of the class
  Interval columns;
  int64_t outer[64];

  int64_t rows() const { return row_end - row_begin; }
};

template <class T>
StencilCorrelation<T>::StencilCorrelation(const Problem& problem, Isa isa)
    : problem_(problem),
      shapes_(stencil_table<T>(isa), problem.complex_kernel),
      convert_(convert_table<T>(isa)),
      packer_(problem_, s_, convert_) {
  const TileLimits limits = shapes_.limits();
  s_ = schedule_stencil(problem_, limits, sizeof(T));
  const int64_t group = s_.roles.group;
  const int64_t parts = s_.complex_weights ? 2 : 1;
  const int64_t lines = s_.blocked_line ? s_.panels : s_.panels * s_.panel_stride;
  size_t run_count = 0;
  for (const Call& c : s_.calls) run_count += c.runs.size();
  const int64_t round = s_.blocked_line ? s_.block : limits.lanes;
  const auto padded = [&](int64_t columns) { return (columns * group + round - 1) / round * round; };
  const int64_t widest = std::max(padded(s_.packed.capacity), padded(s_.border.capacity));
  const int64_t line_elements = s_.in_place ? s_.border.length : s_.packed.length;
  table_bytes_ = aligned(size_t(s_.panels * s_.panel_stride) * sizeof(T*));
  lines_bytes_ = aligned(size_t(lines * line_elements) * sizeof(T) + 64);
  // A converted output passes through the tile buffer in pieces of 1024 elements, packed blocks whole.
  const int64_t piece = (std::min<int64_t>(1024, s_.interior.size() * group) + round * group - 1) / (round * group) * (round * group);
  tile_elements_ = s_.in_place && !s_.out_in_place ? std::max(widest, piece) : widest;
  tile_bytes_ = aligned(size_t((s_.blocked_line ? 1 : s_.tall ? limits.tall_rows : limits.rows) * tile_elements_) * sizeof(T));
  fill_bytes_ = aligned(size_t(s_.block_columns * group + (s_.roles.line.taps - 1) * s_.direct.step + s_.block) * sizeof(T));
  const auto constant = [](const ConvAxis& a) { return a.boundary == Boundary::constant && inside(a).size() < a.out; };
  const bool lines_outside = constant(s_.roles.rows) || std::any_of(s_.roles.outer.begin(), s_.roles.outer.end(), constant);
  if (!s_.in_place || !lines_outside) fill_bytes_ = 0;
  runs_bytes_ = aligned(run_count * sizeof(StencilRun<T>));
  weight_bytes_ = aligned(s_.weight_offsets.size() * size_t(parts) * sizeof(T));

  const Shape<T>& full = s_.tile_rows == limits.tall_rows && !(s_.blocked_line && s_.block != limits.lanes)
                             ? shapes_.at(limits.tall_rows, shapes_.widest(limits.tall_rows))
                             : shapes_.at(limits.rows, s_.blocked_line ? s_.block / limits.lanes : limits.vectors);
  int group_size = 0;
  for (const Call& c : s_.calls) group_size = std::max(group_size, c.group);
  summary_.kernel = full.kernels[size_t(group_size) - 1]->name;
  summary_.tile_rows = full.rows;
  summary_.tile_columns = int64_t(full.vectors) * full.lanes;
  summary_.tile_group = group_size;
  summary_.strip_rows = s_.strip_rows;
  summary_.block_columns = s_.block_columns;
  summary_.units = s_.units;
  summary_.calls = int64_t(s_.calls.size());
  summary_.scratch = int64_t(table_bytes_ + lines_bytes_ + tile_bytes_ + fill_bytes_ + runs_bytes_);
  summary_.packed_weights = int64_t(weight_bytes_);
  summary_.reads_in_place = s_.in_place;
  summary_.writes_in_place = s_.out_in_place;
}

template <class T>
bool StencilCorrelation<T>::pack_weights(const char* kernel, T* packed) const {
  const int64_t parts = s_.complex_weights ? 2 : 1;
  const auto load = convert_.load[int(problem_.kernel)];
  const StridedLine one{1, parts, 0, kItemSize[int(problem_.kernel)]};
  const bool same = (std::is_same_v<T, float> && problem_.kernel == DType::f32) ||
                    (std::is_same_v<T, double> && problem_.kernel == DType::f64);
  T* w = packed;
  T probe = 0;
  for (const int64_t offset : s_.weight_offsets) {
    if (same)
      std::memcpy(w, kernel + offset, size_t(parts) * sizeof(T));
    else
      load(kernel + offset, one, w);
    if (parts == 2 && problem_.conjugate) w[1] = T(0) - w[1];
    for (int64_t p = 0; p < parts; ++p) probe += w[p] * T(0);
    w += parts;
  }
  return probe == T(0);
}

template <class T>
const char* StencilCorrelation<T>::line_of(const Unit& u, int64_t panel, int64_t entry) const {
  const int64_t kernel_classes = int64_t(s_.class_taps.size());
  const ConvAxis& rows = s_.roles.rows;
  const int64_t y = (u.row_class + s_.row_classes * (u.row_begin + entry)) * rows.stride +
                    panel % kernel_classes * rows.dilation - rows.pad;
  const int64_t from = boundary_index(y, rows.in, rows.boundary);
  if (from < 0) return nullptr;
  const char* line = u.in + from * rows.in_step;
  int64_t rest = panel / kernel_classes;
  for (size_t a = s_.roles.outer.size(); a-- > 0;) {
    const ConvAxis& axis = s_.roles.outer[a];
    const int64_t z = u.outer[a] * axis.stride + rest % axis.taps * axis.dilation - axis.pad;
    rest /= axis.taps;
    const int64_t at = boundary_index(z, axis.in, axis.boundary);
    if (at < 0) return nullptr;
    line += at * axis.in_step;
  }
  return line;
}

template <class T>
void StencilCorrelation<T>::store_rows(const Unit& u, int64_t row, int64_t rows, Interval columns, const T* c, int64_t ldc,
                                       Workspace& w) const {
  const Roles& roles = s_.roles;
  const ConvAxis& line = roles.line;
  const int64_t item = kItemSize[int(problem_.out)];
  const auto store = convert_.store[int(problem_.out)];
  if (s_.out_in_place) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t y = u.row_class + s_.row_classes * (u.row_begin + row + r);
      T* dst = reinterpret_cast<T*>(u.out + y * roles.rows.out_step) + columns.begin * roles.group;
      for (int64_t i = 0; i < columns.size() * roles.group; ++i) dst[i] = c[r * ldc + i];
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t y = u.row_class + s_.row_classes * (u.row_begin + row + r);
    char* dst = u.out + y * s_.roles.rows.out_step + columns.begin * line.out_step;
    const T* src = c + r * ldc;
    if (roles.contiguous(roles.out_inner, item))
      w.reported |= store(src, dst, {columns.size(), roles.group, line.out_step, item}, problem_.store);
    else if (roles.parts == 1)
      w.reported |= store(src, dst, {columns.size(), roles.group, line.out_step, roles.out_inner}, problem_.store);
    else
      for (int64_t i = 0; i < columns.size(); ++i, src += roles.group, dst += line.out_step)
        w.reported |= store(src, dst, {roles.fused, roles.parts, roles.out_inner, item}, problem_.store);
  }
}

// Tiles side by side; a tile takes all its calls before the next begins, so that overlapping tiles agree.
template <class T>
void StencilCorrelation<T>::tiles(const Shape<T>& shape, const T* const* table, const Layout& layout, int64_t x,
                                  int64_t count, int64_t advance, T* c, int64_t ldc, Workspace& w) const {
  StencilArgs<T> args{table, w.runs, 0, layout.step, x, count, advance, c, ldc, false};
  if (s_.calls.size() == 1) {
    args.run_count = int64_t(s_.calls[0].runs.size());
    shape.kernels[size_t(s_.calls[0].group) - 1]->run(args);
    return;
  }
  args.tiles = 1;
  for (int64_t i = 0; i < count; ++i, args.x += advance, args.c += advance) {
    args.add = false;
    args.runs = w.runs;
    for (const Call& call : s_.calls) {
      args.run_count = int64_t(call.runs.size());
      shape.kernels[size_t(call.group) - 1]->run(args);
      args.runs += args.run_count;
      args.add = true;
    }
  }
}

// One row of tiles, `elements` wide. Overlapping: the last tile ends where the row ends (elements >= lanes). Else it is
// padded to whole vectors.
template <class T>
void StencilCorrelation<T>::sweep(const T* const* table, const Layout& layout, int64_t rows, int64_t x, int64_t elements,
                                  T* c, int64_t ldc, bool overlap, Workspace& w) const {
  const int64_t lanes = shapes_.limits().lanes, most = shapes_.widest(rows), width = most * lanes;
  const int64_t full = elements / width, rest = elements - full * width;
  if (full > 0) tiles(shapes_.at(rows, most), table, layout, x, full, width, c, ldc, w);
  if (rest == 0) return;
  const int64_t vectors = (rest + lanes - 1) / lanes;
  if (!overlap) {
    tiles(shapes_.at(rows, vectors), table, layout, x + full * width, 1, 0, c + full * width, ldc, w);
  } else if (elements >= vectors * lanes) {
    const int64_t at = elements - vectors * lanes;
    tiles(shapes_.at(rows, vectors), table, layout, x + at, 1, 0, c + at, ldc, w);
  } else {
    for (int64_t at = 0; at < elements; at += lanes) {
      const int64_t begin = std::min(at, elements - lanes);
      tiles(shapes_.at(rows, 1), table, layout, x + begin, 1, 0, c + begin, ldc, w);
    }
  }
}

// One line in blocked form: tile rows are neighbouring blocks. Overlapping: elements >= block.
template <class T>
void StencilCorrelation<T>::blocked_line(const T* const* table, const Layout& layout, int64_t x, int64_t elements, T* c,
                                         bool overlap, Workspace& w) const {
  const TileLimits limits = shapes_.limits();
  const int64_t vectors = s_.block / limits.lanes;
  int64_t done = 0;
  for (int64_t rows = limits.tall_rows; rows >= 1; --rows) {
    if (!shapes_.has(rows, vectors)) continue;
    const int64_t span = rows * s_.block;
    const int64_t count = (elements - done) / span;
    if (count > 0) tiles(shapes_.at(rows, vectors), table, layout, x + done, count, span, c + done, s_.block, w);
    done += count * span;
    if (done == elements) return;
    if (overlap && done > 0 && elements >= span && (elements - done) * 3 > span) {  // one shifted tile beats several small
      tiles(shapes_.at(rows, vectors), table, layout, x + elements - span, 1, 0, c + elements - span, s_.block, w);
      return;
    }
  }
  const int64_t at = overlap ? elements - s_.block : done;
  tiles(shapes_.at(1, vectors), table, layout, x + at, 1, 0, c + at, s_.block, w);
}

template <class T>
void StencilCorrelation<T>::resolve(const Unit& u, const Layout& layout, Workspace& w) const {
  const int64_t parts = s_.complex_weights ? 2 : 1;
  StencilRun<T>* run = w.runs;
  for (const Call& call : s_.calls)
    for (const Run& r : call.runs)
      *run++ = {u.weights + r.weights * parts, r.row, layout.base[size_t(r.phase)] + r.tap * layout.step, r.taps};
}

// Columns whose windows lie inside: the tiles read the array itself.
template <class T>
void StencilCorrelation<T>::direct_columns(const Unit& u, Interval columns, Workspace& w) const {
  const ConvAxis& line = s_.roles.line;
  const int64_t group = s_.roles.group, elements = columns.size() * group, x = columns.begin * group;
  resolve(u, s_.direct, w);
  const auto in_place = [&](int64_t panel, int64_t entry) {
    const char* p = line_of(u, panel, entry);
    if (p) return reinterpret_cast<const T*>(p) - line.pad * group;
    if (!w.filled) packer_.fill_line(w.fill, int64_t(fill_bytes_ / sizeof(T)));
    w.filled = true;
    return const_cast<const T*>(w.fill) - x;
  };
  const ConvAxis& rows = s_.roles.rows;
  const auto out_line = [&](int64_t row) {
    return reinterpret_cast<T*>(u.out + (u.row_class + s_.row_classes * (u.row_begin + row)) * rows.out_step) + x;
  };
  if (s_.blocked_line) {
    const int64_t entries = shapes_.limits().tall_rows + s_.block_rows;
    for (int64_t row = 0; row < u.rows(); ++row) {
      for (int64_t p = 0; p < s_.panels; ++p) {
        const T* start = in_place(p, row);
        for (int64_t i = 0; i < entries; ++i) w.table[p * s_.panel_stride + i] = start + i * s_.block;
      }
      if (s_.out_in_place) {
        blocked_line(w.table, s_.direct, x, elements, out_line(row), true, w);
        continue;
      }
      for (int64_t done = 0; done < elements;) {
        int64_t n = std::min(tile_elements_, elements - done), begin = done;
        if (n < s_.block) n = s_.block, begin = elements - n;  // moved back: nothing beyond the window is read
        blocked_line(w.table, s_.direct, x + begin, n, w.tile, true, w);
        const int64_t first = columns.begin + begin / group;
        store_rows(u, row, 1, {first, first + n / group}, w.tile, 0, w);
        done = begin + n;
      }
    }
    return;
  }
  const int64_t most = s_.panel_stride;
  for (int64_t p = 0; p < s_.panels; ++p) {
    const int64_t entries = u.rows() + s_.class_taps[size_t(p) % s_.class_taps.size()] - 1;
    for (int64_t i = 0; i < entries; ++i) w.table[p * most + i] = in_place(p, i);
  }
  for (int64_t r = 0, tile_rows = 0; r < u.rows(); r += tile_rows) {
    tile_rows = shapes_.next(u.rows() - r, u.rows(), s_.tall);
    const int64_t row = std::min(r, u.rows() - tile_rows);
    if (s_.out_in_place) {
      const int64_t ldc = rows.out == 1 ? 0 : rows.out_step * s_.row_classes / int64_t(sizeof(T));
      sweep(w.table + row, s_.direct, tile_rows, x, elements, out_line(row), ldc, true, w);
      continue;
    }
    for (int64_t done = 0; done < columns.size();) {
      int64_t n = std::min(tile_elements_ / group, columns.size() - done);
      int64_t begin = done;
      if (n * group < shapes_.limits().lanes) {  // too narrow for a vector: take earlier columns along
        n = (shapes_.limits().lanes + group - 1) / group;
        begin = columns.size() - n;
      }
      sweep(w.table + row, s_.direct, tile_rows, x + begin * group, n * group, w.tile, tile_elements_, true, w);
      store_rows(u, row, tile_rows, {columns.begin + begin, columns.begin + begin + n}, w.tile, tile_elements_, w);
      done = begin + n;
    }
  }
}

// Columns that are packed first: converted input, strides, and the borders of arrays that are else read in place.
template <class T>
void StencilCorrelation<T>::packed_columns(const Unit& u, const Layout& layout, const Interval* intervals, int count,
                                           Workspace& w) const {
  const ConvAxis& line = s_.roles.line;
  const int64_t group = s_.roles.group;
  const int64_t gap = count == 2 ? (line.taps - 1) * line.dilation : 0;
  const int64_t columns = intervals[0].size() + (count == 2 ? gap + intervals[1].size() : 0);
  const int64_t elements = columns * group;
  const int64_t round = s_.blocked_line ? s_.block : shapes_.limits().lanes;
  const int64_t ldc = (elements + round - 1) / round * round;
  const bool to_out = s_.out_in_place && count == 1 && elements >= round;
  resolve(u, layout, w);
  packer_.plan(layout, intervals, count, w.line_plan);
  w.line_plan.gather.clear();
  if (s_.in_place) packer_.plan_gather(w.line_plan);
  const auto store = [&](int64_t row, int64_t rows) {
    store_rows(u, row, rows, intervals[0], w.tile, ldc, w);
    if (count == 2) store_rows(u, row, rows, intervals[1], w.tile + (intervals[0].size() + gap) * group, ldc, w);
  };
  const ConvAxis& rows = s_.roles.rows;
  const auto out_line = [&](int64_t row) {
    return reinterpret_cast<T*>(u.out + (u.row_class + s_.row_classes * (u.row_begin + row)) * rows.out_step) +
           intervals[0].begin * group;
  };
  if (s_.blocked_line) {
    const int64_t entries = shapes_.limits().tall_rows + s_.block_rows;
    for (int64_t row = 0; row < u.rows(); ++row) {
      for (int64_t p = 0; p < s_.panels; ++p) {
        T* packed = w.lines + p * layout.length;
        packer_.pack(line_of(u, p, row), layout, w.line_plan, packed);
        for (int64_t i = 0; i < entries; ++i) w.table[p * s_.panel_stride + i] = packed + i * s_.block;
      }
      blocked_line(w.table, layout, 0, elements, to_out ? out_line(row) : w.tile, to_out, w);
      if (!to_out) store(row, 1);
    }
    return;
  }
  for (int64_t p = 0; p < s_.panels; ++p) {
    const int64_t taps = s_.class_taps[size_t(p) % s_.class_taps.size()];
    const int64_t entries = u.rows() + taps - 1;
    T* packed = w.lines + p * s_.panel_stride * layout.length;
    for (int64_t i = 0; i < entries; ++i, packed += layout.length) {
      packer_.pack(line_of(u, p, i), layout, w.line_plan, packed);
      w.table[p * s_.panel_stride + i] = packed;
    }
  }
  const int64_t tall = rows.out_step * s_.row_classes / int64_t(sizeof(T));
  for (int64_t r = 0, tile_rows = 0; r < u.rows(); r += tile_rows) {
    tile_rows = shapes_.next(u.rows() - r, u.rows(), s_.tall);
    const int64_t row = std::min(r, u.rows() - tile_rows);
    sweep(w.table + row, layout, tile_rows, 0, elements, to_out ? out_line(row) : w.tile, to_out ? tall : ldc, to_out, w);
    if (!to_out) store(row, tile_rows);
  }
}

template <class T>
void StencilCorrelation<T>::run_unit(int64_t unit, const char* in, const char* kernel, char* out, const T* weights,
                                     Workspace& w) const {
  Unit u;
  u.in = in;
  u.out = out;
  const auto take = [&unit](int64_t n) {
    const int64_t at = unit % n;
    unit /= n;
    return at;
  };
  const auto part = [](int64_t i, int64_t n, int64_t count) { return i * n / count; };
  const ConvAxis& line = s_.roles.line;
  const ConvAxis& rows = s_.roles.rows;
  const int64_t block = take(s_.column_blocks);
  u.columns = {part(block, line.out, s_.column_blocks), part(block + 1, line.out, s_.column_blocks)};
  const int64_t strip = take(s_.row_strips);
  u.row_class = take(s_.row_classes);
  const int64_t class_rows = std::max<int64_t>(0, (rows.out - u.row_class + s_.row_classes - 1) / s_.row_classes);
  u.row_begin = std::min(strip * s_.strip_rows, class_rows);
  u.row_end = strip + 1 == s_.row_strips ? class_rows : std::min(u.row_begin + s_.strip_rows, class_rows);
  if (u.rows() == 0 || u.columns.size() == 0) return;
  for (size_t a = s_.roles.outer.size(); a-- > 0;) {
    u.outer[a] = take(s_.roles.outer[a].out);
    u.out += u.outer[a] * s_.roles.outer[a].out_step;
  }
  for (size_t b = s_.roles.batch.size(); b-- > 0;) {
    const int64_t at = take(s_.roles.batch[b].size);
    u.in += at * s_.roles.batch[b].in_step;
    u.out += at * s_.roles.batch[b].out_step;
  }
  u.weights = weights;
  if (s_.kernel_items > 1) {
    const int64_t item = unit;
    for (size_t b = s_.roles.kernels.size(); b-- > 0;) {
      const int64_t at = take(s_.roles.kernels[b].size);
      u.in += at * s_.roles.kernels[b].in_step;
      u.out += at * s_.roles.kernels[b].out_step;
      kernel += at * s_.roles.kernels[b].kernel_step;
    }
    if (w.kernel_item != item) {
      w.finite &= pack_weights(kernel, w.weights);
      w.kernel_item = item;
    }
    u.weights = w.weights;
  }

  if (!s_.in_place) return packed_columns(u, s_.packed, &u.columns, 1, w);
  const int64_t group = s_.roles.group, least = s_.blocked_line ? s_.block : shapes_.limits().lanes;
  Interval inner{std::max(u.columns.begin, s_.interior.begin), std::min(u.columns.end, s_.interior.end)};
  if (inner.size() * group < least) inner = {u.columns.end, u.columns.end};
  if (inner.size() > 0) direct_columns(u, inner, w);
  Interval borders[2] = {{u.columns.begin, inner.begin}, {inner.end, u.columns.end}};
  const int64_t gap = (line.taps - 1) * line.dilation;
  const bool both = borders[0].size() > 0 && borders[1].size() > 0;
  if (both && !s_.blocked_line && (borders[0].size() + gap + borders[1].size()) * group <= shapes_.limits().lanes)
    return packed_columns(u, s_.border, borders, 2, w);
  for (const Interval& b : borders)
    for (int64_t at = b.begin; at < b.end; at += s_.border.capacity) {
      const Interval piece{at, std::min(b.end, at + s_.border.capacity)};
      packed_columns(u, s_.border, &piece, 1, w);
    }
}

// A tap that is not finite must not meet the zeros outside the array: those outputs follow the definition term by term.
template <class T>
void StencilCorrelation<T>::repair_borders(const void* in, const void* kernel, void* out, int threads, Poll poll) const {
  Box box = whole(problem_);
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    const ConvAxis& axis = problem_.axes[a];
    if (axis.boundary != Boundary::constant) continue;
    const Interval inner = inside(axis);
    Box low = box, high = box;
    low.end[a] = inner.begin;
    high.begin[a] = inner.end;
    run_reference(problem_, low, in, kernel, out, threads, poll);
    run_reference(problem_, high, in, kernel, out, threads, poll);
    box.begin[a] = inner.begin;
    box.end[a] = inner.end;
  }
}

template <class T>
Outcome StencilCorrelation<T>::run(const void* in, const void* kernel, void* out, int threads, Poll poll) const {
  if (problem_.outputs() == 0) return {};
  const FloatEnvironment environment;
  const char* source = static_cast<const char*>(in);
  const char* taps = static_cast<const char*>(kernel);
  char* target = static_cast<char*>(out);
  const size_t shared = s_.kernel_items == 1 ? weight_bytes_ : 0, own = s_.kernel_items == 1 ? 0 : weight_bytes_;
  const size_t bytes = table_bytes_ + lines_bytes_ + tile_bytes_ + fill_bytes_ + runs_bytes_ + own;
  std::atomic<bool> reported{false}, finite{true};
  const auto workspace = [&](char* p, Workspace& w) {
    w.table = reinterpret_cast<const T**>(p);
    w.lines = reinterpret_cast<T*>(p += table_bytes_);
    w.tile = reinterpret_cast<T*>(p += lines_bytes_);
    w.fill = reinterpret_cast<T*>(p += tile_bytes_);
    w.runs = reinterpret_cast<StencilRun<T>*>(p += fill_bytes_);
    w.weights = reinterpret_cast<T*>(p += runs_bytes_);
  };
  bool finished = true;
  if (threads <= 1 || s_.units == 1) {
    const ScratchLease lease(shared + bytes);
    T* weights = reinterpret_cast<T*>(lease.data());
    if (shared) finite = pack_weights(taps, weights);
    Workspace w;
    workspace(lease.data() + shared, w);
    finished = parallel_for(s_.units, 1, [&](int64_t unit, int) { run_unit(unit, source, taps, target, weights, w); }, poll);
    reported = w.reported;
    if (!w.finite) finite = false;
  } else {
    const ScratchLease lease(shared);
    T* weights = reinterpret_cast<T*>(lease.data());
    if (shared) finite = pack_weights(taps, weights);
    struct Slot {
      Scratch scratch;
      Workspace w{};
      bool ready = false;
    };
    std::vector<Slot> slots(static_cast<size_t>(threads));
    finished = parallel_for(
        s_.units, threads,
        [&](int64_t unit, int thread) {
          Slot& slot = slots[size_t(thread)];
          if (!slot.ready) {
            slot.scratch.reserve(bytes);
            workspace(static_cast<char*>(slot.scratch.data()), slot.w);
            slot.ready = true;
          }
          run_unit(unit, source, taps, target, weights, slot.w);
        },
        poll);
    for (const Slot& slot : slots) {
      if (slot.w.reported) reported = true;
      if (slot.ready && !slot.w.finite) finite = false;
    }
  }
  if (finished && !finite && problem_.zero_fill) repair_borders(in, kernel, out, threads, poll);
  return {finished, reported};
}

std::unique_ptr<Correlation> plan_stencil(const Problem& problem, Isa isa) {
  switch (problem.compute) {
    case Compute::f32: return std::make_unique<StencilCorrelation<float>>(problem, isa);
    case Compute::f64: return std::make_unique<StencilCorrelation<double>>(problem, isa);
    case Compute::u64: return std::make_unique<StencilCorrelation<uint64_t>>(problem, isa);
    case Compute::wide: break;
  }
  throw std::invalid_argument("the stencil computes in float32, float64 or 64-bit integers");
}

}  // namespace faltung
