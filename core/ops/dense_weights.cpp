#include "core/ops/dense_weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/base/lease.h"
#include "core/base/pool.h"

namespace faltung {
namespace {

// One pass of a panel: taps of one kernel position, all channels.
template <class T>
struct Packer {
  const DensePlan& plan;
  const ConvertTable<T>& convert;
  const char* weights;

  // Bytes from tap 0 to a tap, which is counted over all axes.
  int64_t tap_offset(int64_t tap) const {
    int64_t offset = 0;
    for (size_t a = plan.p.axes.size(); a-- > 0;) {
      offset += tap % plan.p.axes[a].taps * plan.p.axes[a].weight_step;
      tap /= plan.p.axes[a].taps;
    }
    return offset;
  }

  T zero_of(int64_t channel) const {
    const std::vector<int64_t>& zero = plan.p.weight_zero;
    return zero.empty() ? T(0) : T(zero[zero.size() == 1 ? 0 : size_t(channel)]);
  }

  // `line` holds a channel's weights in the order of terms.
  void load_channel(int64_t channel, T* line) const {
    const LayerProblem& p = plan.p;
    const char* from = weights + channel * p.weight_out_step;
    const int64_t taps = p.taps(), item = kItemSize[int(p.weight)];
    const auto load = convert.load[int(p.weight)];
    for (int64_t tap = 0; tap < taps; ++tap)
      load(from + tap_offset(tap), {p.group_in(), p.parts(), p.weight_in_step, item},
           line + tap * plan.in_channels);
    const T zero = zero_of(channel);
    if (zero != T(0))
      for (int64_t t = 0; t < plan.terms; ++t) line[t] -= zero;
  }

  bool pack_panel(int64_t group, const DensePanel& panel, T* to, T* lines) const {
    const int64_t width = int64_t(panel.vectors) * plan.lanes, parts = plan.p.parts(), terms = plan.terms;
    const int64_t first = group * plan.p.group_out() + panel.channel / parts, count = panel.channels / parts;
    for (int64_t c = 0; c < count; ++c) load_channel(first + c, lines + c * terms);
    T probe = 0;
    for (int64_t i = 0; i < count * terms; ++i) probe += lines[i] * T(0);
    constexpr int64_t kBlock = 64;  // terms whose lines stay near
    for (int64_t begin = 0; begin < terms; begin += kBlock) {
      const int64_t end = std::min(begin + kBlock, terms);
      if (parts == 1)
        for (int64_t c = 0; c < count; ++c)
          for (int64_t t = begin; t < end; ++t) to[t * width + c] = lines[c * terms + t];
      else
        for (int64_t c = 0; c < count; ++c)
          for (int64_t t = begin; t < end; t += 2) {
            const T re = lines[c * terms + t], im = lines[c * terms + t + 1];
            T* at = to + t * width + 2 * c;
            at[0] = re, at[1] = im;
            at[width] = -im, at[width + 1] = re;
          }
      for (int64_t t = begin; t < end; ++t)
        std::fill(to + t * width + panel.channels, to + (t + 1) * width, T(0));
    }
    return probe == T(0);
  }
};

}  // namespace

template <class T>
void pack_dense(const DensePlan& plan, const ConvertTable<T>& convert, const void* weights, void* packed,
                int threads) {
  const Packer<T> packer{plan, convert, static_cast<const char*>(weights)};
  T* values = reinterpret_cast<T*>(static_cast<char*>(packed) + PackedWeights<T>::kHeader);
  std::atomic<bool> finite{true};
  const int64_t panels = int64_t(plan.panels.size());
  parallel_for(plan.p.groups * panels, threads, [&](int64_t unit, int) {
    const int64_t group = unit / panels;
    const DensePanel& panel = plan.panels[size_t(unit % panels)];
    const ScratchLease lease(size_t(panel.channels / plan.p.parts() * plan.terms) * sizeof(T));
    T* to = values + group * plan.group_weights + panel.weights;
    if (!packer.pack_panel(group, panel, to, reinterpret_cast<T*>(lease.data()))) finite = false;
  });
  *static_cast<int64_t*>(packed) = finite;
}

template void pack_dense<float>(const DensePlan&, const ConvertTable<float>&, const void*, void*, int);
template void pack_dense<double>(const DensePlan&, const ConvertTable<double>&, const void*, void*, int);

}  // namespace faltung
