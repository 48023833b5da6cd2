#include "core/ops/stencil_run.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"

namespace faltung {
namespace {

size_t aligned(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

}  // namespace

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
  const auto padded = [&](int64_t elements) { return (elements + round - 1) / round * round; };
  const int64_t line_elements = s_.in_place ? s_.border.length : s_.packed.length;
  table_bytes_ = aligned(size_t(s_.panels * s_.panel_stride) * sizeof(T*));
  lines_bytes_ = aligned(size_t(lines * line_elements) * sizeof(T) + 64);
  // Outputs that are not written in place pass through the tile buffer in pieces of about 256 elements, whole groups and
  // whole vectors. A blocked line passes in pieces of whole tiles; two borders side by side fit a vector.
  const int64_t whole = std::lcm(round, group);
  const int64_t piece = s_.blocked_line ? limits.tall_rows * s_.block : 256;
  const int64_t most = padded(std::max(s_.packed.capacity, s_.border.capacity) * group);
  tile_elements_ = std::min((piece + whole - 1) / whole * whole, (most + whole - 1) / whole * whole);
  tile_bytes_ = aligned(size_t((s_.blocked_line ? 1
                                : s_.tall       ? limits.tall_rows
                                                : limits.rows) *
                               tile_elements_) *
                        sizeof(T));
  fill_bytes_ = aligned(
      size_t(s_.block_columns * group + (s_.roles.line.taps - 1) * s_.direct.step + s_.block) * sizeof(T));
  const auto constant = [](const ConvAxis& a) {
    return a.boundary == Boundary::constant && inside(a).size() < a.out;
  };
  const bool lines_outside =
      constant(s_.roles.rows) || std::any_of(s_.roles.outer.begin(), s_.roles.outer.end(), constant);
  if (!s_.in_place || !lines_outside) fill_bytes_ = 0;
  runs_bytes_ = aligned(run_count * sizeof(StencilRun<T>));
  weight_bytes_ = aligned(s_.weight_offsets.size() * size_t(parts) * sizeof(T));

  const Shape<T>& full =
      s_.tile_rows == limits.tall_rows && !(s_.blocked_line && s_.block != limits.lanes)
          ? shapes_.at(limits.tall_rows, shapes_.widest(limits.tall_rows))
          : shapes_.at(limits.rows, s_.blocked_line ? s_.block / limits.lanes : s_.tile_vectors);
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

// A tap that is not finite must not meet the zeros outside the array: those outputs follow the definition term by term.
template <class T>
bool StencilCorrelation<T>::repair_borders(const void* in, const void* kernel, void* out, int threads,
                                           Poll poll) const {
  Box box = whole(problem_);
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    const ConvAxis& axis = problem_.axes[a];
    if (axis.boundary != Boundary::constant) continue;
    const Interval inner = inside(axis);
    Box low = box, high = box;
    low.end[a] = inner.begin;
    high.begin[a] = inner.end;
    for (const Box& part : {low, high})
      if (!run_reference(problem_, part, in, kernel, out, threads, poll).finished) return false;
    box.begin[a] = inner.begin;
    box.end[a] = inner.end;
  }
  return true;
}

template <class T>
Outcome StencilCorrelation<T>::run(const void* in, const void* kernel, void* out, int threads,
                                   Poll poll) const {
  if (problem_.outputs() == 0) return {};
  const FloatEnvironment environment;
  const char* source = static_cast<const char*>(in);
  const char* taps = static_cast<const char*>(kernel);
  char* target = static_cast<char*>(out);
  const size_t shared = s_.kernel_items == 1 ? weight_bytes_ : 0,
               own = s_.kernel_items == 1 ? 0 : weight_bytes_;
  const size_t bytes = table_bytes_ + lines_bytes_ + tile_bytes_ + fill_bytes_ + runs_bytes_ + own;
  std::atomic<bool> reported{false}, finite{true};
  bool finished = true;
  if (threads <= 1 || s_.units == 1) {
    const ScratchLease lease(shared + bytes);
    T* weights = reinterpret_cast<T*>(lease.data());
    if (shared) finite = pack_weights(taps, weights);
    Workspace w(*this, lease.data() + shared);
    finished = parallel_for(
        s_.units, 1, [&](int64_t unit, int) { run_unit(unit, source, taps, target, weights, w); }, poll);
    reported = w.reported;
    if (!w.finite) finite = false;
  } else {
    const ScratchLease lease(shared);
    T* weights = reinterpret_cast<T*>(lease.data());
    if (shared) finite = pack_weights(taps, weights);
    struct Slot {
      Scratch scratch;
      std::optional<Workspace> w;
    };
    std::vector<Slot> slots(static_cast<size_t>(threads));
    finished = parallel_for(
        s_.units, threads,
        [&](int64_t unit, int thread) {
          Slot& slot = slots[size_t(thread)];
          if (!slot.w) {
            slot.scratch.reserve(bytes);
            slot.w.emplace(*this, static_cast<char*>(slot.scratch.data()));
          }
          run_unit(unit, source, taps, target, weights, *slot.w);
        },
        poll);
    for (const Slot& slot : slots) {
      if (slot.w && slot.w->reported) reported = true;
      if (slot.w && !slot.w->finite) finite = false;
    }
  }
  if (finished && !finite && problem_.zero_fill) {
    // What the store reported may have been a NaN that does not stand: integers are computed again, by the definition.
    if (reported) return run_reference(problem_, whole(problem_), in, kernel, out, threads, poll);
    finished = repair_borders(in, kernel, out, threads, poll);
  }
  return {finished, reported};
}

template class StencilCorrelation<float>;
template class StencilCorrelation<double>;
template class StencilCorrelation<uint64_t>;

std::unique_ptr<Correlation> plan_stencil(const Problem& problem, Isa isa) {
  switch (problem.compute) {
    case Compute::f32:
      return std::make_unique<StencilCorrelation<float>>(problem, isa);
    case Compute::f64:
      return std::make_unique<StencilCorrelation<double>>(problem, isa);
    case Compute::u64:
      return std::make_unique<StencilCorrelation<uint64_t>>(problem, isa);
    case Compute::wide:
      break;
  }
  throw std::invalid_argument("the stencil computes in float32, float64 or 64-bit integers");
}

}  // namespace faltung
