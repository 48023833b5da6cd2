#include "core/ops/separable_line.h"

#include <algorithm>
#include <cstring>

namespace faltung {

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
  layout_.length = ((layout_.length + line - 1) / line | 1) * line;
  lines_ = s_.line.blocked_line || !s_.line_convolved ? 1 : shapes_.limits().rows;
}

template <class T>
int64_t LinePass<T>::table_entries() const {
  return s_.line.blocked_line ? shapes_.limits().tall_rows + s_.line.block_rows : lines_;
}

template <class T>
void LinePass<T>::begin(const T* weights, Workspace& w) const {
  if (!s_.line_convolved) return;
  size_t runs = 0;
  for (const Call& c : s_.line.calls) runs += c.runs.size();
  w.runs.resize(runs * size_t(s_.terms));
  for (int64_t term = 0; term < s_.terms; ++term) {
    w.sweepers.emplace_back(s_.line, shapes_, w.runs.data() + runs * size_t(term));
    w.sweepers.back().resolve(weights + term * this->weights(), layout_);
  }
}

template <class T>
void LinePass<T>::run(const char* const* sources, int64_t count, int64_t columns, T* into, int64_t stride,
                      int64_t term_stride, Workspace& w) const {
  if (!s_.line_convolved) {
    pack(sources[0], w.plan, w.lines);
    for (int64_t term = 0; term < s_.terms; ++term)
      std::memcpy(into + term * term_stride, w.lines, size_t(s_.line_elements(columns)) * sizeof(T));
    return;
  }
  const int64_t elements = s_.line_elements(columns);
  for (int64_t i = 0; i < count; ++i) pack(sources[i], w.plan, w.lines + i * layout_.length);
  if (s_.line.blocked_line) {
    const int64_t entries = table_entries();
    for (int64_t i = 0; i < entries; ++i) w.table[i] = w.lines + i * s_.line.block;
    for (int64_t term = 0; term < s_.terms; ++term)
      w.sweepers[size_t(term)].blocked_line(w.table, layout_, 0, elements, into + term * term_stride, false);
    return;
  }
  for (int64_t i = 0; i < count; ++i) w.table[i] = w.lines + i * layout_.length;
  for (int64_t done = 0, rows = 0; done < count; done += rows) {
    rows = shapes_.next(count - done, count - done, false);
    for (int64_t term = 0; term < s_.terms; ++term)
      w.sweepers[size_t(term)].row(w.table + done, layout_, rows, 0, elements,
                                   into + done * stride + term * term_stride, stride, false, {});
  }
}

template class LinePass<float>;
template class LinePass<double>;

}  // namespace faltung
