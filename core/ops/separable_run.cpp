#include "core/ops/separable_run.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "core/base/float_env.h"

namespace faltung {
namespace {

constexpr int64_t kPiece = 256;  // elements of a row of the tile buffer, about

}  // namespace

template <class T>
SeparableCorrelation<T>::SeparableCorrelation(const Problem& problem, int terms, Isa isa)
    : problem_(problem),
      isa_(isa),
      shapes_(stencil_table<T>(isa), false),
      columns_(columns_table<T>(isa)),
      convert_(convert_table<T>(isa)),
      s_(schedule_separable(
          problem, terms,
          {shapes_.limits(), columns_table<T>(isa).kernels[0].rows, lines_table<T>(isa).lanes > 0},
          sizeof(T))),
      line_(s_, shapes_, convert_, lines_table<T>(isa)) {
  if (s_.direct) return;
  line_.prepare();
  const Roles& roles = s_.roles;
  item_ = problem_;
  item_.axes.clear();
  item_.batch.clear();
  for (const Stage& g : s_.stages) {
    item_.axes.push_back(g.axis);
    item_axes_.push_back(g.factor);
    outside_.push_back(g.axis.boundary == Boundary::constant && inside(g.axis).size() < g.axis.out);
  }
  if (s_.line_convolved) {
    item_.axes.push_back(roles.line);
    item_axes_.push_back(s_.line_factor);
    if (roles.fused > 1) item_.batch = {{roles.fused, roles.in_inner, 0, roles.out_inner, 1}};
  } else {
    item_.batch = {{roles.line.out, roles.line.in_step, 0, roles.line.out_step, roles.line.order}};
  }
  take_product(item_);
  convert_.load[int(problem_.in)](problem_.fill, {1, problem_.parts(), 0, kItemSize[int(problem_.in)]},
                                  fill_);
  const int64_t whole = std::lcm(int64_t(shapes_.limits().lanes), roles.group);
  tile_elements_ = (kPiece + whole - 1) / whole * whole;

  const ColumnsKernel<T>& tile = columns_.tallest(s_.stages[0].least_taps);
  summary_.kernel = tile.name;
  summary_.tile_rows = tile.rows;
  summary_.tile_columns = int64_t(tile.vectors) * tile.lanes;
  summary_.tile_group = 1;
  summary_.strip_rows = s_.stages[0].block;
  summary_.block_columns = s_.block_columns;
  summary_.units = s_.units;
  summary_.calls = int64_t(s_.stages[0].calls.size());
  summary_.reads_in_place = s_.in_place;
  summary_.writes_in_place = s_.out_in_place;
  int64_t packed = line_.weights() * terms;
  for (size_t l = 0; l < s_.stages.size(); ++l)
    packed += int64_t(s_.stages[l].weights.size()) * (l == 0 ? 1 : terms);
  summary_.packed_weights = packed * int64_t(sizeof(T));
  summary_.scratch = int64_t(scratch_bytes());
}

template <class T>
Outcome SeparableCorrelation<T>::run(const void* in, const void* factors, void* out, int threads,
                                     Poll poll) const {
  const FloatEnvironment environment;
  const Weights weights(*this, factors);
  std::vector<std::optional<Workspace>> slots(static_cast<size_t>(std::max(1, threads)));
  const bool finished = parallel_for(
      s_.units, threads,
      [&](int64_t unit, int thread) {
        std::optional<Workspace>& w = slots[size_t(thread)];
        if (!w) begin(weights, w.emplace());
        run_unit(unit, static_cast<const char*>(in), static_cast<char*>(out), weights, *w);
      },
      poll);
  const bool reported =
      std::any_of(slots.begin(), slots.end(), [](const auto& w) { return w && w->reported; });
  return {finished, reported};
}

template class SeparableCorrelation<float>;
template class SeparableCorrelation<double>;

namespace {

template <class T>
std::unique_ptr<Correlation> plan(const Problem& problem, int terms, Isa isa) {
  auto separable = std::make_unique<SeparableCorrelation<T>>(problem, terms, isa);
  if (separable->direct()) return plan_product(problem, terms, isa);
  return separable;
}

}  // namespace

std::unique_ptr<Correlation> plan_separable(const Problem& problem, int terms, Isa isa) {
  if (terms < 1) throw std::invalid_argument("a separable kernel has at least one term");
  switch (problem.compute) {
    case Compute::f32:
      return plan<float>(problem, terms, isa);
    case Compute::f64:
      return plan<double>(problem, terms, isa);
    case Compute::u64:
    case Compute::wide:
      break;
  }
  throw std::invalid_argument("the separable method computes in float32 or float64");
}

}  // namespace faltung
