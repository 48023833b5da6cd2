// Samples into strips, boundaries and conversions included.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/ops/spectral_strips.h"

namespace faltung {
namespace {

// In place of a line: a row of zeros, which is not one of the constant.
const char kNothing = 0;

}  // namespace

template <class T>
void SpectralStrips<T>::place(int64_t unit, int64_t kernel, const SpectralArrays& arrays,
                              SpectralWorkspace<T>& w) const {
  for (int64_t s = 0; s < halves(); ++s) {
    Slot<T>& slot = w.slots[size_t(s)];
    slot.clear(first_limit<T>(b_.local));
    const int64_t item = unit * halves() + s;
    slot.present = item < b_.grid.items();
    if (!slot.present) continue;
    b_.grid.locate(kernel, item, slot.item);
    set_lines(s, arrays, w);
    if (take_) set_rows(s, w);
  }
}

// Sample 0 of the line that each row reads; null: the constant.
template <class T>
void SpectralStrips<T>::set_lines(int64_t s, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
  const BlockItem& item = w.slots[size_t(s)].item;
  const char** lines = w.lines.data() + s * rows_;
  lines[0] = arrays.in + item.in;
  if (folded_) return std::fill(lines, lines + rows_, lines[0]);
  int64_t rows = 1;
  for (size_t a = 0; a + 1 < b_.grid.axes.size(); ++a) {
    const BlockAxis& x = b_.grid.axes[a];
    const BlockSpan& span = item.spans[a];
    w.indices.resize(size_t(x.points));
    for (int64_t i = 0; i < x.points; ++i)
      w.indices[size_t(i)] = boundary_index(span.window + i, x.axis.in, x.axis.boundary);
    // From the rows of the axes before, last first, each in place of the first of its own.
    for (int64_t y = rows; y-- > 0;) {
      const char* line = lines[y];
      for (int64_t i = x.points; i-- > 0;) {
        const int64_t from = w.indices[size_t(i)];
        lines[y * x.points + i] = line == &kNothing || i >= span.needed ? &kNothing
                                  : !line || from < 0                   ? nullptr
                                                                        : line + from * x.axis.in_step;
      }
    }
    rows *= x.points;
  }
}

// Where column 0 of every row would be in the array, or in a row that stands for it.
template <class T>
void SpectralStrips<T>::set_rows(int64_t s, SpectralWorkspace<T>& w) const {
  const BlockSpan& span = w.slots[size_t(s)].item.spans.back();
  w.halves[size_t(s)].in_place = true;
  const char** rows = w.rows.data() + s * rows_;
  for (int64_t y = 0; y < rows_; ++y) {
    const char* line = w.lines[size_t(s * rows_ + y)];
    const int64_t before = folded_ ? y * columns_ : 0, usable = std::min(columns_, span.needed - before);
    if (line == &kNothing || usable <= 0) {
      rows[y] = reinterpret_cast<const char*>(zero_row_.data());
    } else if (!line) {
      rows[y] = reinterpret_cast<const char*>(constant_row_.data());
    } else {
      rows[y] = line + (span.window + before) * in_size_;
      // Folded rows reach different stretches of the line: all must lie inside.
      if (folded_ && (usable < columns_ || !reader_.inside(span.window + before, columns_)))
        w.halves[size_t(s)].in_place = false;
    }
  }
}

// Whether all rows of these columns can be read where they lie.
template <class T>
bool SpectralStrips<T>::reads_in_place(int64_t s, int64_t x, const SpectralWorkspace<T>& w) const {
  if (!take_ || !w.halves[size_t(s)].in_place || x + lanes_ > columns_) return false;
  const BlockSpan& span = w.slots[size_t(s)].item.spans.back();
  return folded_ || (x + lanes_ <= span.needed && reader_.inside(span.window + x, lanes_));
}

// Whether the columns from x on lie behind all that outputs read.
template <class T>
bool SpectralStrips<T>::none_needed(int64_t x, const SpectralWorkspace<T>& w) const {
  return std::all_of(w.slots.begin(), w.slots.end(),
                     [&](const Slot<T>& s) { return !s.present || s.item.spans.back().needed <= x; });
}

// Loads, measures and transforms; again where it turns out that a block has spikes, and where blocks want factors.
template <class T>
void SpectralStrips<T>::load(const SpectralTeam<T>& team) const {
  SpectralWorkspace<T>& w = team.lead();
  load_once(team);
  if (b_.local && find_spikes(w)) load_once(team);
  if (parts_ == 1)
    balance(w.slots[0], w.slots[1]);
  else
    w.slots[0].exponent = safe_exponent(w.slots[0].largest);
  if (std::any_of(w.slots.begin(), w.slots.end(), [](const Slot<T>& s) { return s.exponent != 0; }))
    load_once(team);
}

template <class T>
void SpectralStrips<T>::load_once(const SpectralTeam<T>& team) const {
  SpectralWorkspace<T>& lead = team.lead();
  for (Slot<T>& s : lead.slots) s.largest = 0, s.lifted = 0;
  hand_out(team);
  team.share(strips(), [this](int64_t begin, int64_t end, SpectralWorkspace<T>& w) {
    load_strips(begin * lanes_, std::min(end * lanes_, columns_), w);
  });
  // Ranges ascend, and with them the samples that were lifted.
  for (size_t i = 1; i < team.members.size(); ++i) {
    const SpectralWorkspace<T>& w = *team.members[i];
    lead.lifted.insert(lead.lifted.end(), w.lifted.begin(), w.lifted.end());
    for (size_t s = 0; s < lead.slots.size(); ++s) {
      Slot<T>& slot = lead.slots[s];
      slot.largest = std::max(slot.largest, w.slots[s].largest);
      slot.lifted += w.slots[s].lifted;
      slot.direct |= w.slots[s].direct || (slot.present && slot.lifted > most_lifted(slot.item));
    }
  }
}

template <class T>
void SpectralStrips<T>::load_strips(int64_t begin, int64_t end, SpectralWorkspace<T>& w) const {
  const Buffers m = buffers(w);
  w.lifted.clear();
  for (StripHalf& h : w.halves) h.panel_begin = h.panel_end = 0;
  for (int64_t x = begin; x < end; x += lanes_) {
    if (none_needed(x, w)) {
      const int64_t numbers = std::min(lanes_, columns_ - x) * pair();
      for (int64_t g = 0; g < groups_; ++g)
        std::fill_n(m.z + g * group_pitch_ * pair() + column(x, gap_), numbers, T(0));
      continue;
    }
    for (int64_t s = 0; s < halves(); ++s) load_half(s, x, m, w);
    strip_forward(x, m.strip);
    strip_to_lines(x, m.z, group_pitch_, gap_, m);
  }
}

// The columns are the pieces that are compared.
template <class T>
bool SpectralStrips<T>::find_spikes(SpectralWorkspace<T>& w) const {
  bool any = false;
  for (int64_t s = 0; s < halves(); ++s) {
    Slot<T>& slot = w.slots[size_t(s)];
    if (!slot.present) continue;
    const T limit =
        spike_limit(w.pieces.data() + s * columns_, std::min(columns_, slot.item.spans.back().needed), 1,
                    double(rows_), slot.largest);
    if (slot.largest < limit) continue;
    slot.limit = limit;
    any = true;
  }
  return any;
}

template <class T>
void SpectralStrips<T>::load_half(int64_t s, int64_t x, const Buffers& m, SpectralWorkspace<T>& w) const {
  Slot<T>& slot = w.slots[size_t(s)];
  T* half = m.strip + s * lanes_;
  if (!slot.present) {
    for (int64_t y = 0; y < rows_; ++y) std::fill_n(half + row_at_[size_t(y)], lanes_, T(0));
    return;
  }
  T largest[kMostLanes] = {}, squares[kMostLanes] = {};
  if (reads_in_place(s, x, w)) {
    take_(w.lead->rows.data() + s * rows_, x * in_size_, row_at_.data(), rows_, half, largest, squares);
  } else {
    StripHalf& h = w.halves[size_t(s)];
    if (x >= h.panel_end) fill_panel(s, x, w);
    take_panel_(w.panel_rows.data() + s * rows_, (x - h.panel_begin) * parts_ * int64_t(sizeof(T)),
                row_at_.data(), rows_, half, largest, squares);
  }
  if (!std::all_of(largest, largest + lanes_, [&](T size) { return size < slot.limit; })) {
    lift(half, s, x, w);
    std::fill_n(largest, lanes_, T(0));
    std::fill_n(squares, lanes_, T(0));
    for (int64_t h = 0; h < parts_; ++h)
      b_.table.measure(half + h * lanes_, pair(), strip_pairs_, largest, squares);
  }
  if (slot.exponent != 0)
    for (int64_t h = 0; h < parts_; ++h) scale_half(half + h * lanes_, slot.exponent);
  slot.largest = std::max(slot.largest, *std::max_element(largest, largest + lanes_));
  if (b_.local)
    std::copy_n(squares, std::min(lanes_, columns_ - x), w.lead->pieces.data() + s * columns_ + x);
}

// Takes out of a strip what is not below the block's limit.
template <class T>
void SpectralStrips<T>::lift(T* half, int64_t s, int64_t x, SpectralWorkspace<T>& w) const {
  Slot<T>& slot = w.slots[size_t(s)];
  const int64_t most = most_lifted(slot.item);
  for (int64_t y = 0; y < rows_; ++y)
    for (int64_t l = 0; l < lanes_; ++l) {
      T* re = half + row_at_[size_t(y)] + l;
      T* im = parts_ == 2 ? re + lanes_ : nullptr;
      if (std::abs(*re) < slot.limit && (!im || std::abs(*im) < slot.limit)) continue;
      if (slot.lifted < most) w.lifted.push_back({s, y, x + l, *re, im ? *im : T(0)});
      if (++slot.lifted > most) slot.direct = true;
      *re = T(0);
      if (im) *im = T(0);
    }
}

// Reads columns x ... into the panel, up to where strips can be read in place again.
template <class T>
void SpectralStrips<T>::fill_panel(int64_t s, int64_t x, SpectralWorkspace<T>& w) const {
  StripHalf& h = w.halves[size_t(s)];
  h.panel_begin = h.panel_end = x;
  do h.panel_end += lanes_;
  while (h.panel_end < columns_ && h.panel_end - x < panel_width() && !reads_in_place(s, h.panel_end, w));
  const int64_t n = h.panel_end - x;
  const BlockSpan& span = w.slots[size_t(s)].item.spans.back();
  const auto row_of = [&](int64_t y) {
    return reinterpret_cast<T*>(const_cast<char*>(w.panel_rows[size_t(s * rows_ + y)]));
  };
  if (folded_) {
    for (int64_t y = 0; y < rows_; ++y) {
      const int64_t before = y * columns_;
      const int64_t usable = std::clamp<int64_t>(std::min(span.needed - before, columns_) - x, 0, n);
      reader_.read(w.lead->lines[size_t(s * rows_ + y)], span.window + before + x, usable, row_of(y));
      std::fill(row_of(y) + usable * parts_, row_of(y) + n * parts_, T(0));
    }
    return;
  }
  const int64_t usable = std::clamp<int64_t>(std::min(span.needed, columns_) - x, 0, n);
  for (int64_t c = 0; c < usable;) {
    const AxisRun run = reader_.run_at(span.window + x + c, usable - c);
    for (int64_t y = 0; y < rows_; ++y) {
      const char* line = w.lead->lines[size_t(s * rows_ + y)];
      if (line == &kNothing)
        std::fill_n(row_of(y) + c * parts_, run.length * parts_, T(0));
      else
        reader_.read_run(line, run, row_of(y) + c * parts_);
    }
    c += run.length;
  }
  for (int64_t y = 0; y < rows_ && usable < n; ++y)
    std::fill(row_of(y) + usable * parts_, row_of(y) + n * parts_, T(0));
}

template class SpectralStrips<float>;
template class SpectralStrips<double>;

}  // namespace faltung
