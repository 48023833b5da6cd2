#include "core/ops/transposed_weave.h"

#include <algorithm>
#include <cstring>

namespace faltung {
namespace {

template <bool Woven, size_t Bytes>
void move_fixed(char* line, int64_t line_step, char* from, int64_t from_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i, line += line_step, from += from_step)
    std::memcpy(Woven ? line : from, Woven ? from : line, Bytes);
}

template <bool Woven>
void move_all(char* line, int64_t line_step, char* from, int64_t from_step, int64_t count, int64_t bytes) {
  switch (bytes) {
    case 1:
      return move_fixed<Woven, 1>(line, line_step, from, from_step, count);
    case 2:
      return move_fixed<Woven, 2>(line, line_step, from, from_step, count);
    case 4:
      return move_fixed<Woven, 4>(line, line_step, from, from_step, count);
    case 8:
      return move_fixed<Woven, 8>(line, line_step, from, from_step, count);
    case 12:
      return move_fixed<Woven, 12>(line, line_step, from, from_step, count);
    case 16:
      return move_fixed<Woven, 16>(line, line_step, from, from_step, count);
    case 24:
      return move_fixed<Woven, 24>(line, line_step, from, from_step, count);
    case 32:
      return move_fixed<Woven, 32>(line, line_step, from, from_step, count);
    case 64:
      return move_fixed<Woven, 64>(line, line_step, from, from_step, count);
    case 128:
      return move_fixed<Woven, 128>(line, line_step, from, from_step, count);
  }
  for (int64_t i = 0; i < count; ++i, line += line_step, from += from_step)
    std::memcpy(Woven ? line : from, Woven ? from : line, size_t(bytes));
}

// Numbers of any type by their bits.
using Word4 [[gnu::may_alias]] = uint32_t;
using Word8 [[gnu::may_alias]] = uint64_t;

// Two residues whose numbers lie side by side.
template <class Word>
void interleave(char* line, const char* even, const char* odd, int64_t count) {
  Word* __restrict to = reinterpret_cast<Word*>(line);
  const Word* __restrict a = reinterpret_cast<const Word*>(even);
  const Word* __restrict b = reinterpret_cast<const Word*>(odd);
  for (int64_t i = 0; i < count; ++i) {
    to[2 * i] = a[i];
    to[2 * i + 1] = b[i];
  }
}

// The outputs [begin, end) of a phase that a source has, and where they stand.
struct Part {
  int64_t from, begin, end;
};

Part part_of(const WeaveSource& s, size_t n) {
  const TransposedPhase& phase = s.set->phases[n];
  const int64_t ahead = phase.block - s.set->block;  // blocks of the set before the phase begins
  const int64_t begin = std::max<int64_t>(0, s.begin - ahead), end = std::min(phase.outs, s.end - ahead);
  return {int64_t(n) * s.phase_step + (begin + ahead - s.begin) * s.block_step, begin, end};
}

}  // namespace

Weaver::Weaver(const WeaveLine& line, const std::vector<WeaveSource>& sources) {
  if (add_pairs(line, sources)) return;
  for (size_t i = 0; i < sources.size(); ++i) {
    const WeaveSource& s = sources[i];
    if (!s.set) continue;
    if (s.set->full() && s.phase_step == line.element && line.step == line.element) {
      add_runs(line, s, i);
      continue;
    }
    for (size_t n = 0; n < s.set->phases.size(); ++n) {
      const Part p = part_of(s, n);
      const int64_t first = s.set->phases[n].first + p.begin * s.set->stride;
      if (p.begin < p.end)
        moves_.push_back({Kind::move, i, i, first * line.step, s.set->stride * line.step, p.from,
                          s.block_step, 0, p.end - p.begin, line.element});
    }
  }
}

// Blocks whose residues lie together: whole blocks, and what the line cuts off at its ends.
void Weaver::add_runs(const WeaveLine& l, const WeaveSource& s, size_t index) {
  const int64_t stride = s.set->stride, run = stride * l.element;
  const auto first_of = [&](int64_t block) { return (s.set->block + block) * stride - l.pad; };
  const auto is_cut = [&](int64_t block) { return first_of(block) < 0 || first_of(block) + stride > l.size; };
  const auto add = [&](int64_t block, int64_t begin, int64_t end, int64_t count) {
    if (begin < end && count > 0)
      moves_.push_back({Kind::move, index, index, (first_of(block) + begin) * l.element, run,
                        (block - s.begin) * s.block_step + begin * l.element, s.block_step, 0, count,
                        (end - begin) * l.element});
  };
  const auto add_cut = [&](int64_t block) {
    add(block, std::max<int64_t>(-first_of(block), 0), std::min(stride, l.size - first_of(block)), 1);
  };
  int64_t begin = s.begin, end = s.end;
  while (begin < end && is_cut(begin)) add_cut(begin++);
  while (begin < end && is_cut(end - 1)) add_cut(--end);
  add(begin, 0, stride, end - begin);
}

// Whether the line consists of two residues that become pairs.
bool Weaver::add_pairs(const WeaveLine& l, const std::vector<WeaveSource>& sources) {
  if (l.step != l.element || (l.element != 4 && l.element != 8)) return false;
  Part parts[2];
  size_t index[2];
  int64_t first[2], found = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    const WeaveSource& s = sources[i];
    if (!s.set) continue;
    for (size_t n = 0; n < s.set->phases.size(); ++n) {
      if (found == 2 || s.set->stride != 2 || s.block_step != l.element) return false;
      parts[found] = part_of(s, n);
      first[found] = s.set->phases[n].first + 2 * parts[found].begin;
      index[found++] = i;
    }
  }
  if (found != 2) return false;
  const int a = first[0] < first[1] ? 0 : 1, b = 1 - a;
  const int64_t pairs = std::min(parts[a].end - parts[a].begin, parts[b].end - parts[b].begin);
  if (first[b] != first[a] + 1 || pairs <= 0) return false;
  moves_.push_back({l.element == 4 ? Kind::pairs4 : Kind::pairs8, index[a], index[b], first[a] * l.element, 0,
                    parts[a].from, 0, parts[b].from, pairs, l.element});
  for (const int k : {a, b}) {
    const int64_t rest = parts[k].end - parts[k].begin - pairs;
    if (rest > 0)
      moves_.push_back({Kind::move, index[k], index[k], (first[k] + 2 * pairs) * l.element, 2 * l.element,
                        parts[k].from + pairs * l.element, l.element, 0, rest, l.element});
  }
  return true;
}

template <bool Woven>
void Weaver::run(char* line, char* const* bases) const {
  for (const Move& m : moves_) {
    char* const to = line + m.line;
    char* const from = bases[m.source] + m.from;
    if (m.kind == Kind::move) {
      move_all<Woven>(to, m.line_step, from, m.from_step, m.count, m.bytes);
      continue;
    }
    char* const odd = bases[m.other] + m.odd;
    if constexpr (Woven) {
      if (m.kind == Kind::pairs4)
        interleave<Word4>(to, from, odd, m.count);
      else
        interleave<Word8>(to, from, odd, m.count);
    } else {
      move_all<false>(to, 2 * m.bytes, from, m.bytes, m.count, m.bytes);
      move_all<false>(to + m.bytes, 2 * m.bytes, odd, m.bytes, m.count, m.bytes);
    }
  }
}

template void Weaver::run<true>(char*, char* const*) const;
template void Weaver::run<false>(char*, char* const*) const;

}  // namespace faltung
