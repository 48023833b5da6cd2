#include "core/ops/separable_line.h"

#include <algorithm>
#include <cstring>

namespace faltung {
namespace {

constexpr int64_t kSpanBytes = 4096;  // of a line that is turned at once: four planes of it stay in L1
constexpr int64_t kChain = 256;       // terms a register sums from zero

int64_t round_up(int64_t a, int64_t b) {
  return (a + b - 1) / b * b;
}

template <class T>
T sum_of_squares(const T* p, int64_t n) {
  constexpr int64_t lanes = 16;
  T sums[lanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t l = 0; l < lanes; ++l) sums[l] += p[i + l] * p[i + l];
  for (; i < n; ++i) sum += p[i] * p[i];
  for (const T s : sums) sum += s;
  return sum;
}

}  // namespace

template <class T>
void LinePass<T>::prepare() {
  const Problem& problem = s_.line_problem;
  convert_.load[int(problem.in)](problem.fill, {1, problem.parts(), 0, kItemSize[int(problem.in)]}, fill_);
  const int64_t width = s_.line_elements(s_.block_columns);
  layout_ = {};
  layout_.step = s_.line.line_step * s_.roles.group;
  layout_.capacity = s_.block_columns;
  for (const int64_t taps : s_.line.phase_taps) {
    layout_.base.push_back(layout_.length);
    layout_.length += width + (taps - 1) * layout_.step;
  }
  // Lines side by side spread over the cache sets.
  const int64_t line = 64 / int64_t(sizeof(T));
  layout_.length = (round_up(layout_.length, line) / line | 1) * line;
  lines_ = s_.turned ? kLines : s_.line.blocked_line || !s_.line_convolved ? 1 : shapes_.limits().rows;
  if (s_.turned) {
    span_ = std::min(width, kSpanBytes / int64_t(sizeof(T)));
    plane_ = round_up(span_ + (s_.roles.line.taps - 1) * layout_.step, turned_.lanes) + line;
  }
}

template <class T>
int64_t LinePass<T>::table_entries() const {
  return s_.line.blocked_line ? shapes_.limits().tall_rows + s_.line.block_rows : lines_;
}

template <class T>
void LinePass<T>::begin(const T* weights, Workspace& w) const {
  w.weights = weights;
  if (!s_.line_convolved || s_.turned) return;
  size_t runs = 0;
  for (const Call& c : s_.line.calls) runs += c.runs.size();
  w.runs.resize(runs * size_t(s_.terms));
  for (int64_t term = 0; term < s_.terms; ++term) {
    w.sweepers.emplace_back(s_.line, shapes_, w.runs.data() + runs * size_t(term));
    w.sweepers.back().resolve(weights + term * this->weights(), layout_);
  }
}

// Where elements [begin, end) of a padded line come from, by the plan of the whole line.
template <class T>
typename LinePass<T>::End LinePass<T>::end_of(const LinePlan& plan, int64_t begin, int64_t end) const {
  constexpr int64_t item = int64_t(sizeof(T));
  const int64_t group = s_.roles.group;
  End from(size_t(end - begin), kZero);
  const auto put = [&](int64_t at, int64_t n, auto source) {
    for (int64_t e = std::max(at, begin); e < std::min(at + n, end); ++e)
      from[size_t(e - begin)] = source(e - at);
  };
  for (const LinePlan::Stretch& s : plan.stretches)
    put(s.at, s.groups * group, [&](int64_t i) { return s.source / item + i; });
  for (const LinePlan::Outside& o : plan.outside)
    put(o.at, group, [&](int64_t i) { return o.source / item + i; });
  for (const LinePlan::Part& p : plan.constants)
    put(p.at, p.end - p.at, [&](int64_t i) { return kFill - (p.at + i) % s_.roles.parts; });
  return from;
}

template <class T>
void LinePass<T>::pack_end(const char* source, const End& end, T* into) const {
  const T* line = reinterpret_cast<const T*>(source);
  for (const int64_t from : end)
    *into++ = from >= 0 ? line[from] : from == kZero ? T(0) : fill_[kFill - from];
}

template <class T>
void LinePass<T>::aim(Interval columns, Workspace& w) const {
  packer_.plan(layout_, &columns, 1, true, w.plan);
  w.direct_begin = w.direct_end = 0;
  if (!s_.turned || !s_.line_in_place || w.plan.stretches.empty()) return;
  // The array's own part in whole vectors, that begin and end with a group.
  const LinePlan::Stretch& s = w.plan.stretches[0];
  const int64_t group = s_.roles.group,
                unit = turned_.lanes % group == 0 ? turned_.lanes : turned_.lanes * group;
  const int64_t end =
      round_up(s_.line_elements(columns.size()) + (s_.roles.line.taps - 1) * layout_.step, turned_.lanes);
  w.direct_begin = round_up(s.at, unit);
  w.direct_end = std::min(s.at + s.groups * group, end) / unit * unit;
  if (w.direct_end <= w.direct_begin) {
    w.direct_begin = w.direct_end = 0;
    return;
  }
  w.direct_source = s.source - s.at * int64_t(sizeof(T));
  w.head = end_of(w.plan, 0, w.direct_begin);
  w.tail = end_of(w.plan, w.direct_end, end);
}

// Fills the planes with elements [begin, end) of four padded lines, the last of which may be one line several times.
template <class T>
void LinePass<T>::turn(const char* const* sources, int64_t count, int64_t begin, int64_t end,
                       Workspace& w) const {
  const T* rows[kLines];
  const auto part = [&](int64_t from, int64_t to, auto row) {
    from = std::max(from, begin), to = std::min(to, end);
    if (from >= to) return;
    for (int r = 0; r < kLines; ++r) rows[r] = row(r) + from;
    turned_.turn(rows, to - from, w.planes + (from - begin), plane_);
  };
  const auto packed = [&](int r) { return w.lines + std::min<int64_t>(r, count - 1) * layout_.length; };
  if (w.direct_end == 0) return part(begin, end, packed);
  part(0, w.direct_begin, packed);
  part(w.direct_begin, w.direct_end, [&](int r) {
    return reinterpret_cast<const T*>(sources[std::min<int64_t>(r, count - 1)] + w.direct_source);
  });
  part(w.direct_end, end, packed);
}

template <class T>
T LinePass<T>::run_turned(const char* const* sources, T* const* into, int64_t count, int64_t columns,
                          int64_t term_stride, Workspace& w) const {
  const int64_t taps = s_.roles.line.taps, step = layout_.step, width = s_.line_elements(columns);
  for (int64_t r = 0; r < count; ++r) {
    T* line = w.lines + r * layout_.length;
    if (w.direct_end == 0) {
      packer_.pack(sources[r], layout_, w.plan, line);
    } else {
      pack_end(sources[r], w.head, line);
      pack_end(sources[r], w.tail, line + w.direct_end);
    }
  }
  T squares = 0;
  for (int64_t x = 0; x < width; x += span_) {
    const int64_t n = std::min(span_, width - x);
    turn(sources, count, x, round_up(x + n + (taps - 1) * step, turned_.lanes), w);
    for (int64_t term = 0; term < s_.terms; ++term)
      for (int64_t first = 0; first < taps; first += kChain) {
        // 256 taps move by whole groups of columns, in which planes are counted as in columns.
        LinesArgs<T> args{w.planes + first * step,
                          plane_,
                          w.weights + term * taps + first,
                          std::min(kChain, taps - first),
                          n,
                          {},
                          first > 0,
                          &squares};
        for (int64_t r = 0; r < kLines; ++r)
          args.rows[r] = (r < count ? into[r] + term * term_stride : w.spare) + x;
        turned_.run[step - 1](args);
      }
  }
  return squares;
}

template <class T>
T LinePass<T>::run(const char* const* sources, T* const* into, int64_t count, int64_t columns,
                   int64_t term_stride, Workspace& w) const {
  if (s_.turned) return run_turned(sources, into, count, columns, term_stride, w);
  const int64_t elements = s_.line_elements(columns);
  for (int64_t i = 0; i < count; ++i) packer_.pack(sources[i], layout_, w.plan, w.lines + i * layout_.length);
  for (int64_t term = 0; term < s_.terms; ++term) {
    const int64_t move = term * term_stride;
    if (!s_.line_convolved) {
      std::memcpy(into[0] + move, w.lines, size_t(elements) * sizeof(T));
    } else if (s_.line.blocked_line) {
      const int64_t entries = table_entries();
      for (int64_t i = 0; i < entries; ++i) w.table[i] = w.lines + i * s_.line.block;
      w.sweepers[size_t(term)].blocked_line(w.table, layout_, 0, elements, into[0] + move, false);
    } else {
      for (int64_t i = 0; i < count; ++i) w.table[i] = w.lines + i * layout_.length;
      for (int64_t done = 0, rows = 0; done < count; done += rows) {
        // Rows of a tile stand at equal distances, which the end of a ring breaks.
        int64_t even = std::min<int64_t>(count - done, 2);
        while (done + even < count &&
               into[done + even] - into[done + even - 1] == into[done + 1] - into[done])
          ++even;
        rows = shapes_.next(even, even, false);
        w.sweepers[size_t(term)].row(w.table + done, layout_, rows, 0, elements, into[done] + move,
                                     rows > 1 ? into[done + 1] - into[done] : 0, false, {});
      }
    }
  }
  T squares = 0;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t term = 0; term < s_.terms; ++term)
      squares += sum_of_squares(into[i] + term * term_stride, elements);
  return squares;
}

template class LinePass<float>;
template class LinePass<double>;

}  // namespace faltung
