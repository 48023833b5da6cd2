// What a run lays out before it begins: weights in the order of the sweeps, and the buffers of each thread.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ops/separable_run.h"

namespace faltung {
namespace {

size_t aligned(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

// Hands out parts of a block of memory, or only counts them.
class Layer {
 public:
  explicit Layer(void* memory) : memory_(static_cast<char*>(memory)) {}
  template <class E>
  void take(E*& to, int64_t count) {
    if (memory_) to = reinterpret_cast<E*>(memory_ + used_);
    used_ += aligned(size_t(count) * sizeof(E));
  }
  size_t used() const { return used_; }

 private:
  char* memory_;
  size_t used_ = 0;
};

}  // namespace

template <class T>
SeparableCorrelation<T>::Weights::Weights(const SeparableCorrelation& c, const void* given)
    : factors(c.problem_, given) {
  const SeparableSchedule& s = c.s_;
  const size_t last = s.stages.size() - 1;
  const int64_t parts = c.problem_.parts();
  stages.resize(last + 1);
  constants.assign((last + 1) * size_t(s.terms * parts), T(0));
  const auto stage_tap = [&](size_t l, int64_t term, int64_t tap) {
    return T(factors(term, s.stages[l].factor, tap) *
             (s.line_convolved || l < last ? 1 : s.scale(factors, term)));
  };
  double all_terms = 0, after = 1,
         after_all_terms = 0;  // growth of all passes, and of those after the line's
  for (int64_t term = 0; term < s.terms; ++term) {
    double sum = 1, magnitude = 1;
    if (s.line_convolved) {
      const double scale = s.scale(factors, term);
      for (int64_t i = 0; i < c.line_.weights(); ++i)
        line.push_back(T(factors(term, s.line_factor, c.line_.tap(i)) * scale));
      sum = magnitude = 0;
      for (int64_t t = 0; t < s.roles.line.taps; ++t) {
        const double tap = double(T(factors(term, s.line_factor, t) * scale));
        sum += tap, magnitude += std::abs(tap);
      }
    }
    growth = std::max(growth, magnitude);
    double stages_only = 1;
    for (size_t l = last + 1; l-- > 0;) {
      const Stage& g = s.stages[l];
      if (l > 0 || term == 0)
        for (const int64_t w : g.weights)
          stages[l].push_back(stage_tap(l, l > 0 ? term : w / g.axis.taps, w % g.axis.taps));
      for (int64_t p = 0; p < parts && !c.problem_.zero_fill; ++p)
        constants[(l * size_t(s.terms) + size_t(term)) * size_t(parts) + size_t(p)] =
            T(double(c.fill_[p]) * sum);
      double stage_sum = 0, stage_magnitude = 0;
      for (int64_t t = 0; t < g.axis.taps; ++t) {
        const double tap = double(stage_tap(l, term, t));
        stage_sum += tap, stage_magnitude += std::abs(tap);
      }
      sum *= stage_sum, magnitude *= stage_magnitude, stages_only *= stage_magnitude;
      growth = std::max(growth, magnitude), after = std::max(after, stages_only);
    }
    all_terms += magnitude, after_all_terms += stages_only;
  }
  growth = std::max(growth, all_terms), after = std::max(after, after_all_terms);
  const double most = double(std::numeric_limits<T>::max()) / 4,
               size = std::min(most / after, std::sqrt(most));
  squares = T(size * size);
  for (const T c : constants) tame_constants &= std::abs(double(c)) * after < most;
}

// Fills the slot that stands for everything outside the array, where its layout changed.
template <class T>
void SeparableCorrelation<T>::fill_constant(size_t l, const Weights& weights, const Unit& u,
                                            Ring& ring) const {
  if (!outside_[l]) return;
  const int64_t slab = u.lines[l] * u.elements, parts = problem_.parts();
  if (ring.constant_slab == slab) return;
  ring.constant_slab = slab;
  for (int64_t term = 0; term < s_.terms; ++term) {
    const T* c = weights.constants.data() + (int64_t(l) * s_.terms + term) * parts;
    for (int64_t i = 0; i < slab; ++i) ring.constant[term * slab + i] = c[i % parts];
  }
}

template <class T>
template <class Layers>
void SeparableCorrelation<T>::lay_out(Workspace& w, Layers& layer) const {
  for (size_t l = 0; l < s_.stages.size(); ++l) {
    const Stage& g = s_.stages[l];
    const int64_t slot = s_.terms * s_.lines(l) * s_.line_elements(s_.block_columns);
    const bool reads_input = s_.in_place && l + 1 == s_.stages.size();
    Ring& ring = w.rings[l];
    layer.take(ring.slots, reads_input ? 0 : slot * g.slots);
    layer.take(ring.constant, outside_[l] ? slot : 0);
    layer.take(ring.table, g.panels * g.panel_stride);
  }
  layer.take(w.line.lines, line_.scratch_elements());
  layer.take(w.line.planes, line_.plane_elements());
  layer.take(w.line.spare, line_.spare_elements());
  layer.take(w.line.table, line_.table_entries());
  layer.take(w.tile, tile_elements_ * columns_.tallest(int64_t(1) << 40).rows);
}

template <class T>
size_t SeparableCorrelation<T>::scratch_bytes() const {
  Workspace w;
  w.rings.resize(s_.stages.size());
  Layer layer(nullptr);
  lay_out(w, layer);
  return layer.used();
}

template <class T>
void SeparableCorrelation<T>::begin(const Weights& weights, Workspace& w) const {
  const size_t stages = s_.stages.size();
  w.rings.resize(stages);
  w.memory.reserve(size_t(summary_.scratch));
  // What stands beside a line read in place is summed too, and never looked at: it had better be numbers.
  if (s_.in_place) std::fill_n(static_cast<char*>(w.memory.data()), w.memory.size(), char(0));
  Layer layer(w.memory.data());
  lay_out(w, layer);
  for (size_t l = 0; l < stages; ++l) {
    const Stage& g = s_.stages[l];
    Ring& ring = w.rings[l];
    ring.holds.resize(size_t(g.slots));
    ring.tame.resize(size_t(g.slots));
    const size_t passes = l == 0 ? 1 : size_t(s_.terms);
    for (size_t term = 0; term < passes; ++term)
      ring.sums.push_back(columns_.resolve(g.calls, weights.stages[l].data() + term * g.weights.size()));
  }
  line_.begin(weights.line.data(), w.line);
  w.unit.begin.resize(stages);
  w.unit.end.resize(stages);
  w.unit.lines.resize(stages);
}

template struct SeparableCorrelation<float>::Weights;
template struct SeparableCorrelation<double>::Weights;
#define FALTUNG_INSTANTIATE(T)                                                                            \
  template void SeparableCorrelation<T>::fill_constant(size_t, const Weights&, const Unit&, Ring&) const; \
  template size_t SeparableCorrelation<T>::scratch_bytes() const;                                         \
  template void SeparableCorrelation<T>::begin(const Weights&, Workspace&) const;
FALTUNG_INSTANTIATE(float)
FALTUNG_INSTANTIATE(double)

}  // namespace faltung
