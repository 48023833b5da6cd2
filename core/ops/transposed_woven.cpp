#include "core/ops/transposed_woven.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/base/lease.h"
#include "core/ops/transposed_fill.h"
#include "core/ops/transposed_weave.h"

namespace faltung {
namespace {

constexpr int64_t kLine = 64;

int64_t whole_lines(int64_t bytes) {
  return (bytes + kLine - 1) / kLine * kLine;
}

}  // namespace

WovenLayer::WovenLayer(const LayerProblem& problem, TransposedCut cut, const PlanLayer& plan, Isa isa)
    : p_(problem), cut_(std::move(cut)), isa_(isa), item_(kItemSize[int(problem.out)] * problem.parts()) {
  for (size_t a = 0; a < p_.axes.size(); ++a) {
    std::vector<Spot> spots(size_t(p_.axes[a].out), Spot{-1, 0, 0});
    for (size_t s = 0; s < cut_.sets[a].size(); ++s)
      for (size_t n = 0; n < cut_.sets[a][s].phases.size(); ++n) {
        const TransposedPhase& phase = cut_.sets[a][s].phases[n];
        for (int64_t i = 0; i < phase.outs; ++i)
          spots[size_t(phase.first + i * p_.axes[a].stride)] = {int(s), int(n),
                                                                phase.block - cut_.sets[a][s].block + i};
      }
    spots_.push_back(std::move(spots));
  }
  for (const PairRange& channels : cut_.channels)
    for (const PairRange& items : cut_.items)
      for (const PairRange& strip : cut_.strips) add_unit(items, strip, channels, plan);
  if (layers_.empty()) return;
  summary_ = layers_[0]->summary();
  summary_.scratch = scratch_bytes_;
  int64_t inner = 0;
  for (const auto& layer : layers_) inner = std::max(inner, layer->summary().scratch);
  summary_.scratch += inner;
  summary_.units = int64_t(units_.size());
  summary_.strip = cut_.strips[0].size * p_.axes[0].stride;
}

WovenLayer::Place WovenLayer::place_of(const LayerProblem& q, const TransposedCombo& combo,
                                       int64_t offset) const {
  Place place{offset, 0, 0, std::vector<int64_t>(q.axes.size()), 0};
  int64_t step = item_;
  if (combo.channels_together) {
    place.channel_step = step;
    step *= q.out_channels;
    if (step % 4096 == 0) step += kLine;  // positions that lie so fall into one set of the nearest cache
  }
  for (size_t a = q.axes.size(); a-- > 0;) place.steps[a] = step, step *= q.axes[a].out;
  if (!combo.channels_together) place.channel_step = step, step *= q.out_channels;
  place.batch_step = step;
  place.bytes = step * q.batch;
  return place;
}

bool WovenLayer::arranged(const TransposedCombo& combo) const {
  return combo.residues > 1 || (p_.groups > 1 && p_.group_out() > 1);
}

LayerProblem WovenLayer::problem_of(const TransposedCombo& combo, PairRange items, PairRange channels,
                                    int64_t begin, int64_t end, int64_t& in) const {
  LayerProblem q = p_;
  q.batch = items.size;
  q.groups = p_.groups > 1 ? channels.size / p_.group_out() : 1;
  q.in_channels = q.groups * p_.group_in();
  q.out_channels = channels.size * combo.residues;
  in = channels.begin / p_.group_out() * p_.group_in() * p_.in_channel_step;
  for (size_t a = 0; a < q.axes.size(); ++a) {
    const LayerAxis& axis = p_.axes[a];
    const TransposedSet& s = *combo.sets[a];
    const int64_t first = a == 0 ? begin : 0, last = a == 0 ? end : s.blocks;
    const PhaseInput met = set_input(s, axis.in, first, last);
    const int64_t reach = (s.taps - 1) * s.dilation;
    LayerAxis& one = q.axes[a];
    one = {met.size, last - first, s.taps, 1, s.dilation, met.pad, Boundary::constant, axis.in_step, 0, 0, 0};
    one.weight_step = -s.tap_step * axis.weight_step;
    if (met.size == 0) one.in = 1, one.pad = one.out + reach;  // beyond the windows
    in += met.begin * axis.in_step;
  }
  if (arranged(combo)) {
    int64_t step = kItemSize[int(p_.weight)] * p_.parts();
    for (size_t a = q.axes.size(); a-- > 0;) q.axes[a].weight_step = step, step *= q.axes[a].taps;
    q.weight_in_step = step;
    q.weight_out_step = step * p_.group_in();
  } else if (p_.groups > 1) {
    q.weight_out_step = p_.group_in() * p_.weight_in_step;
  }
  if (p_.weight_zero.size() > 1) {
    q.weight_zero.assign(size_t(q.out_channels), 0);
    for (int64_t o = 0; o < channels.size; ++o)
      for (int64_t r = 0; r < combo.residues; ++r)
        q.weight_zero[size_t(channel_at(combo, channels, o, r))] = p_.weight_zero[size_t(channels.begin + o)];
  }
  return q;
}

int64_t WovenLayer::channel_at(const TransposedCombo& combo, PairRange channels, int64_t channel,
                               int64_t residue) const {
  return cut_.residues_first ? residue * channels.size + channel : channel * combo.residues + residue;
}

void WovenLayer::add_unit(PairRange items, PairRange strip, PairRange channels, const PlanLayer& plan) {
  Unit unit{items, strip, channels, jobs_.size(), 0};
  for (size_t c = 0; c < cut_.combos.size(); ++c) {
    const TransposedCombo& combo = cut_.combos[c];
    const TransposedSet& rows = *combo.sets[0];
    Job job{0, 0, {}, 0, 0};
    job.begin = std::clamp<int64_t>(strip.begin - rows.block, 0, rows.blocks);
    job.end = std::clamp<int64_t>(strip.begin + strip.size - rows.block, job.begin, rows.blocks);
    if (job.begin == job.end) {
      jobs_.push_back(job);
      continue;
    }
    LayerProblem q = problem_of(combo, items, channels, job.begin, job.end, job.in);
    job.place = place_of(q, combo, unit.bytes);
    unit.bytes += whole_lines(job.place.bytes);
    most_channels_ = std::max(most_channels_, q.out_channels);
    for (size_t a = 0; a < q.axes.size(); ++a)
      q.axes[a].out_step = q.axes[a].residual_step = job.place.steps[a];
    q.out_channel_step = q.residual_channel_step = job.place.channel_step;
    q.out_batch_step = q.residual_batch_step = job.place.batch_step;
    const Shape shape{c, items.size, channels.size, q.axes[0].out, q.axes[0].in, q.axes[0].pad};
    size_t layer = size_t(std::find(shapes_.begin(), shapes_.end(), shape) - shapes_.begin());
    if (p_.weight_zero.size() > 1 && cut_.channels.size() > 1) layer = shapes_.size();
    if (layer == shapes_.size()) {
      shapes_.push_back(shape);
      layers_.push_back(plan(q));
    }
    job.prepared = prepared_.size();
    for (size_t i = 0; i < prepared_.size(); ++i)
      if (prepared_[i].layer == layer && prepared_[i].channels.begin == channels.begin) job.prepared = i;
    if (job.prepared == prepared_.size()) {
      prepared_.push_back({layer, c, channels, packed_bytes_});
      packed_bytes_ += whole_lines(layers_[layer]->packed_bytes());
    }
    jobs_.push_back(job);
  }
  scratch_bytes_ = std::max(scratch_bytes_, unit.bytes * (p_.residual ? 2 : 1));
  units_.push_back(unit);
}

// [out][in of a group][tap], out as the layer's channels go.
void WovenLayer::arrange(const Prepared& prepared, const char* weights, char* to) const {
  const TransposedCombo& combo = cut_.combos[prepared.combo];
  const int64_t size = kItemSize[int(p_.weight)] * p_.parts(), ins = p_.group_in(), outs = p_.group_out();
  std::vector<int64_t> taps;  // [residue][tap]
  int64_t count = 1;
  for (const TransposedSet* s : combo.sets) count *= s->taps;
  for (int64_t r = 0; r < combo.residues; ++r)
    for (int64_t t = 0; t < count; ++t) {
      int64_t offset = 0, phase = r, tap = t;
      for (size_t a = p_.axes.size(); a-- > 0;) {
        const TransposedSet& s = *combo.sets[a];
        const TransposedPhase& one = s.phases[size_t(phase % int64_t(s.phases.size()))];
        offset += (one.tap - tap % s.taps * s.tap_step) * p_.axes[a].weight_step;
        phase /= int64_t(s.phases.size());
        tap /= s.taps;
      }
      taps.push_back(offset);
    }
  for (int64_t o = 0; o < prepared.channels.size; ++o) {
    const int64_t channel = prepared.channels.begin + o;
    const char* from =
        weights + channel / outs * ins * p_.weight_in_step + channel % outs * p_.weight_out_step;
    for (int64_t r = 0; r < combo.residues; ++r) {
      char* line = to + channel_at(combo, prepared.channels, o, r) * ins * count * size;
      for (int64_t c = 0; c < ins; ++c)
        for (int64_t t = 0; t < count; ++t, line += size)
          std::memcpy(line, from + c * p_.weight_in_step + taps[size_t(r * count + t)], size_t(size));
    }
  }
}

void WovenLayer::pack(const void* weights, void* packed, int threads) const {
  const char* from = static_cast<const char*>(weights);
  for (const Prepared& one : prepared_) {
    const Layer& layer = *layers_[one.layer];
    char* to = static_cast<char*>(packed) + one.packed;
    const TransposedCombo& combo = cut_.combos[one.combo];
    if (arranged(combo)) {
      int64_t numbers = one.channels.size * combo.residues * p_.group_in();
      for (const TransposedSet* s : combo.sets) numbers *= s->taps;
      Scratch line(size_t(numbers * kItemSize[int(p_.weight)] * p_.parts()));
      arrange(one, from, static_cast<char*>(line.data()));
      layer.pack(line.data(), to, threads);
      continue;
    }
    int64_t offset = p_.groups > 1 ? one.channels.begin * p_.group_in() * p_.weight_in_step
                                   : one.channels.begin * p_.weight_out_step;
    for (size_t a = 0; a < p_.axes.size(); ++a)
      offset += combo.sets[a]->phases[0].tap * p_.axes[a].weight_step;
    layer.pack(from + offset, to, threads);
  }
}

void WovenLayer::move_lines(const Unit& unit, const Lines& lines, char* scratch, bool into_lines,
                            int threads) const {
  const size_t last = p_.axes.size() - 1, sets = cut_.sets[last].size();
  const bool together = cut_.residues_first && lines.channel_step == item_;
  const int64_t channels = together ? 1 : unit.channels.size;
  const LayerAxis& along = p_.axes[last];
  const WeaveLine line{lines.steps[last], together ? unit.channels.size * item_ : item_, along.out,
                       along.pad};

  // What the combos of one set of every outer axis bring to a line.
  std::vector<Weaver> weavers;
  std::vector<int64_t> batch_steps, channel_steps;  // [outer combo][set]
  for (size_t first = 0; first < cut_.combos.size(); first += sets) {
    std::vector<WeaveSource> sources;
    for (size_t s = 0; s < sets; ++s) {
      const Job& job = jobs_[unit.first_job + first + s];
      const bool runs = job.begin < job.end;
      const TransposedCombo& combo = cut_.combos[first + s];
      const auto channel = [&](int64_t o, int64_t r) {
        return runs ? channel_at(combo, unit.channels, o, r) * job.place.channel_step : 0;
      };
      batch_steps.push_back(job.place.batch_step);
      channel_steps.push_back(channel(1, 0));
      const TransposedSet* set = combo.sets[last];
      sources.push_back({runs ? set : nullptr, last == 0 ? job.begin : 0, last == 0 ? job.end : set->blocks,
                         channel(0, 1), runs ? job.place.steps[last] : 0});
    }
    weavers.emplace_back(line, sources);
  }

  struct Row {
    int64_t line;
    size_t weaver;
  };
  std::vector<Row> rows;
  std::vector<int64_t> from;  // [row][set]
  const int64_t strip = unit.strip.begin * p_.axes[0].stride - p_.axes[0].pad;
  const int64_t begin = std::max<int64_t>(strip, 0),
                end = std::min(p_.axes[0].out, strip + unit.strip.size * p_.axes[0].stride);
  int64_t count = last > 0 ? std::max<int64_t>(end - begin, 0) : 1;
  for (size_t a = 1; a < last; ++a) count *= p_.axes[a].out;
  std::vector<const Spot*> spots(last);
  for (int64_t n = 0; n < count; ++n) {
    int64_t rest = n, offset = 0, outer = 0, residue = 0;
    for (size_t a = last; a-- > 0;) {
      const int64_t size = a == 0 ? end - begin : p_.axes[a].out, at = rest % size + (a == 0 ? begin : 0);
      rest /= size;
      spots[a] = &spots_[a][size_t(at)];
      offset += at * lines.steps[a];
    }
    if (std::any_of(spots.begin(), spots.end(), [](const Spot* s) { return s->set < 0; })) continue;
    for (size_t a = 0; a < last; ++a) {
      const auto set = size_t(spots[a]->set);
      outer = outer * int64_t(cut_.sets[a].size()) + int64_t(set);
      residue = residue * int64_t(cut_.sets[a][set].phases.size()) + spots[a]->phase;
    }
    rows.push_back({offset, size_t(outer)});
    for (size_t s = 0; s < sets; ++s) {
      const size_t c = size_t(outer) * sets + s;
      const Job& job = jobs_[unit.first_job + c];
      from.push_back(0);
      if (job.begin == job.end) continue;
      const int64_t first = residue * int64_t(cut_.sets[last][s].phases.size());
      from.back() =
          job.place.offset + channel_at(cut_.combos[c], unit.channels, 0, first) * job.place.channel_step;
      for (size_t a = 0; a < last; ++a)
        from.back() += (spots[a]->block - (a == 0 ? job.begin : 0)) * job.place.steps[a];
    }
  }

  const int64_t planes = unit.items.size * channels,
                each = std::max<int64_t>(1, planes / (4 * std::max<int64_t>(1, threads)));
  parallel_for((planes + each - 1) / each, threads, [&](int64_t part, int) {
    std::vector<char*> bases(sets);
    for (int64_t n = part * each; n < std::min(planes, (part + 1) * each); ++n) {
      const int64_t item = n / channels, channel = n % channels;
      char* const to = lines.at + (unit.items.begin + item) * lines.batch_step +
                       (unit.channels.begin + channel) * lines.channel_step;
      for (size_t r = 0; r < rows.size(); ++r) {
        const size_t c = rows[r].weaver * sets;
        for (size_t s = 0; s < sets; ++s)
          bases[s] =
              scratch + from[r * sets + s] + item * batch_steps[c + s] + channel * channel_steps[c + s];
        if (into_lines)
          weavers[rows[r].weaver].weave(to + rows[r].line, bases.data());
        else
          weavers[rows[r].weaver].unravel(to + rows[r].line, bases.data());
      }
    }
  });
}

Outcome WovenLayer::run_unit(const Unit& unit, const LayerArrays& arrays, int threads, Poll poll) const {
  const int64_t biases = p_.bias ? whole_lines(most_channels_ * item_) : 0;
  const ScratchLease lease(size_t(scratch_bytes_ + biases));
  char* const sums = lease.data();
  char* const residual = p_.residual ? sums + unit.bytes : nullptr;
  char* const bias = sums + scratch_bytes_;
  if (residual) {
    std::memset(residual, 0, size_t(unit.bytes));  // what is cropped
    Lines lines{const_cast<char*>(static_cast<const char*>(arrays.residual)),
                p_.residual_batch_step,
                p_.residual_channel_step,
                {}};
    for (const LayerAxis& a : p_.axes) lines.steps.push_back(a.residual_step);
    move_lines(unit, lines, residual, false, threads);
  }
  Outcome all;
  for (size_t c = 0; c < cut_.combos.size() && all.finished; ++c) {
    const Job& job = jobs_[unit.first_job + c];
    if (job.begin == job.end) continue;
    const TransposedCombo& combo = cut_.combos[c];
    const Prepared& prepared = prepared_[job.prepared];
    const char* biased = static_cast<const char*>(arrays.bias) + (p_.bias ? unit.channels.begin * item_ : 0);
    if (p_.bias && combo.residues > 1) {
      for (int64_t o = 0; o < unit.channels.size; ++o)
        for (int64_t r = 0; r < combo.residues; ++r)
          std::memcpy(bias + channel_at(combo, unit.channels, o, r) * item_, biased + o * item_,
                      size_t(item_));
      biased = bias;
    }
    const Outcome one = layers_[prepared.layer]->run(
        {static_cast<const char*>(arrays.in) + unit.items.begin * p_.in_batch_step + job.in,
         static_cast<const char*>(arrays.weight) + prepared.packed, p_.bias ? biased : nullptr,
         residual ? residual + job.place.offset : nullptr, sums + job.place.offset},
        threads, poll);
    all = {one.finished, all.reported || one.reported};
  }
  if (!all.finished) return all;
  Lines lines{static_cast<char*>(arrays.out), p_.out_batch_step, p_.out_channel_step, {}};
  for (const LayerAxis& a : p_.axes) lines.steps.push_back(a.out_step);
  move_lines(unit, lines, sums, true, threads);
  return all;
}

Outcome WovenLayer::run(const LayerArrays& arrays, int threads, Poll poll) const {
  if (p_.outputs() == 0) return {};
  if (cut_.gaps) {
    const Outcome filled = fill_layer(p_, arrays, isa_, threads, poll);
    if (!filled.finished) return filled;
  }
  const auto units = int64_t(units_.size());
  std::atomic<bool> reported{false};
  if (threads <= 1 || units >= 2 * threads || (units > 0 && units % threads == 0)) {
    const bool finished = parallel_for(
        units, threads,
        [&](int64_t unit, int) {
          if (run_unit(units_[size_t(unit)], arrays, 1, {}).reported) reported = true;
        },
        poll);
    return {finished, reported};
  }
  // Fewer units than would keep the threads busy: all work at each.
  for (const Unit& unit : units_) {
    const Outcome one = run_unit(unit, arrays, threads, poll);
    if (one.reported) reported = true;
    if (!one.finished) return {false, reported};
  }
  return {true, reported};
}

}  // namespace faltung
