// Samples into lanes, boundaries and conversions included, measured on the way.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/ops/spectral_lanes.h"

namespace faltung {

template <class T>
void SpectralLanes<T>::load(T* z, SpectralWorkspace<T>& w) const {
  T* panel = z + z_numbers();
  w.pieces.clear();
  for (int64_t c = 0, n; c < line_.points; c += n) {
    n = piece(c, line_.points);
    across_ ? load_across(z, c, n, panel, w) : load_rows(z, c, n, panel, w);
    Measures m;
    const size_t pieces = w.pieces.size();
    measure(z + at(c), n, m, w);
    bool lifted = false;
    for (int64_t s = 0; s < slots_; ++s)
      if (!(m.of(s, lanes_, parts_) < w.slots[size_t(s)].limit)) {
        lift(z, s, c, c + n, w);
        lifted = true;
      }
    if (lifted) {
      m = Measures();
      w.pieces.resize(pieces);
      measure(z + at(c), n, m, w);
    }
    for (int64_t s = 0; s < slots_; ++s) {
      T& largest = w.slots[size_t(s)].largest;
      largest = std::max(largest, m.of(s, lanes_, parts_));
    }
  }
  if (b_.local) lift_spikes(z, w);
}

// Measures n points; where spikes are looked for, in about 32 pieces of the line.
template <class T>
void SpectralLanes<T>::measure(const T* z, int64_t n, Measures& m, SpectralWorkspace<T>& w) const {
  const int64_t length = b_.local ? std::max<int64_t>(4, line_.points / 32) : n;
  for (int64_t i = 0; i < n; i += length, z += length * pair()) {
    std::fill_n(m.squares, pair(), T(0));
    for (int64_t h = 0; h < 2; ++h)
      b_.table.measure(z + h * lanes_, pair(), std::min(length, n - i), m.largest + h * lanes_,
                       m.squares + h * lanes_);
    if (b_.local) w.pieces.insert(w.pieces.end(), m.squares, m.squares + pair());
  }
}

// Takes out of a slot what is not below its limit.
template <class T>
void SpectralLanes<T>::lift(T* z, int64_t s, int64_t begin, int64_t end, SpectralWorkspace<T>& w) const {
  Slot<T>& slot = w.slots[size_t(s)];
  const int64_t most = most_lifted(slot.item);
  for (int64_t i = begin; i < end; ++i) {
    T* re = z + at(i) + s;
    T* im = parts_ == 2 ? re + lanes_ : nullptr;
    if (std::abs(*re) < slot.limit && (!im || std::abs(*im) < slot.limit)) continue;
    if (slot.lifted < most) w.lifted.push_back({s, 0, i, *re, im ? *im : T(0)});
    if (++slot.lifted > most) slot.direct = true;
    *re = T(0);
    if (im) *im = T(0);
  }
}

template <class T>
void SpectralLanes<T>::lift_spikes(T* z, SpectralWorkspace<T>& w) const {
  const int64_t pieces = int64_t(w.pieces.size()) / pair();
  for (int64_t s = 0; s < slots_; ++s) {
    Slot<T>& slot = w.slots[size_t(s)];
    slot.limit =
        spike_limit(w.pieces.data() + s, pieces, pair(), double(line_.points) / double(pieces), slot.largest);
    if (slot.largest < slot.limit) continue;
    lift(z, s, 0, line_.points, w);
    slot.largest = 0;
    for (int64_t i = 0; i < line_.points; ++i)
      for (int64_t part = 0; part < parts_; ++part)
        slot.largest = std::max(slot.largest, std::abs(z[at(i) + s + part * lanes_]));
  }
}

// A row for every lane, transposed.
template <class T>
void SpectralLanes<T>::load_rows(T* z, int64_t c, int64_t n, T* panel, SpectralWorkspace<T>& w) const {
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
}

// Lanes are channels: all slots share a block, and a sample of each lies side by side.
template <class T>
void SpectralLanes<T>::load_across(T* z, int64_t c, int64_t n, T* panel, SpectralWorkspace<T>& w) const {
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
  T unused[2 * kMostLanes] = {};
  for (int64_t h = 0; h < halves(); ++h)
    (in_place ? take_ : take_panel_)(rows, h * beside, places, n, z + h * lanes_, unused,
                                     unused + kMostLanes);
}

template class SpectralLanes<float>;
template class SpectralLanes<double>;

}  // namespace faltung
