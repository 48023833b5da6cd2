// Lanes into results: repaired, strided, converted.
#include <algorithm>

#include "core/ops/spectral_lanes.h"

namespace faltung {

// Adds the products of one sample to every result whose window holds it.
template <class T>
void SpectralLanes<T>::repair(T* z, const Lifted<T>& x, const KernelSet<T>& kernels,
                              SpectralWorkspace<T>& w) const {
  const Slot<T>& slot = w.slots[size_t(x.slot)];
  if (slot.direct) return;
  const bool complex_kernel = b_.grid.problem.complex_kernel;
  const int64_t results = slot.item.spans.back().results;
  for (int64_t t = 0; t < line_.axis.taps; ++t) {
    const int64_t j = x.column - t * line_.axis.dilation;
    if (j < 0 || j >= results) continue;
    T* y = z + at(j) + x.slot;
    add_product(x, kernels.taps[size_t(slot.kernel)].values.data() + t * (complex_kernel ? 2 : 1),
                complex_kernel, *y, parts_ == 2 ? y + lanes_ : nullptr);
  }
}

template <class T>
void SpectralLanes<T>::store(T* z, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
  int64_t outputs = 0;
  bool all = true;
  for (const Slot<T>& s : w.slots) {
    if (!s.present) continue;
    outputs = std::max(outputs, s.item.spans.back().outputs);
    all &= !s.direct;
  }
  if (line_.axis.stride > 1)
    for (int64_t o = 1; o < outputs; ++o) std::copy_n(z + at(o * line_.axis.stride), pair(), z + at(o));
  T* panel = z + z_numbers();
  for (int64_t o = 0, n; o < outputs; o += n) {
    n = piece(o, outputs);
    if (across_ && all)
      store_across(z + at(o), o, n, panel, arrays, w);
    else
      store_rows(z + at(o), o, n, panel, arrays, w);
  }
}

template <class T>
char* SpectralLanes<T>::output_of(const BlockItem& item, char* out) const {
  out += item.out;
  for (size_t a = 0; a < b_.grid.axes.size(); ++a) out += item.spans[a].first * b_.grid.axes[a].axis.out_step;
  return out;
}

template <class T>
void SpectralLanes<T>::store_rows(const T* z, int64_t o, int64_t n, T* panel, const SpectralArrays& arrays,
                                  SpectralWorkspace<T>& w) const {
  T* to[kMostLanes];
  for (int64_t h = 0; h < halves(); ++h) {
    const auto slot_of = [&](int64_t l) -> const Slot<T>& { return w.slots[size_t(h * lanes_ + l)]; };
    const auto usable = [&](const Slot<T>& s) {
      return s.present && !s.direct ? std::clamp<int64_t>(s.item.spans.back().outputs - o, 0, n) : 0;
    };
    const auto target = [&](const Slot<T>& s) { return writer_.at(output_of(s.item, arrays.out), o); };
    for (int64_t l = 0; l < lanes_; ++l) {
      const Slot<T>& s = slot_of(l);
      to[l] = writer_.in_place() && usable(s) == n ? reinterpret_cast<T*>(target(s))
                                                   : panel + l * kPiece * parts_;
    }
    if (parts_ == 1)
      b_.table.scatter(z + h * lanes_, pair(), n, to);
    else
      b_.table.scatter(z, lanes_, 2 * n, to);
    for (int64_t l = 0; l < lanes_; ++l) {
      const Slot<T>& s = slot_of(l);
      if (to[l] == panel + l * kPiece * parts_ && usable(s) > 0)
        w.reported |= writer_.write(to[l], usable(s), target(s));
    }
  }
}

template <class T>
void SpectralLanes<T>::store_across(const T* z, int64_t o, int64_t n, T* panel, const SpectralArrays& arrays,
                                    SpectralWorkspace<T>& w) const {
  int64_t channels = 0;
  for (const Slot<T>& s : w.slots) channels += s.present;
  char* out = output_of(w.slots[0].item, arrays.out);
  if (give_ && channels == slots_) {
    char* rows[kPiece];
    int64_t places[kPiece];
    for (int64_t i = 0; i < n; ++i) {
      rows[i] = writer_.at(out, o + i);
      places[i] = i * pair();
    }
    const int64_t beside = lanes_ * parts_ * kItemSize[int(b_.grid.problem.out)];
    for (int64_t h = 0; h < halves(); ++h) give_(z + h * lanes_, places, n, rows, h * beside);
    return;
  }
  for (int64_t i = 0; i < n; ++i, z += pair()) {
    const T* from = z;
    if (parts_ == 2) {
      for (int64_t l = 0; l < channels; ++l) panel[2 * l] = z[l], panel[2 * l + 1] = z[lanes_ + l];
      from = panel;
    }
    w.reported |= writer_.write_across(from, channels, writer_.at(out, o + i));
  }
}

template class SpectralLanes<float>;
template class SpectralLanes<double>;

}  // namespace faltung
