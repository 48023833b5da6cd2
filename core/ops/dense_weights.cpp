#include "core/ops/dense_weights.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "core/base/lease.h"
#include "core/base/pool.h"

namespace faltung {
namespace {

template <class T>
struct Packer {
  const DensePlan& plan;
  const ConvertTable<T>& convert;
  const TurnTable<T>& turn;
  const char* weights;
  std::vector<int64_t> taps;  // bytes from tap 0 to every tap
  int64_t lowest;             // of them
  bool own, dense;            // the computing type; taps without a gap
  bool planes, last,
      exchanged;  // [out][in][tap]; output channels side by side; [in][out][tap], as of transposed layers

  Packer(const DensePlan& p, const ConvertTable<T>& c, const TurnTable<T>& t, const void* w)
      : plan(p), convert(c), turn(t), weights(static_cast<const char*>(w)) {
    const int64_t item = plan.item;
    for (int64_t tap = 0; tap < plan.p.taps(); ++tap) {
      int64_t offset = 0, rest = tap;
      for (size_t a = plan.p.axes.size(); a-- > 0;) {
        offset += rest % plan.p.axes[a].taps * plan.p.axes[a].weight_step;
        rest /= plan.p.axes[a].taps;
      }
      taps.push_back(offset);
    }
    const auto [low, high] = std::minmax_element(taps.begin(), taps.end());
    lowest = *low;
    own = plan.p.weight == (std::is_same_v<T, float> ? DType::f32 : DType::f64) && plan.p.parts() == 1;
    dense = *high - *low == int64_t(taps.size() - 1) * item;
    planes = own && dense && plan.p.weight_in_step == int64_t(taps.size()) * item &&
             plan.p.weight_out_step % item == 0;
    last = own && plan.p.weight_out_step == item;
    const auto whole = [&](int64_t step) { return step % item == 0; };
    exchanged = own && !planes && !last &&
                std::abs(plan.p.weight_out_step) < std::abs(plan.p.weight_in_step) &&
                whole(plan.p.weight_out_step) && whole(plan.p.weight_in_step) &&
                std::all_of(taps.begin(), taps.end(), whole);
  }

  T zero_of(int64_t channel) const {
    const std::vector<int64_t>& zero = plan.p.weight_zero;
    return zero.empty() ? T(0) : T(zero[zero.size() == 1 ? 0 : size_t(channel)]);
  }

  // Scratch elements of a panel.
  int64_t scratch(const DensePanel& panel) const {
    if (last) return 0;
    if (exchanged) return int64_t(taps.size()) * panel.vectors * plan.lanes;
    return planes ? kChannels * int64_t(taps.size()) * panel.vectors * plan.lanes
                  : panel.channels / plan.p.parts() * plan.terms;
  }

  // `line` holds a channel's weights in the order of terms.
  void load_channel(int64_t channel, T* line) const {
    const LayerProblem& p = plan.p;
    const char* from = weights + channel * p.weight_out_step;
    for (size_t tap = 0; tap < taps.size(); ++tap)
      convert.load[int(p.weight)](from + taps[tap],
                                  {p.group_in(), p.parts(), p.weight_in_step, kItemSize[int(p.weight)]},
                                  line + int64_t(tap) * plan.in_channels);
    const T zero = zero_of(channel);
    if (zero != T(0))
      for (int64_t t = 0; t < plan.terms; ++t) line[t] -= zero;
  }

  void pack_lines(int64_t first, const DensePanel& panel, T* to, T* lines) const {
    const int64_t width = int64_t(panel.vectors) * plan.lanes, parts = plan.p.parts(), terms = plan.terms;
    const int64_t count = panel.channels / parts;
    for (int64_t c = 0; c < count; ++c) load_channel(first + c, lines + c * terms);
    if (parts == 1) {
      turn.turn(lines, terms, 1, to, width, count, terms);
      return;
    }
    for (int64_t t = 0; t < terms; t += 2)
      for (int64_t c = 0; c < count; ++c) {
        const T re = lines[c * terms + t], im = lines[c * terms + t + 1];
        T* at = to + t * width + 2 * c;
        at[0] = re, at[1] = im;
        at[width] = -im, at[width + 1] = re;
      }
  }

  // [out][in][tap]: turned as it stands, then lines of a panel go to their taps.
  void pack_planes(int64_t first, const DensePanel& panel, T* to, T* block) const {
    const int64_t width = int64_t(panel.vectors) * plan.lanes, count = int64_t(taps.size());
    const char* from = weights + first * plan.p.weight_out_step + lowest;
    if (count == 1) {  // straight into place
      turn.turn(reinterpret_cast<const T*>(from), plan.p.weight_out_step / plan.item, 1, to, width,
                panel.channels, plan.in_channels);
      return;
    }
    for (int64_t c = 0; c < plan.in_channels; c += kChannels) {
      const int64_t channels = std::min(kChannels, plan.in_channels - c);
      turn.turn(reinterpret_cast<const T*>(from + c * plan.p.weight_in_step),
                plan.p.weight_out_step / plan.item, 1, block, width, panel.channels, channels * count);
      for (int64_t tap = 0; tap < count; ++tap) {
        const T* line = block + (taps[size_t(tap)] - lowest) / plan.item * width;
        T* at = to + (tap * plan.in_channels + c) * width;
        for (int64_t i = 0; i < channels; ++i)
          std::memcpy(at + i * width, line + i * count * width, size_t(width) * sizeof(T));
      }
    }
  }

  // [in][out][tap]: what an input channel has for a panel lies in few lines of the cache.
  void pack_exchanged(int64_t first, const DensePanel& panel, T* to, T* block) const {
    const int64_t width = int64_t(panel.vectors) * plan.lanes, count = int64_t(taps.size());
    const int64_t out_step = plan.p.weight_out_step / plan.item;
    const char* from = weights + first * plan.p.weight_out_step;
    for (int64_t c = 0; c < plan.in_channels; ++c, from += plan.p.weight_in_step, to += width) {
      if (dense)
        turn.turn(reinterpret_cast<const T*>(from + lowest), out_step, 1, block, width, panel.channels,
                  count);
      for (int64_t tap = 0; tap < count; ++tap) {
        T* at = to + tap * plan.in_channels * width;
        const T* line = reinterpret_cast<const T*>(from + taps[size_t(tap)]);
        if (dense)
          std::memcpy(at, block + (taps[size_t(tap)] - lowest) / plan.item * width,
                      size_t(panel.channels) * sizeof(T));
        else
          for (int64_t i = 0; i < panel.channels; ++i) at[i] = line[i * out_step];
      }
    }
  }

  void pack_last(int64_t first, const DensePanel& panel, T* to) const {
    const int64_t width = int64_t(panel.vectors) * plan.lanes;
    const char* from = weights + first * plan.p.weight_out_step;
    for (const int64_t tap : taps)
      for (int64_t c = 0; c < plan.in_channels; ++c, to += width)
        std::memcpy(to, from + tap + c * plan.p.weight_in_step, size_t(panel.channels) * sizeof(T));
  }

  bool pack_panel(int64_t group, const DensePanel& panel, T* to, T* scratch_memory) const {
    const int64_t width = int64_t(panel.vectors) * plan.lanes;
    const int64_t first = group * plan.p.group_out() + panel.channel / plan.p.parts();
    if (last)
      pack_last(first, panel, to);
    else if (planes)
      pack_planes(first, panel, to, scratch_memory);
    else if (exchanged)
      pack_exchanged(first, panel, to, scratch_memory);
    else
      pack_lines(first, panel, to, scratch_memory);
    if (panel.channels < width)
      for (int64_t t = 0; t < plan.terms; ++t)
        std::fill(to + t * width + panel.channels, to + (t + 1) * width, T(0));
    constexpr int64_t kSums = 8;  // side by side
    T probe[kSums] = {};
    for (int64_t i = 0; i < plan.terms * width; i += kSums)
      for (int64_t k = 0; k < kSums && i + k < plan.terms * width; ++k) probe[k] += to[i + k] * T(0);
    return std::all_of(probe, probe + kSums, [](T sum) { return sum == T(0); });
  }

  static constexpr int64_t kChannels = 32;  // input channels whose lines stay near
};

}  // namespace

template <class T>
void pack_dense(const DensePlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                const void* weights, void* packed, int threads) {
  const Packer<T> packer(plan, convert, turn, weights);
  T* values = reinterpret_cast<T*>(static_cast<char*>(packed) + PackedWeights<T>::kHeader);
  std::atomic<bool> finite{true};
  const int64_t panels = int64_t(plan.panels.size());
  parallel_for(plan.p.groups * panels, threads, [&](int64_t unit, int) {
    const int64_t group = unit / panels;
    const DensePanel& panel = plan.panels[size_t(unit % panels)];
    const ScratchLease lease(size_t(packer.scratch(panel)) * sizeof(T));
    T* to = values + group * plan.group_weights + panel.weights;
    if (!packer.pack_panel(group, panel, to, reinterpret_cast<T*>(lease.data()))) finite = false;
  });
  *static_cast<int64_t*>(packed) = finite;
}

template void pack_dense<float>(const DensePlan&, const ConvertTable<float>&, const TurnTable<float>&,
                                const void*, void*, int);
template void pack_dense<double>(const DensePlan&, const ConvertTable<double>&, const TurnTable<double>&,
                                 const void*, void*, int);

}  // namespace faltung
