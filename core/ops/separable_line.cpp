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

// What the packer does for elements [begin, end) of a padded line, into a buffer that begins with the first of them. Groups are
// packed whole, so that a few elements more may be written at the end.
static void cut(const LinePlan& whole, int64_t group, int64_t begin, int64_t end, LinePlan& part) {
  part = {};
  for (LinePlan::Stretch s : whole.stretches) {
    const int64_t skip = std::clamp<int64_t>((begin - s.at + group - 1) / group, 0, s.groups);
    const int64_t stop = std::clamp<int64_t>((end - s.at + group - 1) / group, skip, s.groups);
    if (stop > skip)
      part.stretches.push_back({s.source + skip * s.step, s.step, stop - skip, s.at + skip * group - begin});
  }
  for (const LinePlan::Outside& o : whole.outside)
    if (o.at >= begin && o.at < end) part.outside.push_back({o.at - begin, o.source, -1});
  const auto clip = [&](const std::vector<LinePlan::Part>& from, std::vector<LinePlan::Part>& to) {
    for (const LinePlan::Part& p : from)
      if (std::max(p.at, begin) < std::min(p.end, end))
        to.push_back({std::max(p.at, begin) - begin, std::min(p.end, end) - begin});
  };
  clip(whole.constants, part.constants);
  clip(whole.rests, part.rests);
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
  cut(w.plan, group, 0, w.direct_begin, w.head);
  cut(w.plan, group, w.direct_end, layout_.length, w.tail);
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
T LinePass<T>::run_turned(const char* const* sources, int64_t count, int64_t columns, T* into, int64_t stride,
                          int64_t term_stride, Workspace& w) const {
  const int64_t taps = s_.roles.line.taps, step = layout_.step, width = s_.line_elements(columns);
  for (int64_t r = 0; r < count; ++r) {
    T* line = w.lines + r * layout_.length;
    if (w.direct_end == 0) {
      packer_.pack(sources[r], layout_, w.plan, line);
    } else {
      packer_.pack(sources[r], layout_, w.head, line);
      packer_.pack(sources[r], layout_, w.tail, line + w.direct_end);
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
          args.rows[r] = (r < count ? into + r * stride + term * term_stride : w.spare) + x;
        turned_.run[step - 1](args);
      }
  }
  return squares;
}

template <class T>
T LinePass<T>::run(const char* const* sources, int64_t count, int64_t columns, T* into, int64_t stride,
                   int64_t term_stride, Workspace& w) const {
  if (s_.turned) return run_turned(sources, count, columns, into, stride, term_stride, w);
  const int64_t elements = s_.line_elements(columns);
  for (int64_t i = 0; i < count; ++i) packer_.pack(sources[i], layout_, w.plan, w.lines + i * layout_.length);
  if (!s_.line_convolved) {
    for (int64_t term = 0; term < s_.terms; ++term)
      std::memcpy(into + term * term_stride, w.lines, size_t(elements) * sizeof(T));
  } else if (s_.line.blocked_line) {
    const int64_t entries = table_entries();
    for (int64_t i = 0; i < entries; ++i) w.table[i] = w.lines + i * s_.line.block;
    for (int64_t term = 0; term < s_.terms; ++term)
      w.sweepers[size_t(term)].blocked_line(w.table, layout_, 0, elements, into + term * term_stride, false);
  } else {
    for (int64_t i = 0; i < count; ++i) w.table[i] = w.lines + i * layout_.length;
    for (int64_t done = 0, rows = 0; done < count; done += rows) {
      rows = shapes_.next(count - done, count - done, false);
      for (int64_t term = 0; term < s_.terms; ++term)
        w.sweepers[size_t(term)].row(w.table + done, layout_, rows, 0, elements,
                                     into + done * stride + term * term_stride, stride, false, {});
    }
  }
  T squares = 0;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t term = 0; term < s_.terms; ++term)
      squares += sum_of_squares(into + i * stride + term * term_stride, elements);
  return squares;
}

template class LinePass<float>;
template class LinePass<double>;

}  // namespace faltung
