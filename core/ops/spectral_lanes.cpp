#include "core/ops/spectral_lanes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace faltung {

template <class T>
SpectralLanes<T>::SpectralLanes(const SpectralBasis<T>& basis)
    : b_(basis),
      line_(b_.grid.axes.back()),
      reader_(b_.grid.problem, line_.axis, b_.convert),
      writer_(b_.grid.problem, line_.axis, b_.convert),
      fourier_(line_.points, b_.table.radix),
      lanes_(b_.table.lanes),
      parts_(b_.grid.problem.parts()),
      slots_(b_.slots()),
      gap_(fourier_.gap()) {
  own_kernels_ = wants_own_kernels();
  if (own_kernels_) return;
  b_.grid.split_channels(lanes_);
  by_channel_ = b_.grid.channels > 1;
  across_ = b_.grid.channels_touch;
  channel_groups_ = (b_.grid.channels + slots_ - 1) / slots_;
  if (!across_) return;
  const Problem& p = b_.grid.problem;
  const SpectralColumns<T> columns(p, b_.table);
  take_ = columns.take, take_panel_ = columns.take_panel, give_ = columns.give;
  fill_rows(p, slots_, zero_row_, constant_row_);
}

// Whether few blocks of many kernels fill the lanes better than the blocks of one. A set of kernels is transformed together, at
// about half the cost of its first blocks, and its spectra are as large as what they multiply.
template <class T>
bool SpectralLanes<T>::wants_own_kernels() const {
  constexpr double kSpectrum = 0.5, kLarge = 1.15;
  const auto groups = [](int64_t n, int64_t size) { return double((n + size - 1) / size); };
  const int64_t kernels = b_.grid.kernels, items = b_.grid.items();
  return groups(kernels, lanes_) * (kSpectrum + kLarge * groups(items, halves())) <
         double(kernels) * (kSpectrum + groups(items, slots_));
}

template <class T>
int64_t SpectralLanes<T>::units() const {
  if (own_kernels_) return (b_.grid.items() + halves() - 1) / halves();
  return by_channel_ ? b_.grid.items() * channel_groups_ : (b_.grid.items() + slots_ - 1) / slots_;
}

template <class T>
void SpectralLanes<T>::prepare(SpectralWorkspace<T>& w, SpectralWorkspace<T>&) const {
  w.lead = &w;
  w.memory.reserve(workspace_bytes());
  w.slots.resize(size_t(slots_));
  w.lines.resize(size_t(slots_));
  T* z = static_cast<T*>(w.memory.data());
  // Gaps are measured and scaled with the rest; the last piece of the workspace is a row of zeros.
  const int64_t run = fourier_.run();
  for (int64_t i = run; i < line_.points; i += run) std::fill(z + at(i) - gap_ * pair(), z + at(i), T(0));
  std::fill_n(z + z_numbers() + panel_numbers(), kPiece * parts_, T(0));
}

template <class T>
void SpectralLanes<T>::transform_kernels(const std::vector<Taps<T>>& taps, T* spectrum,
                                         const SpectralTeam<T>& team) const {
  T* z = static_cast<T*>(team.lead().memory.data());
  std::fill(z, z + z_numbers(), T(0));
  const int64_t parts = b_.grid.problem.complex_kernel ? 2 : 1;
  for (size_t k = 0; k < taps.size(); ++k)
    for_each_tap(b_.grid, [&](int64_t tap, int64_t position) {
      for (int64_t part = 0; part < parts; ++part)
        z[at(position) + part * lanes_ + int64_t(k)] =
            T(std::ldexp(taps[k].values[size_t(tap * parts + part)], taps[k].exponent) / T(line_.points));
    });
  b_.table.forward(z, 1, fourier_.stages(gap_));
  for (int64_t i = 0; i < line_.points; ++i) {
    if (own_kernels_) {
      std::copy_n(z + at(i), pair(), spectrum + i * pair());
    } else {
      spectrum[2 * i] = z[at(i)];
      spectrum[2 * i + 1] = z[at(i) + lanes_];
    }
  }
}

template <class T>
void SpectralLanes<T>::run(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
                           const SpectralTeam<T>& team) const {
  SpectralWorkspace<T>& w = team.lead();
  T* z = static_cast<T*>(w.memory.data());
  place(unit, kernels, arrays, w);
  load(z, w);
  bool any = false;
  int64_t results = 0;
  for (const Slot<T>& s : w.slots) {
    if (!s.present) continue;
    any |= !s.zero() || s.lifted > 0;
    results = std::max(results, s.item.spans.back().results);
  }
  if (any) {
    choose_exponents(z, w);
    b_.table.convolve(z, 1, fourier_.stages(gap_), kernels.spectrum, own_kernels_);
    scale(z, results, w, [&](const Slot<T>& s) { return result_exponent(s, kernels); }, true);
    for (const Lifted<T>& x : w.lifted) repair(z, x, kernels, w);
  }
  store(z, arrays, w);
}

// ---- which blocks, and how large they are ----

template <class T>
void SpectralLanes<T>::place(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
                             SpectralWorkspace<T>& w) const {
  const BlockGrid& g = b_.grid;
  w.lifted.clear();
  for (int64_t s = 0; s < slots_; ++s) {
    Slot<T>& slot = w.slots[size_t(s)];
    slot.clear(first_limit<T>(b_.local));
    // Neighbouring blocks share a lane: of one line, they are the likeliest to be alike.
    int64_t item = unit * slots_ + halves() * lane(s) + half(s), channel = 0;
    if (own_kernels_) item = unit * halves() + half(s), slot.kernel = lane(s);
    if (by_channel_) item = unit / channel_groups_, channel = unit % channel_groups_ * slots_ + s;
    slot.present = item < g.items() && channel < g.channels && slot.kernel < int64_t(kernels.taps.size());
    if (!slot.present) continue;
    g.locate(kernels.first + slot.kernel, item, slot.item);
    if (by_channel_) g.move_to_channel(channel, slot.item);
    w.lines[size_t(s)] = line_of(slot.item, arrays.in);
  }
}

// Sample 0 of the line that a block reads; null: the constant.
template <class T>
const char* SpectralLanes<T>::line_of(const BlockItem& item, const char* in) const {
  const char* line = in + item.in;
  for (size_t a = 0; a + 1 < b_.grid.axes.size(); ++a) {
    const ConvAxis& axis = b_.grid.axes[a].axis;
    const int64_t i = boundary_index(item.spans[a].window, axis.in, axis.boundary);
    if (i < 0) return nullptr;
    line += i * axis.in_step;
  }
  return line;
}

template <class T>
void SpectralLanes<T>::choose_exponents(T* z, SpectralWorkspace<T>& w) const {
  for (int64_t l = 0; l < lanes_; ++l) {
    Slot<T>& a = w.slots[size_t(l)];
    if (parts_ == 1)
      balance(a, w.slots[size_t(lanes_ + l)]);
    else
      a.exponent = safe_exponent(a.largest);
  }
  scale(z, line_.points, w, [](const Slot<T>& s) { return s.exponent; }, false);
}

// Multiplies the first `points` points of every slot by 2^exponent(slot).
template <class T>
template <class Exponent>
void SpectralLanes<T>::scale(T* z, int64_t points, const SpectralWorkspace<T>& w, Exponent exponent,
                             bool clear_zeros) const {
  for (int h = 0; h < 2; ++h) {
    int exponents[kMostLanes];
    bool clear[kMostLanes];
    bool some = false;
    for (int64_t l = 0; l < lanes_; ++l) {
      const Slot<T>& slot = w.slots[size_t(parts_ == 1 ? h * lanes_ + l : l)];
      clear[l] = clear_zeros && slot.present && slot.zero();
      exponents[l] = slot.present ? exponent(slot) : 0;
      some |= clear[l] || exponents[l] != 0;
    }
    if (some) scale_lanes(b_.table, z + h * lanes_, pair(), pairs(points), exponents, clear);
  }
}

template <class T>
std::unique_ptr<SpectralEngine<T>> make_lanes_engine(const SpectralBasis<T>& basis) {
  return std::make_unique<SpectralLanes<T>>(basis);
}

template class SpectralLanes<float>;
template class SpectralLanes<double>;
template std::unique_ptr<SpectralEngine<float>> make_lanes_engine(const SpectralBasis<float>&);
template std::unique_ptr<SpectralEngine<double>> make_lanes_engine(const SpectralBasis<double>&);

}  // namespace faltung
