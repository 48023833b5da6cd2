// Strips into results: brought back to their size, repaired, converted.
#include <algorithm>

#include "core/ops/spectral_strips.h"

namespace faltung {

template <class T>
void SpectralStrips<T>::store(const KernelSet<T>& kernels, const SpectralArrays& arrays,
                              const SpectralTeam<T>& team) const {
  SpectralWorkspace<T>& lead = team.lead();
  std::vector<int64_t> results(b_.grid.axes.size(), 0);  // of either block
  bool any = false;
  for (int64_t s = 0; s < halves(); ++s) {
    const Slot<T>& slot = lead.slots[size_t(s)];
    if (!slot.present || slot.direct) continue;
    any |= slot.transformed();
    for (size_t a = 0; a < results.size(); ++a) results[a] = std::max(results[a], slot.item.spans[a].results);
    aim(s, arrays, lead);
  }
  hand_out(team);
  const int64_t last = std::min(results.back(), columns_);
  team.share((last + lanes_ - 1) / lanes_, [&](int64_t begin, int64_t end, SpectralWorkspace<T>& w) {
    const Buffers m = buffers(w);
    for (int64_t x = begin * lanes_; x < std::min(end * lanes_, last); x += lanes_) {
      if (any) {
        lines_to_strip(x, m.z, m);
        strip_inverse(x, results.data(), m.strip);
      }
      for (int64_t s = 0; s < halves(); ++s) {
        const Slot<T>& slot = w.slots[size_t(s)];
        if (!slot.present || slot.direct) continue;
        resize_results(slot, s, kernels, m.strip);
        for (const Lifted<T>& sample : lead.lifted)
          if (sample.slot == s) repair(sample, x, kernels, m.strip);
        store_half(s, x, m, w);
      }
    }
  });
}

// Where column 0 of every row goes; null: the row holds no output.
template <class T>
void SpectralStrips<T>::aim(int64_t s, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
  const std::vector<BlockAxis>& axes = b_.grid.axes;
  const BlockItem& item = w.slots[size_t(s)].item;
  char* out = arrays.out + item.out;
  for (size_t a = 0; a < axes.size(); ++a) out += item.spans[a].first * axes[a].axis.out_step;
  char** targets = w.targets.data() + s * rows_;
  if (folded_) {
    for (int64_t y = 0; y < rows_; ++y)
      targets[y] =
          y * columns_ >= item.spans.back().results ? nullptr : out + (give_ ? y * columns_ * out_size_ : 0);
    return;
  }
  targets[0] = out;
  int64_t rows = 1;
  for (size_t a = 0; a + 1 < axes.size(); ++a) {
    // From the rows of the axes before, last first, each in place of the first of its own.
    const int64_t points = axes[a].points, stride = axes[a].axis.stride, step = axes[a].axis.out_step;
    for (int64_t y = rows; y-- > 0;) {
      char* to = targets[y];
      for (int64_t j = points; j-- > 0;)
        targets[y * points + j] =
            to && j < item.spans[a].results && j % stride == 0 ? to + j / stride * step : nullptr;
    }
    rows *= points;
  }
}

template <class T>
void SpectralStrips<T>::resize_results(const Slot<T>& slot, int64_t s, const KernelSet<T>& kernels,
                                       T* strip) const {
  for (int64_t h = 0; h < parts_; ++h) {
    T* half = strip + (s + h) * lanes_;
    if (slot.zero())
      for (int64_t i = 0; i < strip_pairs_; ++i) std::fill_n(half + i * pair(), lanes_, T(0));
    else if (result_exponent(slot, kernels) != 0)
      scale_half(half, result_exponent(slot, kernels));
  }
}

// Adds the products of one sample to the strip's results whose windows hold it.
template <class T>
void SpectralStrips<T>::repair(const Lifted<T>& x, int64_t first, const KernelSet<T>& kernels,
                               T* strip) const {
  const std::vector<BlockAxis>& axes = b_.grid.axes;
  const bool complex_kernel = b_.grid.problem.complex_kernel;
  const int64_t leading = b_.grid.problem.taps() / axis_.axis.taps, parts = complex_kernel ? 2 : 1;
  for (int64_t outer = 0; outer < leading; ++outer) {
    int64_t tap = outer, row = x.row, y = 0, size = 1;
    bool inside = true;
    for (size_t a = axes.size() - 1; a-- > 0 && !folded_;) {
      const int64_t j = row % axes[a].points - tap % axes[a].axis.taps * axes[a].axis.dilation;
      inside &= j >= 0;
      y += j * size;
      size *= axes[a].points;
      row /= axes[a].points;
      tap /= axes[a].axis.taps;
    }
    if (!inside) continue;
    const T* taps = kernels.taps[0].values.data() + outer * axis_.axis.taps * parts;
    const int64_t position = folded_ ? x.row * columns_ + x.column : x.column;
    for (int64_t t = 0; t < axis_.axis.taps; ++t) {
      const int64_t j = position - t * axis_.axis.dilation;
      if (j < 0) break;
      const int64_t column = j % columns_;
      if (column < first || column >= first + lanes_) continue;
      T* to = strip + row_at_[size_t(folded_ ? j / columns_ : y)] + x.slot * lanes_ + column - first;
      add_product(x, taps + t * parts, complex_kernel, *to, parts_ == 2 ? to + lanes_ : nullptr);
    }
  }
}

template <class T>
void SpectralStrips<T>::store_half(int64_t s, int64_t x, const Buffers& m, SpectralWorkspace<T>& w) const {
  const int64_t results = w.slots[size_t(s)].item.spans.back().results, stride = axis_.axis.stride;
  char* const* targets = w.lead->targets.data() + s * rows_;
  const T* half = m.strip + s * lanes_;
  int64_t done = 0;
  if (give_ && x + lanes_ <= (folded_ ? columns_ : results)) {
    // A folded line ends in a row; what it leaves of the strip is stored alone.
    done = !folded_ ? rows_ : results < x + lanes_ ? 0 : (results - x - lanes_) / columns_ + 1;
    give_(half, row_at_.data(), done, targets, x * out_size_);
  }
  for (int64_t y = done; y < rows_; ++y) {
    if (!targets[y]) continue;
    const int64_t before = folded_ ? y * columns_ : 0, position = before + x;
    const int64_t usable = std::min({lanes_, columns_ - x, results - position});
    const int64_t skip = (stride - position % stride) % stride;
    if (skip >= usable) continue;
    const T* from = half + row_at_[size_t(y)];
    const int64_t outputs = (usable - skip + stride - 1) / stride;
    if (stride > 1 || parts_ == 2) {
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t part = 0; part < parts_; ++part)
          m.row[o * parts_ + part] = from[part * lanes_ + skip + o * stride];
      from = m.row;
    }
    w.reported |=
        writer_.write(from, outputs, writer_.at(targets[y], give_ ? x : (position + skip) / stride));
  }
}

template class SpectralStrips<float>;
template class SpectralStrips<double>;

}  // namespace faltung
