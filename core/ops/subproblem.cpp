#include "core/ops/subproblem.h"

#include <algorithm>

namespace faltung {
namespace {

// The axes' places in a result that is smaller than the one they come from.
void place_axes(Problem& problem) {
  struct Place {
    int64_t* order;
    int64_t size;
  };
  std::vector<Place> places;
  for (ConvAxis& a : problem.axes) places.push_back({&a.order, a.out});
  for (BatchAxis& b : problem.batch) places.push_back({&b.order, b.size});
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return *a.order < *b.order; });
  int64_t next = 1;
  for (const Place& p : places) {
    *p.order = next;
    next *= std::max<int64_t>(1, p.size);
  }
}

void cut_axes(Subproblem& part, const Box& box) {
  for (size_t a = 0; a < part.problem.axes.size(); ++a) {
    ConvAxis& axis = part.problem.axes[a];
    part.out += box.begin[a] * axis.out_step;
    axis.pad -= box.begin[a] * axis.stride;
    axis.out = box.end[a] - box.begin[a];
  }
}

void cut_items(Subproblem& part, const Box& items) {
  for (size_t b = 0; b < part.problem.batch.size(); ++b) {
    BatchAxis& axis = part.problem.batch[b];
    part.in += items.begin[b] * axis.in_step;
    part.kernel += items.begin[b] * axis.kernel_step;
    part.out += items.begin[b] * axis.out_step;
    axis.size = items.end[b] - items.begin[b];
  }
}

}  // namespace

Subproblem subproblem(const Problem& problem, const Box& box) {
  Subproblem part{problem};
  cut_axes(part, box);
  place_axes(part.problem);
  return part;
}

Subproblem subproblem(const Problem& problem, const Box& box, const Box& items) {
  Subproblem part{problem};
  cut_axes(part, box);
  cut_items(part, items);
  place_axes(part.problem);
  return part;
}

}  // namespace faltung
