#include "core/ops/pair.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/base/lease.h"
#include "core/ops/dense.h"
#include "core/ops/depthwise.h"
#include "core/ops/pair_planes.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr int64_t kLine = 64;

constexpr int64_t kFarBytes = 1 << 20;  // of samples, beside the middle and the results

int64_t whole_lines(int64_t bytes) {
  return (bytes + kLine - 1) / kLine * kLine;
}

void demand(bool condition, const char* reason) {
  if (!condition) throw std::invalid_argument(reason);
}

void check(const LayerProblem& d, const LayerProblem& p) {
  demand(!d.axes.empty() && d.axes.size() == p.axes.size(), "the layers of a pair need the same axes");
  demand(d.groups == d.in_channels, "a pair begins with one input channel a group");
  demand(p.groups == 1 && p.in_channels == d.out_channels && p.batch == d.batch,
         "the layers of a pair do not fit");
  for (size_t a = 0; a < d.axes.size(); ++a) {
    const LayerAxis& axis = p.axes[a];
    demand(axis.in == d.axes[a].out && axis.out == axis.in && axis.taps == 1 && axis.stride == 1 &&
               axis.pad == 0,
           "a pair ends with a 1x1 layer");
  }
  demand(d.out == p.in && d.compute == p.compute && !is_integer(d.out) && !is_integer(p.out),
         "a pair is of floating point");
  demand(!d.complex_numbers && !p.complex_numbers, "a pair takes no complex numbers");
  demand(!d.residual, "nothing is added between the layers of a pair");
}

constexpr int64_t kWidePlanes = 1024;  // positions, from which on planes are multiplied where they are

// Whether the middle has its channels last. Between planes narrow ones have: samples are turned on their way in, and results
// on their way out. It decides the order of sums, so it follows the caller's order, never the steps of one array.
bool middle_last(const LayerProblem& d, const LayerProblem& p) {
  if (d.order == ChannelOrder::last || p.positions() < kWidePlanes) return true;
  return d.order == ChannelOrder::by_steps &&
         (p.out_channel_step == kItemSize[int(p.out)] || d.in_channel_step == kItemSize[int(d.in)]);
}

}  // namespace

LayerPair::LayerPair(const LayerProblem& depthwise, const LayerProblem& pointwise, Isa isa,
                     int64_t middle_bytes)
    : depthwise_(depthwise), pointwise_(pointwise), empty_(pointwise.outputs() == 0) {
  check(depthwise, pointwise);
  if (empty_) return;
  const int64_t item = kItemSize[int(depthwise.out)], channels = depthwise.out_channels;
  if (depthwise.bias) packed_bytes_ = whole_lines(channels * item);  // stands first
  const bool last = middle_last(depthwise, pointwise);
  // Positions that lie 4096 bytes apart fall into one set of the nearest cache.
  const int64_t pixel = (channels * item % 4096 == 0 ? channels * item + kLine : channels * item);
  int64_t row = last ? pixel : channels * item;
  int64_t samples = depthwise.in_channels * kItemSize[int(depthwise.in)] * depthwise.axes[0].stride;
  for (size_t a = 1; a < depthwise.axes.size(); ++a)
    row *= depthwise.axes[a].out, samples *= depthwise.axes[a].in;
  const bool far = depthwise.batch * depthwise.axes[0].in * samples / depthwise.axes[0].stride > kFarBytes;
  row = std::max(row, (row + samples) / 2);  // with a stride, samples are what fills the cache
  const int64_t rows = depthwise.axes[0].out;
  items_ = cut_evenly(depthwise.batch, std::max<int64_t>(1, middle_bytes / (row * rows)));
  const int64_t most_rows = items_[0].size > 1 ? rows : std::max<int64_t>(1, middle_bytes / row);

  // The middle of a strip: [item][row]...[channel] or [item][channel][row]...
  const auto place = [&](const PairShape& s, LayerProblem& p, int64_t LayerAxis::*size,
                         int64_t LayerAxis::*step, int64_t& channel_step, int64_t& batch_step) {
    int64_t next = last ? pixel : item;
    for (size_t a = p.axes.size(); a-- > 0;) p.axes[a].*step = next, next *= p.axes[a].*size;
    channel_step = last ? item : next;
    batch_step = last ? next : next * channels;
    middle_bytes_ = std::max(middle_bytes_, s.items * batch_step);
  };
  const auto plan_first = [&](const PairShape& s) {
    LayerProblem p = depthwise;
    p.batch = s.items;
    p.axes[0].in = s.in, p.axes[0].out = s.rows, p.axes[0].pad = s.pad;
    p.far = far;
    p.order = last ? ChannelOrder::last : ChannelOrder::first;
    place(s, p, &LayerAxis::out, &LayerAxis::out_step, p.out_channel_step, p.out_batch_step);
    std::unique_ptr<Layer> turned = last ? plan_pair_planes(p, isa) : nullptr;
    return turned ? std::move(turned) : plan_depthwise(p, isa);
  };
  const auto plan_second = [&](const PairShape& s) {
    LayerProblem p = pointwise;
    p.batch = s.items;
    p.axes[0].in = p.axes[0].out = s.rows;
    place(s, p, &LayerAxis::in, &LayerAxis::in_step, p.in_channel_step, p.in_batch_step);
    return plan_dense(p, isa);
  };
  for (const PairRange& items : items_)
    for (const PairStrip& cut : cut_rows(depthwise.axes[0], most_rows)) {
      const PairShape shape{items.size, cut.rows.size, cut.in.size, cut.pad};
      strips_.push_back({cut, part(first_, shape, plan_first),
                         part(second_, {items.size, cut.rows.size, 0, 0}, plan_second)});
    }
  summary_ = second_[0].layer->summary();
  summary_.kernel = first_[0].layer->summary().kernel + ", " + summary_.kernel;
  summary_.strip = strips_[0].cut.rows.size * items_[0].size;
  summary_.units = int64_t(strips_.size());
  summary_.scratch = std::max(first_[0].layer->summary().scratch, summary_.scratch) + middle_bytes_;
  summary_.packs_input = first_[0].layer->summary().packs_input;
}

template <class Plan>
size_t LayerPair::part(std::vector<Part>& parts, const PairShape& shape, Plan plan) {
  for (size_t i = 0; i < parts.size(); ++i)
    if (parts[i].shape == shape) return i;
  parts.push_back({shape, plan(shape), packed_bytes_});
  packed_bytes_ += whole_lines(parts.back().layer->packed_bytes());
  return parts.size() - 1;
}

void LayerPair::pack(const void* weights, void* packed, int threads) const {
  if (empty_) return;
  const PairWeights& w = *static_cast<const PairWeights*>(weights);
  const LayerProblem& d = depthwise_;
  if (d.bias) std::memcpy(packed, w.middle_bias, size_t(d.out_channels * kItemSize[int(d.out)]));
  for (const Part& p : first_) p.layer->pack(w.depthwise, static_cast<char*>(packed) + p.packed, threads);
  for (const Part& p : second_) p.layer->pack(w.pointwise, static_cast<char*>(packed) + p.packed, threads);
}

Outcome LayerPair::run_unit(int64_t unit, const LayerArrays& arrays, char* middle, int threads,
                            Poll poll) const {
  const Strip& strip = strips_[size_t(unit)];
  const int64_t per_item = int64_t(strips_.size() / items_.size());
  const int64_t item = items_[size_t(unit / per_item)].begin, row = strip.cut.rows.begin;
  const char* packed = static_cast<const char*>(arrays.weight);
  const Part &first = first_[strip.first], &second = second_[strip.second];
  const LayerProblem &d = depthwise_, &p = pointwise_;
  const char* in =
      static_cast<const char*>(arrays.in) + item * d.in_batch_step + strip.cut.in.begin * d.axes[0].in_step;
  const Outcome outcome = first.layer->run(
      {in, packed + first.packed, d.bias ? packed : nullptr, nullptr, middle}, threads, poll);
  if (!outcome.finished) return outcome;
  const char* residual = static_cast<const char*>(arrays.residual);
  if (p.residual) residual += item * p.residual_batch_step + row * p.axes[0].residual_step;
  char* out = static_cast<char*>(arrays.out) + item * p.out_batch_step + row * p.axes[0].out_step;
  return second.layer->run({middle, packed + second.packed, arrays.bias, residual, out}, threads, poll);
}

Outcome LayerPair::run(const LayerArrays& arrays, int threads, Poll poll) const {
  if (empty_) return {};
  const auto units = int64_t(strips_.size());
  if (threads <= 1 || units >= 2 * threads || units % threads == 0) {
    const bool finished = parallel_for(
        units, threads,
        [&](int64_t unit, int) {
          const ScratchLease middle(static_cast<size_t>(middle_bytes_));
          run_unit(unit, arrays, middle.data(), 1, {});
        },
        poll);
    return {finished, false};
  }
  // Fewer units than would keep the threads busy: all work at each.
  const ScratchLease middle(static_cast<size_t>(middle_bytes_));
  for (int64_t unit = 0; unit < units; ++unit)
    if (!run_unit(unit, arrays, middle.data(), threads, poll).finished) return {false, false};
  return {};
}

}  // namespace faltung
