#include "core/ops/planes_plan.h"

#include <algorithm>
#include <stdexcept>

#include "core/ops/subproblem.h"

namespace faltung {
namespace {

constexpr int64_t kPieceBytes = 512 * 1024;  // of results that are finished while they are in the cache
constexpr int64_t kLaneChannels = 64;        // of a unit whose lanes are channels

void require(bool condition, const char* reason) {
  if (!condition) throw std::invalid_argument(reason);
}

// `items` of the batch and `channels` of the output as one problem; weights stand [channel][tap].
Problem as_arrays(const LayerProblem& layer, const LayerProblem& target, int64_t items, int64_t channels) {
  Problem p;
  p.in = layer.in;
  p.kernel = layer.weight;
  p.out = target.out;
  p.compute = layer.compute;
  p.store = target.store;
  const int64_t multiplier = layer.group_out(), tap = kItemSize[int(layer.weight)];
  const bool last = layer.out_channel_step == kItemSize[int(layer.out)];
  int64_t order = last ? channels : 1, step = tap;
  for (size_t a = layer.axes.size(); a-- > 0;) {
    const LayerAxis &x = layer.axes[a], &y = target.axes[a];
    p.axes.push_back(
        {x.in, x.out, x.taps, x.stride, x.dilation, x.pad, x.boundary, x.in_step, step, y.out_step, order});
    order *= std::max<int64_t>(1, x.out);
    step *= x.taps;
  }
  std::reverse(p.axes.begin(), p.axes.end());
  const int64_t plane = last ? 1 : order;
  if (multiplier == 1 || channels == 1) {
    p.batch.push_back({channels, layer.in_channel_step, step, target.out_channel_step, plane});
  } else {
    p.batch.push_back({multiplier, 0, step, target.out_channel_step, plane});
    p.batch.push_back({channels / multiplier, layer.in_channel_step, step * multiplier,
                       target.out_channel_step * multiplier, plane * multiplier});
  }
  p.batch.push_back({items, layer.in_batch_step, 0, target.out_batch_step, last ? order : order * channels});
  return p;
}

std::vector<PlanesPiece> cut(const Problem& p, int64_t pieces, Isa isa, const SpectralOptions* spectral) {
  std::vector<PlanesPiece> cuts;
  const int64_t rows = p.axes[0].out;
  for (int64_t i = 0; i < pieces; ++i) {
    Box box = whole(p);
    box.begin[0] = i * rows / pieces;
    box.end[0] = (i + 1) * rows / pieces;
    Subproblem part = subproblem(p, box);
    cuts.push_back({spectral ? plan_spectral(part.problem, *spectral, isa) : plan_stencil(part.problem, isa),
                    part.in, part.out, box.begin[0], box.end[0]});
  }
  return cuts;
}

}  // namespace

PlanesPlan::PlanesPlan(const LayerProblem& p, Isa isa, const SpectralOptions* spectral) : target(p) {
  require(p.groups == p.in_channels && p.groups > 0, "planes need one input channel a group");
  require(!p.complex_numbers, "planes take no complex numbers");
  require(p.in_zero == 0 && p.weight_zero.empty(), "planes take no zero points");
  require(!p.axes.empty(), "planes need a spatial axis");
  require(p.compute == Compute::f32 || p.compute == Compute::f64, "planes compute in float32 or float64");
  require(p.outputs() > 0, "planes need outputs");

  const bool wide = p.compute == Compute::f64;
  const DType computing = wide ? DType::f64 : DType::f32;
  const bool more = p.bias || p.residual || p.activation != Activation::none;
  // Spectral lines share lanes; everything else goes plane by plane.
  channels = spectral && p.axes.size() == 1
                 ? std::min(p.out_channels, kLaneChannels / p.group_out() * p.group_out())
                 : 1;
  if (channels == 0) channels = 1;
  items = spectral ? p.batch : 1;
  channel_units = (p.out_channels + channels - 1) / channels;
  last_channels = p.out_channels - (channel_units - 1) * channels;
  aside = more && p.out != computing;
  if (aside) {
    const int64_t item = wide ? 8 : 4;
    int64_t step = item;
    for (size_t a = p.axes.size(); a-- > 0;) {
      target.axes[a].out_step = step;
      step *= p.axes[a].out;
    }
    target.out_channel_step = step;
    target.out_batch_step = step * channels;
    target.out = computing;
    target.store = Store::cast;
    aside_elements = step / item * channels * items;
  }
  const int64_t bytes = p.positions() * kItemSize[int(target.out)];
  const int64_t rows = p.axes[0].out;
  const int64_t count = spectral || !more ? 1 : std::clamp<int64_t>(bytes / kPieceBytes, 1, rows);
  pieces = cut(as_arrays(p, target, items, channels), count, isa, spectral);
  if (last_channels != channels)
    last_pieces = cut(as_arrays(p, target, items, last_channels), count, isa, spectral);
}

}  // namespace faltung
