#include "core/ops/stencil_plan.h"

#include <algorithm>
#include <numeric>

namespace faltung {
namespace {

constexpr int64_t kChain = 256;               // terms a register sums from zero
constexpr int64_t kPackedBytes = 448 * 1024;  // packed lines of a unit: they live in L2
constexpr int64_t kStripRows = 160;           // rows a strip, about: the overlap of strips is read twice
constexpr int64_t kUnitWork = 32 << 20;       // multiply-adds a unit, about: 0.4 milliseconds
constexpr int64_t kLineElements = 16;         // elements a cache line holds at most
constexpr int64_t kCacheWay = 4096;           // lines this far apart share a cache set

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

std::vector<int64_t> classes(int64_t taps, int64_t count) {
  std::vector<int64_t> sizes;
  for (int64_t p = 0; p < std::min(count, taps); ++p) sizes.push_back(ceil_div(taps - p, count));
  return sizes;
}

// n rows in groups of at most `largest`, sizes as equal as they can be, so that few group sizes occur.
std::vector<int64_t> even_groups(int64_t n, int64_t largest) {
  const int64_t count = ceil_div(n, largest);
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < count; ++i) sizes.push_back(n / count + (i < n % count));
  return sizes;
}

// Puts runs of one group size into calls of at most kChain terms, cutting a run where a call is full.
class CallBuilder {
 public:
  CallBuilder(std::vector<Call>& calls, bool bounded) : calls_(calls), bounded_(bounded) {}

  void add(int group, Run run) {
    Open& open = of(group);
    while (run.taps > 0) {
      int64_t room = bounded_ ? (kChain - open.terms) / group : run.taps;
      if (room == 0) {
        open.call = -1;
        open.terms = 0;
        room = kChain / group;
      }
      if (open.call < 0) {
        open.call = int64_t(calls_.size());
        calls_.push_back({group, {}});
      }
      Run part = run;
      part.taps = std::min(room, run.taps);
      calls_[size_t(open.call)].runs.push_back(part);
      open.terms += part.taps * group;
      run.taps -= part.taps;
      run.tap += part.taps;
      run.weights += part.taps * group;
    }
  }

 private:
  struct Open {
    int64_t call = -1, terms = 0;
  };
  Open& of(int group) {
    if (size_t(group) >= open_.size()) open_.resize(size_t(group) + 1);
    return open_[size_t(group)];
  }
  std::vector<Call>& calls_;
  std::vector<Open> open_;
  bool bounded_;
};

struct Outer {
  int64_t panels = 1, outputs = 1;
  std::vector<int64_t> kernel_offset;  // of each combination of outer taps
};

Outer outer_taps(const std::vector<ConvAxis>& axes) {
  Outer outer;
  for (const ConvAxis& a : axes) outer.panels *= a.taps, outer.outputs *= a.out;
  outer.kernel_offset.assign(size_t(outer.panels), 0);
  for (int64_t panel = 0; panel < outer.panels; ++panel) {
    int64_t rest = panel;
    for (size_t a = axes.size(); a-- > 0;) {
      outer.kernel_offset[size_t(panel)] += rest % axes[a].taps * axes[a].kernel_step;
      rest /= axes[a].taps;
    }
  }
  return outer;
}

}  // namespace

Interval inside(const ConvAxis& a) {
  const int64_t begin = ceil_div(std::max<int64_t>(a.pad, 0), a.stride);
  const int64_t last = a.in - 1 - (a.taps - 1) * a.dilation + a.pad;  // o * stride may reach this
  const int64_t end = last < 0 ? 0 : std::min(a.out, last / a.stride + 1);
  return {std::min(begin, a.out), std::max(std::min(begin, a.out), end)};
}

namespace {

// Whether lines `step` bytes apart crowd into few cache sets.
bool crowded(int64_t step) {
  return std::gcd(step, kCacheWay) >= kCacheWay / 4;
}

Layout packed_layout(const StencilSchedule& s, int64_t columns, int64_t round_to) {
  const int64_t width = ceil_div(columns * s.roles.group, round_to) * round_to;
  Layout layout;
  layout.capacity = columns;
  layout.per_tap = !s.blocked_line && s.line_step * s.roles.group > width && s.roles.line.taps > 1;
  layout.step = layout.per_tap ? width : s.line_step * s.roles.group;
  for (const int64_t taps : s.phase_taps) {
    layout.base.push_back(layout.length);
    layout.length += width + (taps - 1) * layout.step;
  }
  // An odd number of cache lines, so that the rows of a tile spread over all sets.
  layout.length = ceil_div(layout.length, kLineElements) * kLineElements;
  if (layout.length / kLineElements % 2 == 0) layout.length += kLineElements;
  return layout;
}

}  // namespace

StencilSchedule schedule_stencil(const Problem& problem, const TileLimits& limits, int64_t compute_size) {
  StencilSchedule s;
  s.roles = assign_roles(problem);
  s.complex_weights = problem.complex_kernel;
  ConvAxis& line = s.roles.line;
  ConvAxis& rows = s.roles.rows;
  const int64_t group = s.roles.group;
  if (line.taps == 1) line.dilation = line.stride;
  if (rows.taps == 1) rows.dilation = rows.stride;

  const int64_t g_rows = std::gcd(rows.stride, rows.dilation), g_line = std::gcd(line.stride, line.dilation);
  s.row_classes = rows.dilation / g_rows;
  s.kernel_classes = rows.stride / g_rows;
  s.class_taps = classes(rows.taps, s.kernel_classes);
  s.line_step = line.dilation / g_line;
  s.line_phases = line.stride / g_line;
  s.phase_taps = classes(line.taps, s.line_phases);
  s.interior = inside(line);

  // A blocked line pays where the rows axis offers nothing to share loads with.
  const int64_t tap_elements = line.dilation * group;
  const int64_t block = std::lcm(int64_t(limits.lanes), tap_elements);
  s.blocked_line = rows.taps == 1 && line.stride == 1 && line.taps > 1 &&
                   block <= limits.vectors * limits.lanes &&
                   (rows.out < limits.rows || line.taps * tap_elements >= 2 * block);
  const Outer outer = outer_taps(s.roles.outer);
  s.outer_outputs = outer.outputs;
  s.panels = outer.panels * int64_t(s.class_taps.size());

  if (s.blocked_line) {
    s.block = block;
    s.block_taps = block / tap_elements;
    s.block_rows = ceil_div(line.taps, s.block_taps);
  }
  const int64_t most_class_taps = *std::max_element(s.class_taps.begin(), s.class_taps.end());

  // Layout of the work: strips of rows, blocks of columns.
  const int64_t columns = line.out, class_rows = ceil_div(rows.out, s.row_classes);
  const int64_t item = kItemSize[int(problem.in)], out_item = kItemSize[int(problem.out)];
  const bool same_in =
      (compute_size == 4 && problem.in == DType::f32 && problem.compute == Compute::f32) ||
      (compute_size == 8 && problem.in == DType::f64 && problem.compute == Compute::f64) ||
      (problem.compute == Compute::u64 && (problem.in == DType::u64 || problem.in == DType::i64));
  const bool same_out =
      (problem.compute == Compute::f32 && problem.out == DType::f32) ||
      (problem.compute == Compute::f64 && problem.out == DType::f64) ||
      (problem.compute == Compute::u64 && (problem.out == DType::u64 || problem.out == DType::i64) &&
       problem.store != Store::check && problem.store != Store::saturate);
  const auto whole_rows = [](const ConvAxis& a, int64_t size, int64_t step) {
    return a.out == 1 || step % size == 0;
  };
  s.in_place = same_in && line.stride == 1 && (line.in == 1 || line.in_step == group * item) &&
               s.roles.contiguous(s.roles.in_inner, item) && whole_rows(rows, item, rows.in_step) &&
               s.interior.size() * group >= (s.blocked_line ? s.block : limits.lanes);
  // Narrow lines: where peeled borders would add an eighth to the tiles, and the taps pay for it, lines are packed whole.
  const int64_t whole = ceil_div(columns * group, limits.lanes),
                inner = ceil_div(s.interior.size() * group, limits.lanes);
  const int64_t peeled = inner + (s.interior.size() < columns ? 1 : 0);
  if (s.in_place && !s.blocked_line && outer.panels * rows.taps * line.taps >= 20 &&
      8 * (peeled - whole) > whole)
    s.in_place = false;
  // The tall tile where a line serves several rows often enough; in place only where its rows spread over the cache.
  s.tall = !s.blocked_line && outer.panels * most_class_taps > 3 && class_rows >= limits.tall_rows / 2;
  if (s.tall && s.in_place && crowded(rows.in_step * s.row_classes)) {
    // Crowded rows: few taps run faster in the flat tile than the copy costs that spreads them.
    if (outer.panels * most_class_taps <= 5)
      s.tall = false;
    else
      s.in_place = false;
  }
  if (!s.in_place && class_rows >= limits.tall_rows / 2 && most_class_taps > 1) s.tall = !s.blocked_line;
  s.tile_rows = s.tall || (s.blocked_line && block == limits.lanes) ? limits.tall_rows : limits.rows;
  // Few taps wait for memory: narrower tiles keep fewer streams of stores open.
  s.tile_vectors = outer.panels * rows.taps * line.taps <= 16 ? std::min(2, limits.vectors) : limits.vectors;
  const int64_t tile_rows = s.tile_rows;
  s.out_in_place = same_out && (line.out == 1 || line.out_step == group * out_item) &&
                   s.roles.contiguous(s.roles.out_inner, out_item) &&
                   whole_rows(rows, out_item, rows.out_step);

  s.strip_rows =
      s.blocked_line ? 1 : std::max<int64_t>(1, std::min(class_rows, kStripRows / tile_rows * tile_rows));
  s.block_columns = columns;
  const int64_t least_columns =
      ceil_div(s.blocked_line ? tile_rows * s.block : limits.vectors * limits.lanes, group);
  const auto line_bytes = [&](int64_t c) {
    const Layout l = packed_layout(s, c, limits.lanes);
    return (s.in_place ? c * group + (line.taps - 1) * tap_elements : l.length) * compute_size;
  };
  const auto unit_bytes = [&] {
    const int64_t lines = s.blocked_line ? s.panels : s.panels * (s.strip_rows + most_class_taps - 1);
    return lines * line_bytes(s.block_columns);
  };
  const int64_t budget = s.in_place ? 4 * kPackedBytes : kPackedBytes;
  while (unit_bytes() > budget) {
    if (s.block_columns * group > 1024 && s.block_columns > 2 * least_columns)
      s.block_columns = ceil_div(s.block_columns, 2);
    else if (s.strip_rows > tile_rows)
      s.strip_rows = std::max(tile_rows, s.strip_rows / 2);
    else if (s.block_columns > 2 * least_columns)
      s.block_columns = ceil_div(s.block_columns, 2);
    else
      break;
  }
  const int64_t terms = outer.panels * rows.taps * line.taps * group;
  while (terms * s.strip_rows * s.block_columns > kUnitWork) {
    if (s.strip_rows > 2 * tile_rows)
      s.strip_rows /= 2;
    else if (s.block_columns > 2 * least_columns)
      s.block_columns = ceil_div(s.block_columns, 2);
    else
      break;
  }
  // Whole tiles a strip; the last one takes the remainder.
  if (s.strip_rows > tile_rows) s.strip_rows = s.strip_rows / tile_rows * tile_rows;
  s.row_strips = std::max<int64_t>(1, class_rows / s.strip_rows);
  s.last_strip_rows = class_rows - (s.row_strips - 1) * s.strip_rows;
  s.column_blocks = std::max<int64_t>(1, ceil_div(columns, s.block_columns));
  s.block_columns = ceil_div(columns, s.column_blocks);

  const int64_t tile_table = s.blocked_line ? limits.tall_rows + s.block_rows
                                            : std::max(s.strip_rows, s.last_strip_rows) + most_class_taps;
  s.panel_stride = tile_table;

  // Calls, and the order of the packed weights.
  CallBuilder builder(s.calls, problem.compute != Compute::u64);
  const int64_t all_taps = outer.panels * rows.taps * line.taps;
  const int64_t largest =
      all_taps > (1 << 18) && limits.group >= 8 ? 8 : limits.group;  // 8 divides 256: full calls
  const auto emit = [&](int64_t row, int64_t phase, int64_t first_tap, int64_t taps, int64_t size,
                        auto offset_of) {
    const Run run{row, phase, first_tap, taps, int64_t(s.weight_offsets.size())};
    for (int64_t t = first_tap; t < first_tap + taps; ++t)
      for (int64_t g = 0; g < size; ++g) s.weight_offsets.push_back(offset_of(t, g));
    builder.add(int(size), run);
  };
  for (int64_t o = 0; o < outer.panels; ++o) {
    const int64_t base = outer.kernel_offset[size_t(o)];
    if (s.blocked_line) {
      const int64_t remainder = line.taps % s.block_taps, full = line.taps / s.block_taps;
      const auto section = [&](int64_t t0, int64_t t1, int64_t block_count) {
        int64_t q = 0;
        if (t1 <= t0 || block_count == 0) return;
        for (const int64_t size : even_groups(block_count, largest)) {
          emit(o * s.panel_stride + q, 0, t0, t1 - t0, size,
               [&](int64_t t, int64_t g) { return base + ((q + g) * s.block_taps + t) * line.kernel_step; });
          q += size;
        }
      };
      section(0, remainder, full + 1);
      section(remainder, s.block_taps, full);
      continue;
    }
    for (size_t p = 0; p < s.class_taps.size(); ++p) {
      int64_t q = 0;
      for (const int64_t size : even_groups(s.class_taps[p], largest)) {
        for (size_t x = 0; x < s.phase_taps.size(); ++x)
          emit((o * int64_t(s.class_taps.size()) + int64_t(p)) * s.panel_stride + q, int64_t(x), 0,
               s.phase_taps[x], size, [&](int64_t t, int64_t g) {
                 return base + (int64_t(p) + s.kernel_classes * (q + g)) * rows.kernel_step +
                        (int64_t(x) + s.line_phases * t) * line.kernel_step;
               });
        q += size;
      }
    }
  }

  s.direct.base.assign(s.phase_taps.size(), 0);
  s.direct.step = tap_elements;
  const int64_t rounding = s.blocked_line ? s.block : limits.lanes;
  s.packed = packed_layout(s, s.block_columns, rounding);
  const int64_t edge = std::min(columns, columns - s.interior.size());
  s.border = s.in_place ? packed_layout(s, std::max<int64_t>(1, std::min(edge, s.block_columns)), rounding)
                        : s.packed;

  s.kernel_items = s.batch_items = 1;
  for (const BatchAxis& b : s.roles.kernels) s.kernel_items *= b.size;
  for (const BatchAxis& b : s.roles.batch) s.batch_items *= b.size;
  s.units = s.kernel_items * s.batch_items * s.outer_outputs * s.row_classes * s.row_strips * s.column_blocks;
  return s;
}

}  // namespace faltung
