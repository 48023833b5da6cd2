#include "core/ops/separable_plan.h"

#include <algorithm>
#include <numeric>

#include "core/kernels/separable.h"

namespace faltung {
namespace {

constexpr int64_t kChain = 256;             // terms a register sums from zero
constexpr int64_t kRingBytes = 896 << 10;   // rings of a unit: they live in L2
constexpr int64_t kLeastUnits = 16;         // units that threads share evenly
constexpr int64_t kLeastWork = 2 << 20;     // multiply-adds of a unit: 30 microseconds
constexpr int64_t kMostWork = 256 << 20;    // a unit ends before somebody waits for it
constexpr int64_t kStreamBytes = 48 << 20;  // results from here on go past the caches
constexpr int64_t kLeastColumns = 64;       // elements of a block

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

// Samples of the axis, in units of gcd, that n neighbouring outputs reach over.
int64_t window(const Stage& g, int64_t n) {
  return ((n - 1) * g.axis.stride + (g.axis.taps - 1) * g.axis.dilation) / g.gcd + 1;
}

Stage stage_of(const ConvAxis& axis) {
  Stage g{};
  g.axis = axis;
  g.factor = size_t(axis.kernel_step - 1);
  if (axis.taps == 1) g.axis.dilation = axis.stride;
  g.gcd = std::gcd(axis.stride, g.axis.dilation);
  g.row_classes = g.axis.dilation / g.gcd;
  g.kernel_classes = std::min(axis.taps, axis.stride / g.gcd);
  for (int64_t p = 0; p < g.kernel_classes; ++p)
    g.class_taps.push_back(ceil_div(axis.taps - p, axis.stride / g.gcd));
  g.most_taps = g.class_taps[0];
  return g;
}

// The taps of `terms` factors, class by class, in calls of at most kChain terms.
void fill_calls(Stage& g, int64_t terms) {
  int64_t room = 0;
  g.least_taps = g.axis.taps;
  for (int64_t term = 0; term < terms; ++term)
    for (int64_t p = 0; p < g.kernel_classes; ++p) {
      const int64_t taps = g.class_taps[size_t(p)], parts = ceil_div(taps, kChain);
      for (int64_t i = 0, q = 0; i < parts; ++i) {
        const int64_t size = taps / parts + (i < taps % parts);
        if (room < size) {
          g.calls.emplace_back();
          room = kChain;
        }
        room -= size;
        g.least_taps = std::min(g.least_taps, size);
        g.calls.back().push_back(
            {(term * g.kernel_classes + p) * g.panel_stride + q, int64_t(g.weights.size()), size});
        for (int64_t k = 0; k < size; ++k)
          g.weights.push_back(term * g.axis.taps + p + g.axis.stride / g.gcd * (q + k));
        q += size;
      }
    }
}

// How much a unit keeps and costs; what the blocks are chosen by.
class Blocking {
 public:
  Blocking(SeparableSchedule& s, const SeparableLimits& limits, int64_t size)
      : s_(s), limits_(limits), size_(size) {}

  void choose() {
    s_.block_columns = s_.roles.line.out;
    for (Stage& g : s_.stages) {
      g.block = round_up(g.axis.out, g.row_classes);
      g.chunk = std::min<int64_t>(std::lcm(limits_.rows, kLines), g.block / g.row_classes);
    }
    while (bytes() > kRingBytes && shrink()) {
    }
    while (split()) {
    }
    // Blocks of one size, as far as they can be.
    s_.block_columns = ceil_div(s_.roles.line.out, ceil_div(s_.roles.line.out, s_.block_columns));
    for (Stage& g : s_.stages) {
      g.block = round_up(ceil_div(g.axis.out, g.blocks()), g.row_classes);
      g.chunk = std::min(g.chunk, g.block / g.row_classes);
      fix_slots(g);
    }
  }

 private:
  static void fix_slots(Stage& g) {
    g.slots = window(g, g.chunk * g.row_classes);
    g.by_source = g.axis.in <= g.slots;
    if (g.by_source) g.slots = g.axis.in;
  }

  int64_t bytes() const {
    int64_t sum = 0;
    for (size_t l = 0; l < s_.stages.size(); ++l) {
      if (s_.in_place && l + 1 == s_.stages.size()) continue;
      Stage g = s_.stages[l];
      fix_slots(g);
      sum += (g.slots + 1) * s_.lines(l);
    }
    return sum * s_.terms * s_.line_elements(s_.block_columns) * size_;
  }

  // Multiply-adds an output, overheads counted as such.
  double cost() const {
    const double columns = double(s_.block_columns * s_.roles.group);
    double sum = 0, again = 1;
    for (const Stage& g : s_.stages) {
      sum += again * double(g.axis.taps + 3) * (1 + 1.5 / double(g.chunk)) * (1 + 32 / columns);
      again *= double(window(g, g.block)) / double(g.block) * double(g.gcd) / double(g.axis.stride);
    }
    return sum + again * double(s_.roles.line.taps + 5) * (1 + 64 / columns);
  }

  // The step that costs least for what it saves.
  bool shrink() {
    const int64_t bytes_before = bytes();
    const double cost_before = cost();
    double best = 0;
    int64_t *best_of = nullptr, best_value = 0;
    const auto consider = [&](int64_t& value, int64_t less) {
      const int64_t old = value;
      value = less;
      const double saved = double(bytes_before - bytes()), price = (cost() - cost_before) / saved;
      if (saved > 0 && (!best_of || price < best)) best = price, best_of = &value, best_value = less;
      value = old;
    };
    if (s_.block_columns * s_.roles.group > kLeastColumns)
      consider(s_.block_columns, ceil_div(s_.block_columns, 2));
    for (size_t l = 0; l < s_.stages.size(); ++l) {
      Stage& g = s_.stages[l];
      if (l > 0 && g.block > g.row_classes) consider(g.block, round_up(ceil_div(g.block, 2), g.row_classes));
      if (g.chunk > 1) consider(g.chunk, g.chunk / 2);
    }
    if (!best_of) return false;
    *best_of = best_value;
    for (Stage& g : s_.stages) g.chunk = std::min(g.chunk, g.block / g.row_classes);
    return true;
  }

  // More units, while that costs little: blocks of columns are read again only where they meet, strips of stage 0 are made
  // again by their reach.
  bool split() {
    int64_t units = s_.items * ceil_div(s_.roles.line.out, s_.block_columns);
    double work = double(s_.block_columns * s_.roles.group) * cost() * double(s_.terms);
    for (const Stage& g : s_.stages) units *= g.blocks(), work *= double(g.block);
    const bool few = units < kLeastUnits && work > 2 * kLeastWork;
    if (!few && work <= kMostWork) return false;
    Stage& g = s_.stages[0];
    const int64_t reach = (g.axis.taps - 1) * g.axis.dilation / g.axis.stride;
    const int64_t least = std::max(16 * reach, 8 * g.chunk * g.row_classes);
    if (g.block >= 2 * least) {
      g.block = round_up(ceil_div(g.block, 2), g.chunk * g.row_classes);
    } else if (s_.block_columns * s_.roles.group >= 2048) {
      s_.block_columns = ceil_div(s_.block_columns, 2);
    } else {
      return false;
    }
    return true;
  }

  SeparableSchedule& s_;
  const SeparableLimits& limits_;
  int64_t size_;
};

bool same_type(DType t, int64_t compute_size) {
  return t == (compute_size == 4 ? DType::f32 : DType::f64);
}

// One line of the input as a problem of its own.
Problem line_problem(const Problem& problem, const SeparableSchedule& s, int64_t compute_size) {
  Problem q = problem;
  q.axes.clear();
  q.batch.clear();
  const ConvAxis& line = s.roles.line;
  if (s.line_convolved) {
    q.axes.push_back(line);
    q.axes[0].kernel_step = int64_t(sizeof(double));
    if (s.roles.fused > 1)
      q.batch.push_back({s.roles.fused, s.roles.in_inner, 0, s.roles.out_inner, line.order - 1});
  } else {
    q.batch.push_back({line.in, line.in_step, 0, line.out_step, line.order});
  }
  q.kernel = DType::f64;
  q.out = compute_size == 4 ? DType::f32 : DType::f64;
  q.store = Store::cast;
  return q;
}

}  // namespace

int64_t SeparableSchedule::lines(size_t l) const {
  int64_t n = 1;
  for (size_t k = l + 1; k < stages.size(); ++k) n *= std::min(stages[k].block, stages[k].axis.out);
  return n;
}

double SeparableSchedule::scale(const Factors& factors, int64_t term) const {
  double scale = 1;
  for (const size_t a : single) scale *= factors(term, a, 0);
  return scale;
}

SeparableSchedule schedule_separable(const Problem& problem, int terms, const SeparableLimits& limits,
                                     int64_t compute_size) {
  SeparableSchedule s;
  s.terms = terms;
  // Kernel steps have no meaning here: they remember which axis it was.
  Problem named = problem;
  for (size_t a = 0; a < named.axes.size(); ++a) named.axes[a].kernel_step = int64_t(a) + 1;
  for (BatchAxis& b : named.batch) b.kernel_step = 0;
  s.roles = assign_roles(named);
  const auto convolved = [](const ConvAxis& a) { return a.kernel_step > 0; };

  std::vector<ConvAxis> coarse = s.roles.outer;
  if (convolved(s.roles.rows)) coarse.push_back(s.roles.rows);
  std::stable_sort(coarse.begin(), coarse.end(),
                   [](const ConvAxis& a, const ConvAxis& b) { return a.order > b.order; });
  s.line_convolved = convolved(s.roles.line);
  s.direct = coarse.size() + s.line_convolved < 2 || problem.outputs() == 0;
  if (s.direct) return s;
  for (const ConvAxis& a : coarse) s.stages.push_back(stage_of(a));
  s.line_factor = s.line_convolved ? size_t(s.roles.line.kernel_step - 1) : s.stages.back().factor;
  for (size_t a = 0; a < problem.axes.size(); ++a) {
    const bool used =
        (s.line_convolved && a == s.line_factor) ||
        std::any_of(s.stages.begin(), s.stages.end(), [&](const Stage& g) { return g.factor == a; });
    if (!used) s.single.push_back(a);
  }

  const Roles& roles = s.roles;
  const ConvAxis& line = roles.line;
  const int64_t item = kItemSize[int(problem.in)], out_item = kItemSize[int(problem.out)];
  s.line_problem = line_problem(problem, s, compute_size);
  s.line = schedule_stencil(s.line_problem, limits.stencil, compute_size);
  s.turned =
      limits.turned && s.line_convolved && line.stride == 1 && s.line.line_step * roles.group <= kLinesSteps;
  s.rounding = s.line.blocked_line && !s.turned ? s.line.block : int64_t(limits.stencil.lanes);
  const auto whole_steps = [&](int64_t size, int64_t ConvAxis::*step, int64_t ConvAxis::*count) {
    return std::all_of(s.stages.begin(), s.stages.end(),
                       [&](const Stage& g) { return g.axis.*count == 1 || g.axis.*step % size == 0; });
  };
  s.line_in_place = s.turned && same_type(problem.in, compute_size) && line.in_step == roles.group * item &&
                    roles.contiguous(roles.in_inner, item) &&
                    whole_steps(item, &ConvAxis::in_step, &ConvAxis::in);
  s.in_place = !s.line_convolved && same_type(problem.in, compute_size) &&
               line.in_step == roles.group * item && line.out * roles.group >= limits.stencil.lanes &&
               whole_steps(item, &ConvAxis::in_step, &ConvAxis::in);
  s.out_in_place = same_type(problem.out, compute_size) &&
                   (line.out == 1 || line.out_step == roles.group * out_item) &&
                   roles.contiguous(roles.out_inner, out_item) &&
                   whole_steps(out_item, &ConvAxis::out_step, &ConvAxis::out);
  s.stream = s.out_in_place && problem.outputs() * problem.parts() * out_item >= kStreamBytes;
  s.items = 1;
  for (const BatchAxis& b : roles.batch) s.items *= b.size;

  Blocking(s, limits, compute_size).choose();
  s.column_blocks = ceil_div(line.out, s.block_columns);
  s.units = s.items * s.column_blocks;
  for (size_t l = 0; l < s.stages.size(); ++l) {
    Stage& g = s.stages[l];
    s.units *= g.blocks();
    g.panel_stride = g.chunk + g.most_taps - 1;
    g.panels = (l == 0 ? terms : 1) * g.kernel_classes;
    fill_calls(g, l == 0 ? terms : 1);
  }
  return s;
}

}  // namespace faltung
