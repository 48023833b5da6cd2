// Samples into lanes, boundaries and conversions included, measured on the way.
#include <algorithm>
#include <cmath>

#include "core/ops/spectral_lanes.h"

namespace faltung {

template <class T>
void SpectralLanes<T>::load(T* z, SpectralWorkspace<T>& w) const {
  T* panel = z + z_numbers();
  Measures m;
  for (int64_t c = 0, n; c < line_.points; c += n) {
    n = piece(c, line_.points);
    const Measures before = m;
    across_ ? load_across(z, c, n, panel, m, w) : load_rows(z, c, n, panel, m, w);
    if (std::all_of(m.largest, m.largest + pair(), [](T x) { return std::isfinite(x); })) continue;
    for (int64_t s = 0; s < slots_; ++s) {
      if (std::isfinite(m.largest[s]) && (parts_ == 1 || std::isfinite(m.largest[lanes_ + s]))) continue;
      for (int64_t i = 0; i < n; ++i) take_out(z + at(c) + i * pair() + s, s, c + i, w);
    }
    m = before;
    measure(z + at(c), n, m);
  }
  note(m, w);
}

template <class T>
void SpectralLanes<T>::measure(const T* z, int64_t n, Measures& m) const {
  for (int h = 0; h < 2; ++h)
    b_.table.measure(z + h * lanes_, pair(), n, m.largest + h * lanes_, m.squares + h * lanes_);
}

// A row for every lane, transposed.
template <class T>
void SpectralLanes<T>::load_rows(T* z, int64_t c, int64_t n, T* panel, Measures& m,
                                 SpectralWorkspace<T>& w) const {
  const T* zeros = panel + panel_numbers();
  const T* from[kMostLanes];
  for (int64_t h = 0; h < halves(); ++h) {
    for (int64_t l = 0; l < lanes_; ++l) {
      const Slot<T>& slot = w.slots[size_t(h * lanes_ + l)];
      const char* line = w.lines[size_t(h * lanes_ + l)];
      from[l] = zeros;
      if (!slot.present) continue;
      const BlockSpan& span = slot.item.spans.back();
      const int64_t usable = std::clamp<int64_t>(span.needed - c, 0, n);
      if (usable == 0) continue;
      if (usable == n) from[l] = reader_.at(line, span.window + c, n);
      if (usable == n && from[l]) continue;
      T* row = panel + l * kPiece * parts_;
      reader_.read(line, span.window + c, usable, row);
      std::fill(row + usable * parts_, row + n * parts_, T(0));
      from[l] = row;
    }
    if (parts_ == 1)
      b_.table.gather(from, n, z + at(c) + h * lanes_, pair());
    else
      b_.table.gather(from, 2 * n, z + at(c), lanes_);
  }
  measure(z + at(c), n, m);
}

// Lanes are channels: all slots share a block, and a sample of each lies side by side.
template <class T>
void SpectralLanes<T>::load_across(T* z, int64_t c, int64_t n, T* panel, Measures& m,
                                   SpectralWorkspace<T>& w) const {
  const BlockSpan& span = w.slots[0].item.spans.back();
  const ConvAxis& axis = line_.axis;
  const char* line = w.lines[0];
  const char* rows[kPiece];
  int64_t places[kPiece];
  int64_t channels = 0;
  for (const Slot<T>& s : w.slots) channels += s.present;
  const bool in_place = take_ && channels == slots_;
  const int64_t numbers = channels * parts_, item = kItemSize[int(b_.grid.problem.in)];
  for (int64_t i = 0; i < n; ++i) {
    places[i] = at(c) + i * pair();
    const int64_t from = line ? boundary_index(span.window + c + i, axis.in, axis.boundary) : -1;
    const std::byte* filler = c + i >= span.needed ? zero_row_.data() : constant_row_.data();
    rows[i] =
        c + i < span.needed && from >= 0 ? line + from * axis.in_step : reinterpret_cast<const char*>(filler);
    if (in_place) continue;
    T* row = panel + i * slots_ * parts_;
    b_.convert.load[int(b_.grid.problem.in)](rows[i], {1, numbers, 0, item}, row);
    std::fill(row + numbers, row + slots_ * parts_, T(0));
    rows[i] = reinterpret_cast<const char*>(row);
  }
  const int64_t beside =
      lanes_ * parts_ *
      (in_place ? item : int64_t(sizeof(T)));  // bytes from one half's samples to the other's
  for (int64_t h = 0; h < halves(); ++h)
    (in_place ? take_ : take_panel_)(rows, h * beside, places, n, z + h * lanes_, m.largest + h * lanes_,
                                     m.squares + h * lanes_);
}

template <class T>
void SpectralLanes<T>::take_out(T* sample, int64_t s, int64_t column, SpectralWorkspace<T>& w) const {
  T* imaginary = parts_ == 2 ? sample + lanes_ : nullptr;
  if (std::isfinite(*sample) && (!imaginary || std::isfinite(*imaginary))) return;
  Slot<T>& slot = w.slots[size_t(s)];
  if (slot.broken < most_broken(slot.item))
    w.broken.push_back({s, 0, column, *sample, imaginary ? *imaginary : T(0)});
  if (++slot.broken > most_broken(slot.item)) slot.direct = true;
  *sample = T(0);
  if (imaginary) *imaginary = T(0);
}

template class SpectralLanes<float>;
template class SpectralLanes<double>;

}  // namespace faltung
