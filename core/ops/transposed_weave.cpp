#include "core/ops/transposed_weave.h"

#include <algorithm>
#include <cstring>

namespace faltung {
namespace {

// `Woven`: into the line, else out of it.
template <bool Woven>
void move(char* line, char* from, size_t bytes) {
  std::memcpy(Woven ? line : from, Woven ? from : line, bytes);
}

template <bool Woven, int64_t Bytes>
void move_fixed(char* line, int64_t line_step, char* from, int64_t from_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) move<Woven>(line + i * line_step, from + i * from_step, size_t(Bytes));
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
  for (int64_t i = 0; i < count; ++i) move<Woven>(line + i * line_step, from + i * from_step, size_t(bytes));
}

// Blocks whose residues lie together: whole blocks, and what the line cuts off at its ends.
template <bool Woven>
void move_runs(const WeaveLine& l, const WeaveSource& s) {
  const int64_t stride = s.set->stride, run = stride * l.element;
  const auto cut = [&](int64_t block) {
    const int64_t first = (s.set->block + block) * stride - l.pad;
    const int64_t begin = std::max<int64_t>(-first, 0), end = std::min(stride, l.size - first);
    if (begin < end)
      move<Woven>(l.line + (first + begin) * l.element,
                  s.from + (block - s.begin) * s.block_step + begin * l.element,
                  size_t((end - begin) * l.element));
    return end - begin == stride;
  };
  int64_t begin = s.begin, end = s.end;
  while (begin < end && !cut(begin)) ++begin;
  while (begin < end && !cut(end - 1)) --end;
  const int64_t first = (s.set->block + begin) * stride - l.pad;
  if (begin < end)
    move_all<Woven>(l.line + first * l.element, run, s.from + (begin - s.begin) * s.block_step, s.block_step,
                    end - begin, run);
}

// The outputs of a phase that a source has.
struct Part {
  char* from;
  int64_t begin, end;
};

Part part_of(const WeaveSource& s, size_t n) {
  const TransposedPhase& phase = s.set->phases[n];
  const int64_t ahead = phase.block - s.set->block;  // blocks of the set before the phase begins
  const int64_t begin = std::max<int64_t>(0, s.begin - ahead), end = std::min(phase.outs, s.end - ahead);
  return {s.from + int64_t(n) * s.phase_step + (begin + ahead - s.begin) * s.block_step, begin, end};
}

// Two residues whose numbers lie side by side.
template <class E>
void interleave(char* line, const char* even, const char* odd, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    E pair[2];
    std::memcpy(pair, even + i * int64_t(sizeof(E)), sizeof(E));
    std::memcpy(pair + 1, odd + i * int64_t(sizeof(E)), sizeof(E));
    std::memcpy(line + 2 * i * int64_t(sizeof(E)), pair, 2 * sizeof(E));
  }
}

// Whether two residues were woven as pairs.
bool weave_pairs(const WeaveLine& l, const WeaveSource* sources, int64_t count) {
  if (l.step != l.element || (l.element != 4 && l.element != 8)) return false;
  Part parts[2];
  int64_t first[2], found = 0;
  for (int64_t i = 0; i < count; ++i)
    for (size_t n = 0; n < sources[i].set->phases.size(); ++n) {
      if (found == 2 || sources[i].set->stride != 2 || sources[i].block_step != l.element) return false;
      parts[found] = part_of(sources[i], n);
      first[found] = sources[i].set->phases[n].first + 2 * parts[found].begin;
      ++found;
    }
  if (found != 2) return false;
  const int64_t a = first[0] < first[1] ? 0 : 1, b = 1 - a;
  const int64_t pairs = std::min(parts[a].end - parts[a].begin, parts[b].end - parts[b].begin);
  if (first[b] != first[a] + 1 || pairs <= 0) return false;
  char* line = l.line + first[a] * l.element;
  if (l.element == 4)
    interleave<uint32_t>(line, parts[a].from, parts[b].from, pairs);
  else
    interleave<uint64_t>(line, parts[a].from, parts[b].from, pairs);
  for (int k : {0, 1}) {
    const int64_t rest = parts[k].end - parts[k].begin - pairs;
    move_all<true>(l.line + (first[k] + 2 * pairs) * l.element, 2 * l.element,
                   parts[k].from + pairs * l.element, l.element, rest, l.element);
  }
  return true;
}

template <bool Woven>
void move_line(const WeaveLine& l, const WeaveSource* sources, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const WeaveSource& s = sources[i];
    if (s.set->full() && s.phase_step == l.element && l.step == l.element) {
      move_runs<Woven>(l, s);
      continue;
    }
    for (size_t n = 0; n < s.set->phases.size(); ++n) {
      const Part p = part_of(s, n);
      const int64_t first = s.set->phases[n].first + p.begin * s.set->stride;
      if (p.begin < p.end)
        move_all<Woven>(l.line + first * l.step, s.set->stride * l.step, p.from, s.block_step,
                        p.end - p.begin, l.element);
    }
  }
}

}  // namespace

void weave(const WeaveLine& line, const WeaveSource* sources, int64_t count) {
  if (!weave_pairs(line, sources, count)) move_line<true>(line, sources, count);
}

void unravel(const WeaveLine& line, const WeaveSource* sources, int64_t count) {
  move_line<false>(line, sources, count);
}

}  // namespace faltung
