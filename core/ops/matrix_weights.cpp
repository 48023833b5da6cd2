#include "core/ops/matrix_weights.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/base/lease.h"
#include "core/base/pool.h"
#include "core/ops/dense_weights.h"

namespace faltung {
namespace {

constexpr int64_t kTile = 512;  // elements
constexpr int64_t kTerms = 32, kChannels = 16;

float value(uint16_t bits) {
  const uint32_t wide = uint32_t(bits) << 16;
  float f;
  std::memcpy(&f, &wide, sizeof f);
  return f;
}

}  // namespace

int64_t MatrixWeights::step_bytes(const MatrixPlan& plan, int64_t panel) {
  return plan.parts * plan.d.panels[size_t(panel)].vectors * kTile * int64_t(sizeof(uint16_t));
}

int64_t MatrixWeights::panel_begin(const MatrixPlan& plan, int64_t panel) {  // all before are full
  return panel == 0 ? 0 : panel * plan.total_steps() * step_bytes(plan, 0);
}

int64_t MatrixWeights::group_bytes(const MatrixPlan& plan) {
  const int64_t last = int64_t(plan.d.panels.size()) - 1;
  return panel_begin(plan, last) + plan.total_steps() * step_bytes(plan, last);
}

bool pack_matrix(const MatrixPlan& plan, const MatrixTable& matrix, const ConvertTable<float>& convert,
                 const TurnTable<float>& turn, const void* weights, char* packed, int threads) {
  Scratch ordered;
  ordered.reserve(size_t(PackedWeights<float>::bytes(plan.d)));
  pack_dense(plan.d, convert, turn, weights, ordered.data(), threads);
  const PackedWeights<float> from(ordered.data());
  if (!from.finite) return false;
  const int64_t panels = int64_t(plan.d.panels.size()), group_bytes = MatrixWeights::group_bytes(plan);
  const int64_t tap_terms = plan.d.terms / plan.outer_taps;
  std::atomic<bool> fine{true};
  parallel_for(plan.d.p.groups * panels, threads, [&](int64_t unit, int) {
    const int64_t group = unit / panels, n = unit % panels;
    const DensePanel& panel = plan.d.panels[size_t(n)];
    const int64_t width = panel.vectors * kChannels, step = MatrixWeights::step_bytes(plan, n);
    char* to = packed + group * group_bytes + MatrixWeights::panel_begin(plan, n);
    const float* terms = from.values + group * plan.d.group_weights + panel.weights;
    alignas(64) float few[kTerms * 2 * kChannels];
    bool special = false;
    for (int64_t tap = 0; tap < plan.outer_taps; ++tap, terms += tap_terms * width)
      for (const MatrixPlan::Step& s : plan.steps) {
        const float* block = terms + s.first * width;
        if (s.terms < kTerms) {
          std::fill(std::copy(block, block + s.terms * width, few), few + kTerms * width, 0.0f);
          block = few;
        }
        for (int v = 0; v < panel.vectors; ++v)
          special |= matrix.split_tile(block + v * kChannels, width, plan.parts,
                                       reinterpret_cast<uint16_t*>(to) + v * kTile, panel.vectors * kTile);
        to += step;
      }
    if (special) fine = false;
  });
  return fine;
}

void order_weights(const LayerProblem& p, const ConvertTable<float>& convert, const void* weights,
                   float* ordered) {
  const int64_t taps = p.taps(), item = kItemSize[int(p.weight)];
  for (int64_t channel = 0; channel < p.out_channels; ++channel)
    for (int64_t tap = 0; tap < taps; ++tap, ordered += p.group_in()) {
      int64_t at = channel * p.weight_out_step, rest = tap;
      for (size_t a = p.axes.size(); a-- > 0;) {
        at += rest % p.axes[a].taps * p.axes[a].weight_step;
        rest /= p.axes[a].taps;
      }
      convert.load[int(p.weight)](static_cast<const char*>(weights) + at,
                                  {p.group_in(), 1, p.weight_in_step, item}, ordered);
    }
}

void unpack_matrix(const MatrixPlan& plan, const char* packed, float* weights) {
  const int64_t tap_terms = plan.d.terms / plan.outer_taps;
  for (int64_t group = 0; group < plan.d.p.groups; ++group)
    for (size_t n = 0; n < plan.d.panels.size(); ++n) {
      const DensePanel& panel = plan.d.panels[n];
      const char* from =
          packed + group * MatrixWeights::group_bytes(plan) + MatrixWeights::panel_begin(plan, int64_t(n));
      float* lines = weights + (group * plan.d.out_channels + panel.channel) * plan.d.terms;
      for (int64_t tap = 0; tap < plan.outer_taps; ++tap)
        for (const MatrixPlan::Step& s : plan.steps) {
          const uint16_t* tiles = reinterpret_cast<const uint16_t*>(from);
          for (int64_t c = 0; c < panel.channels; ++c)
            for (int64_t t = 0; t < s.terms; ++t) {
              const int64_t at = c / kChannels * kTile + t / 2 * kTerms + c % kChannels * 2 + t % 2;
              float sum = 0;
              for (int p = plan.parts; p-- > 0;) sum += value(tiles[p * panel.vectors * kTile + at]);
              lines[c * plan.d.terms + tap * tap_terms + s.first + t] = sum;
            }
          from += MatrixWeights::step_bytes(plan, int64_t(n));
        }
    }
}

}  // namespace faltung
