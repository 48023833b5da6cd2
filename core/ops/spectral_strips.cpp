// Layout two: one pair of blocks at a time (one block of complex data), its own points in the lanes.
//
//   strips   `lanes` columns of the last axis at once: loaded, transformed along every other axis, transposed into Z
//   lines    `lanes` frequencies of the other axes at once: transformed along the last axis, multiplied, transformed back
//   strips   transposed out of Z, transformed back along the other axes, stored
//
// Rows are the points of all axes but the last. Long blocks along a single axis are folded into rows as well (four-step): point
// n1 * columns + n2 stands in row n1, column n2, and between the two transforms frequency k1 of column n2 is twisted by
// exp(-2 pi i k1 n2 / points).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/ops/fourier.h"
#include "core/ops/spectral_engine.h"

namespace faltung {
namespace {

constexpr int64_t kPage = 4096;  // bytes that share a cache set of L1

template <class T>
class SpectralStrips final : public SpectralEngine<T> {
 public:
  SpectralStrips(const SpectralBasis<T>& basis, int64_t fold)
      : b_(basis),
        axis_(b_.grid.axes.back()),
        reader_(b_.grid.problem, axis_.axis, b_.convert),
        writer_(b_.grid.problem, axis_.axis, b_.convert),
        folded_(fold > 0),
        rows_(folded_ ? fold : b_.grid.points() / axis_.points),
        columns_(folded_ ? axis_.points / fold : axis_.points),
        line_(columns_, b_.table.radix),
        lanes_(b_.table.lanes),
        parts_(b_.grid.problem.parts()) {
    std::vector<int64_t> points;
    if (folded_)
      points.push_back(fold);
    else
      for (size_t a = 0; a + 1 < b_.grid.axes.size(); ++a) points.push_back(b_.grid.axes[a].points);
    for (const int64_t n : points) leading_.emplace_back(n, b_.table.radix);
    pitch_.assign(points.size(), 1);
    int64_t pairs = 1;
    for (size_t a = points.size(); a-- > 0;) {
      pitch_[a] = pairs;
      pairs *= points[a];
      if (a > 0) pairs |= 1;  // strides that share few cache sets
    }
    strip_pairs_ = pairs;
    for (int64_t y = 0; y < rows_; ++y) {
      int64_t rest = y, at = 0;
      for (size_t a = points.size(); a-- > 0;) {
        at += rest % points[a] * pitch_[a];
        rest /= points[a];
      }
      row_at_.push_back(at * pair());
    }
    groups_ = (rows_ + lanes_ - 1) / lanes_;
    group_pitch_ = columns_;
    const int64_t page = std::max<int64_t>(1, kPage / (pair() * int64_t(sizeof(T))));
    while (group_pitch_ % page != lanes_ % page) ++group_pitch_;
    if (folded_) twist_tables();
  }

  std::string name() const override {
    return std::string(b_.table.name) + (folded_ ? " four-step" : " block");
  }
  int64_t units() const override { return (b_.grid.items() + halves() - 1) / halves(); }
  size_t spectrum_bytes() const override { return size_t(block_numbers()) * sizeof(T); }
  size_t workspace_bytes() const override {
    return size_t(block_numbers() + strip_numbers() + 3 * pair()) * sizeof(T);
  }

  void prepare(SpectralWorkspace<T>& w) const override {
    w.memory.reserve(workspace_bytes());
    w.slots.resize(size_t(halves()));
    w.lines.resize(size_t(halves() * rows_));
    std::memset(w.memory.data(), 0, workspace_bytes());
  }

  void transform_kernel(const Taps<T>& taps, T* spectrum, SpectralWorkspace<T>& w) const override {
    const Buffers m = buffers(w);
    // The taps' block stands where Z will be.
    const int64_t parts = b_.grid.problem.complex_kernel ? 2 : 1, points = rows_ * columns_;
    std::fill(m.z, m.z + points * parts, T(0));
    std::vector<bool> used(size_t(columns_ / lanes_ + 1));
    for_each_tap(b_.grid, [&](int64_t tap, int64_t position) {
      used[size_t(position % columns_ / lanes_)] = true;
      for (int64_t part = 0; part < parts; ++part)
        m.z[part * points + position] =
            T(std::ldexp(taps.values[size_t(tap * parts + part)], taps.exponent) / T(points));
    });
    std::memset(static_cast<void*>(spectrum), 0, spectrum_bytes());
    for (int64_t x = 0; x < columns_; x += lanes_) {
      if (!used[size_t(x / lanes_)]) continue;
      const int64_t n = std::min(lanes_, columns_ - x);
      std::fill(m.strip, m.strip + strip_numbers(), T(0));
      for (int64_t y = 0; y < rows_; ++y)
        for (int64_t part = 0; part < parts; ++part)
          std::copy_n(m.z + part * points + y * columns_ + x, n,
                      m.strip + row_at_[size_t(y)] + part * lanes_);
      strip_forward(x, m);
      strip_to_lines(x, n, m.strip, spectrum, m);
    }
    for (int64_t g = 0; g < groups_; ++g)
      b_.table.forward(spectrum + g * group_pitch_ * pair(), 1, line_.stages());
  }

  void run(int64_t unit, const KernelSpectrum<T>& kernel, const SpectralArrays& arrays,
           SpectralWorkspace<T>& w) const override {
    const Buffers m = buffers(w);
    place(unit, kernel.index, arrays, w);
    load(m, w);
    bool any = false;
    for (const Slot<T>& s : w.slots) any |= s.transformed();
    for (int64_t g = 0; g < groups_ && any; ++g) {
      const int64_t at = g * group_pitch_ * pair();
      b_.table.convolve(m.z + at, 1, line_.stages(), kernel.spectrum + at, true);
    }
    store(m, kernel, arrays, w);
  }

 private:
  struct Buffers {
    T *z, *strip, *zeros, *waste,
        *row;  // a group of lines after the other; a strip; `lanes` numbers to read, to write
  };
  Buffers buffers(SpectralWorkspace<T>& w) const {
    T* z = static_cast<T*>(w.memory.data());
    T* strip = z + block_numbers();
    T* zeros = strip + strip_numbers();
    return {z, strip, zeros, zeros + pair(), zeros + 2 * pair()};
  }
  int64_t pair() const { return 2 * lanes_; }
  int64_t halves() const { return parts_ == 1 ? 2 : 1; }
  int64_t block_numbers() const { return groups_ * group_pitch_ * pair(); }
  int64_t strip_numbers() const { return strip_pairs_ * pair(); }

  // exp(-2 pi i k1 (x + l) / points) = base[x][k1] * across[k1][l], and their conjugates for the way back.
  void twist_tables() {
    const std::vector<int64_t> order = leading_[0].order();
    const Roots roots(axis_.points);
    for (const int sign : {1, -1}) {
      std::vector<T>& across = across_[sign < 0];
      std::vector<T>& base = base_[sign < 0];
      for (const int64_t k : order) {
        for (const bool imaginary : {false, true})
          for (int64_t l = 0; l < lanes_; ++l) {
            const std::complex<long double> w = roots.at(sign * k * l + (sign < 0 ? axis_.points * l : 0));
            across.push_back(T(imaginary ? w.imag() : w.real()));
          }
      }
      for (int64_t x = 0; x < columns_; x += lanes_)
        for (const int64_t k : order) {
          const std::complex<long double> w = roots.at(k * x);
          base.push_back(T(w.real()));
          base.push_back(T(sign < 0 ? -w.imag() : w.imag()));
        }
    }
  }
  void twist(int64_t x, T* strip, bool back) const {
    b_.table.multiply_lanes(strip, across_[back].data(), rows_);
    b_.table.multiply(strip, base_[back].data() + x / lanes_ * 2 * rows_, rows_);
  }

  // Calls f(start) for every line of the strip along leading axis `a`; the axes before it count up to their limits only.
  template <class F>
  void for_lines(size_t a, const int64_t* limits, F f) const {
    walk_lines(0, 0, a, limits, f);
  }
  template <class F>
  void walk_lines(size_t axis, int64_t at, size_t along, const int64_t* limits, F f) const {
    if (axis == leading_.size()) return f(at * pair());
    if (axis == along) return walk_lines(axis + 1, at, along, limits, f);
    const int64_t n = axis < along ? limits[axis] : leading_[axis].n();
    for (int64_t i = 0; i < n; ++i) walk_lines(axis + 1, at + i * pitch_[axis], along, limits, f);
  }

  void strip_forward(int64_t x, const Buffers& m) const {
    std::vector<int64_t> all;
    for (const Fourier<T>& f : leading_) all.push_back(f.n());
    for (size_t a = leading_.size(); a-- > 0;)
      for_lines(a, all.data(),
                [&](int64_t at) { b_.table.forward(m.strip + at, pitch_[a], leading_[a].stages()); });
    if (folded_) twist(x, m.strip, false);
  }

  // Rows that do not matter are skipped: an axis that is done counts up to its last result.
  void strip_inverse(int64_t x, const int64_t* results, const Buffers& m) const {
    if (folded_) twist(x, m.strip, true);
    for (size_t a = 0; a < leading_.size(); ++a)
      for_lines(a, results,
                [&](int64_t at) { b_.table.inverse(m.strip + at, pitch_[a], leading_[a].stages()); });
  }

  void strip_to_lines(int64_t x, int64_t n, const T* strip, T* z, const Buffers& m) const {
    const T* from[kMostLanes];
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t half = 0; half < 2; ++half) {
        for (int64_t l = 0; l < lanes_; ++l) {
          const int64_t y = g * lanes_ + l;
          from[l] = y < rows_ ? strip + row_at_[size_t(y)] + half * lanes_ : m.zeros;
        }
        b_.table.gather(from, n, z + (g * group_pitch_ + x) * pair() + half * lanes_, pair());
      }
  }
  void lines_to_strip(int64_t x, int64_t n, const T* z, T* strip, const Buffers& m) const {
    T* to[kMostLanes];
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t half = 0; half < 2; ++half) {
        for (int64_t l = 0; l < lanes_; ++l) {
          const int64_t y = g * lanes_ + l;
          to[l] = y < rows_ ? strip + row_at_[size_t(y)] + half * lanes_ : m.waste;
        }
        b_.table.scatter(z + (g * group_pitch_ + x) * pair() + half * lanes_, pair(), n, to);
      }
  }

  // ---- which blocks, and where their rows lie ----

  void place(int64_t unit, int64_t kernel, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
    for (int64_t s = 0; s < halves(); ++s) {
      Slot<T>& slot = w.slots[size_t(s)];
      slot.direct = false;
      slot.exponent = 0;
      const int64_t item = unit * halves() + s;
      slot.present = item < b_.grid.items();
      if (!slot.present) continue;
      b_.grid.locate(kernel, item, slot.item);
      const char** lines = w.lines.data() + s * rows_;
      for (int64_t y = 0; y < rows_; ++y)
        lines[y] = folded_ ? line_of(slot.item, 0, arrays.in) : line_of(slot.item, y, arrays.in);
    }
  }

  // A row of zeros, which is not one of the constant.
  static const char* nothing() {
    static const char mark = 0;
    return &mark;
  }

  const char* line_of(const BlockItem& item, int64_t y, const char* in) const {
    const char* line = in + item.in;
    bool constant = false;
    for (size_t a = b_.grid.axes.size() - 1; a-- > 0;) {
      const BlockAxis& x = b_.grid.axes[a];
      const int64_t position = y % x.points;
      y /= x.points;
      if (position >= item.spans[a].needed) return nothing();
      const int64_t i = boundary_index(item.spans[a].window + position, x.axis.in, x.axis.boundary);
      if (i < 0)
        constant = true;
      else
        line += i * x.axis.in_step;
    }
    return constant ? nullptr : line;
  }

  // ---- loading ----

  // Loads, measures and transforms; once more where it turns out that the blocks want factors.
  void load(const Buffers& m, SpectralWorkspace<T>& w) const {
    for (bool again = false;; again = true) {
      w.broken.clear();
      for (Slot<T>& s : w.slots) s.largest = 0, s.squares = 0, s.broken = 0;
      for (int64_t x = 0; x < columns_; x += lanes_) {
        const int64_t n = std::min(lanes_, columns_ - x);
        for (int64_t s = 0; s < halves(); ++s) load_strip(s, x, n, m, w);
        strip_forward(x, m);
        strip_to_lines(x, n, m.strip, m.z, m);
      }
      if (!again) {
        if (parts_ == 1)
          balance(w.slots[0], w.slots[1]);
        else
          w.slots[0].exponent = safe_exponent(w.slots[0].largest);
        if (std::any_of(w.slots.begin(), w.slots.end(), [](const Slot<T>& s) { return s.exponent != 0; }))
          continue;
      }
      break;
    }
    for (Slot<T>& s : w.slots) {
      int64_t samples = 1;
      if (s.present)
        for (const BlockSpan& span : s.item.spans) samples *= span.needed;
      if (s.present && !s.zero() && b_.local && has_spike(s, samples)) s.direct = true;
    }
  }

  void load_strip(int64_t s, int64_t x, int64_t n, const Buffers& m, SpectralWorkspace<T>& w) const {
    Slot<T>& slot = w.slots[size_t(s)];
    for (int64_t y = 0; y < rows_; ++y) load_row(slot, w.lines[size_t(s * rows_ + y)], s, y, x, n, m);
    T* half = m.strip + s * lanes_;
    if (slot.exponent != 0) scale_half(half, slot.exponent);
    if (parts_ == 2 && slot.exponent != 0) scale_half(half + lanes_, slot.exponent);
    T largest = 0;
    double squares = 0;
    if (!measure(half, largest, squares)) {
      for (int64_t y = 0; y < rows_; ++y)
        for (int64_t l = 0; l < n; ++l)
          take_out(m.strip + row_at_[size_t(y)] + s * lanes_ + l, s, y, x + l, w);
      largest = 0, squares = 0;
      measure(half, largest, squares);
    }
    slot.largest = std::max(slot.largest, largest);
    slot.squares += squares;
  }

  void load_row(const Slot<T>& slot, const char* line, int64_t s, int64_t y, int64_t x, int64_t n,
                const Buffers& m) const {
    T* to = m.strip + row_at_[size_t(y)] + s * lanes_;
    const int64_t before = folded_ ? y * columns_ : 0;
    const BlockSpan* span = slot.present ? &slot.item.spans.back() : nullptr;
    const int64_t usable =
        span && line != nothing() ? std::clamp<int64_t>(span->needed - before - x, 0, n) : 0;
    T* row = parts_ == 1 ? to : m.row;
    const T* from = usable > 0 ? reader_.at(line, span->window + before + x, usable) : nullptr;
    if (from)
      std::copy_n(from, usable * parts_, row);
    else if (usable > 0)
      reader_.read(line, span->window + before + x, usable, row);
    std::fill(row + usable * parts_, row + lanes_ * parts_, T(0));
    if (parts_ == 2)
      for (int64_t l = 0; l < lanes_; ++l) to[l] = row[2 * l], to[lanes_ + l] = row[2 * l + 1];
  }

  void scale_half(T* half, int exponent) const {
    int exponents[kMostLanes];
    const bool clear[kMostLanes] = {};
    std::fill(exponents, exponents + kMostLanes, exponent);
    scale_lanes(b_.table, half, pair(), strip_pairs_, exponents, clear);
  }

  // Of one block's columns in the strip; false where a sample is not finite.
  bool measure(const T* half, T& largest, double& squares) const {
    T most[kMostLanes] = {}, sums[kMostLanes] = {};
    for (int64_t h = 0; h < parts_; ++h)
      b_.table.measure(half + h * lanes_, pair(), strip_pairs_, most, sums);
    for (int64_t l = 0; l < lanes_; ++l) {
      largest = std::max(largest, most[l]);
      squares += double(sums[l]);
    }
    return std::isfinite(largest);
  }

  void take_out(T* sample, int64_t s, int64_t row, int64_t column, SpectralWorkspace<T>& w) const {
    T* imaginary = parts_ == 2 ? sample + lanes_ : nullptr;
    if (std::isfinite(*sample) && (!imaginary || std::isfinite(*imaginary))) return;
    Slot<T>& slot = w.slots[size_t(s)];
    const int shrink = -slot.exponent;
    if (slot.broken < most_broken(slot.item))
      w.broken.push_back(
          {s, row, column, std::ldexp(*sample, shrink), imaginary ? std::ldexp(*imaginary, shrink) : T(0)});
    if (++slot.broken > most_broken(slot.item)) slot.direct = true;
    *sample = T(0);
    if (imaginary) *imaginary = T(0);
  }

  // ---- results ----

  void store(const Buffers& m, const KernelSpectrum<T>& kernel, const SpectralArrays& arrays,
             SpectralWorkspace<T>& w) const {
    std::vector<int64_t> results(b_.grid.axes.size(), 0);
    for (const Slot<T>& s : w.slots)
      for (size_t a = 0; a < results.size() && s.present && !s.direct; ++a)
        results[a] = std::max(results[a], s.item.spans[a].results);
    std::vector<int64_t> limits(results.begin(), results.end() - 1);
    int64_t last = results.back();
    if (folded_) {
      limits = {(last + columns_ - 1) / columns_};
      last = std::min(last, columns_);
    }
    for (int64_t x = 0; x < last; x += lanes_) {
      const int64_t n = std::min(lanes_, columns_ - x);
      bool any = false;
      for (const Slot<T>& s : w.slots) any |= s.transformed();
      if (any) {
        lines_to_strip(x, n, m.z, m.strip, m);
        strip_inverse(x, limits.data(), m);
      }
      for (int64_t s = 0; s < halves(); ++s) {
        Slot<T>& slot = w.slots[size_t(s)];
        if (!slot.present || slot.direct) continue;
        resize_results(slot, s, kernel, m);
        for (const Broken<T>& broken : w.broken)
          if (broken.slot == s) repair(broken, x, n, kernel, m);
        store_strip(slot, s, x, n, limits.data(), arrays, m, w);
      }
    }
  }

  void resize_results(const Slot<T>& slot, int64_t s, const KernelSpectrum<T>& kernel,
                      const Buffers& m) const {
    T* half = m.strip + s * lanes_;
    for (int64_t h = 0; h < parts_; ++h) {
      if (slot.zero()) {
        for (int64_t i = 0; i < strip_pairs_; ++i) std::fill_n(half + h * lanes_ + i * pair(), lanes_, T(0));
      } else if (result_exponent(slot, kernel) != 0) {
        scale_half(half + h * lanes_, result_exponent(slot, kernel));
      }
    }
  }

  // Adds the products of one sample to the strip's results whose windows hold it.
  void repair(const Broken<T>& x, int64_t first, int64_t n, const KernelSpectrum<T>& kernel,
              const Buffers& m) const {
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
      const T* taps = kernel.taps.values.data() + outer * axis_.axis.taps * parts;
      const int64_t position = folded_ ? x.row * columns_ + x.column : x.column;
      for (int64_t t = 0; t < axis_.axis.taps; ++t) {
        const int64_t j = position - t * axis_.axis.dilation;
        if (j < 0) break;
        const int64_t column = j % columns_;
        if (column < first || column >= first + n) continue;
        T* to = m.strip + row_at_[size_t(folded_ ? j / columns_ : y)] + x.slot * lanes_ + column - first;
        add_product(x, taps + t * parts, complex_kernel, *to, parts_ == 2 ? to + lanes_ : nullptr);
      }
    }
  }

  void store_strip(const Slot<T>& slot, int64_t s, int64_t x, int64_t n, const int64_t* limits,
                   const SpectralArrays& arrays, const Buffers& m, SpectralWorkspace<T>& w) const {
    const std::vector<BlockAxis>& axes = b_.grid.axes;
    const BlockSpan& span = slot.item.spans.back();
    char* out = arrays.out + slot.item.out;
    for (size_t a = 0; a < axes.size(); ++a) out += slot.item.spans[a].first * axes[a].axis.out_step;
    (void)limits;
    for (int64_t y = 0; y < rows_; ++y) {
      char* to = out;
      int64_t before = 0;
      if (folded_) {
        before = y * columns_;
      } else {
        int64_t rest = y;
        bool kept = true;
        for (size_t a = axes.size() - 1; a-- > 0;) {
          const int64_t j = rest % axes[a].points;
          rest /= axes[a].points;
          kept &= j < slot.item.spans[a].results && j % axes[a].axis.stride == 0;
          to += j / axes[a].axis.stride * axes[a].axis.out_step;
        }
        if (!kept) continue;
      }
      const int64_t usable = std::min(n, span.results - before - x);
      if (usable <= 0) continue;
      const int64_t stride = axis_.axis.stride, position = before + x;
      const int64_t skip = (stride - position % stride) % stride;
      if (skip >= usable) continue;
      const T* from = m.strip + row_at_[size_t(y)] + s * lanes_;
      const int64_t outputs = (usable - skip + stride - 1) / stride;
      if (stride > 1 || parts_ == 2) {
        for (int64_t o = 0; o < outputs; ++o)
          for (int64_t part = 0; part < parts_; ++part)
            m.row[o * parts_ + part] = from[part * lanes_ + skip + o * stride];
        from = m.row;
      }
      w.reported |= writer_.write(from, outputs, writer_.at(to, (position + skip) / stride));
    }
  }

  SpectralBasis<T> b_;
  BlockAxis axis_;
  RowReader<T> reader_;
  RowWriter<T> writer_;
  bool folded_;
  int64_t rows_, columns_;
  Fourier<T> line_;
  std::vector<Fourier<T>> leading_;
  int64_t lanes_, parts_;
  std::vector<int64_t> pitch_,
      row_at_;  // pairs between points of a leading axis; where rows stand in a strip
  int64_t strip_pairs_, groups_, group_pitch_;
  std::vector<T> across_[2], base_[2];
};

}  // namespace

template <class T>
std::unique_ptr<SpectralEngine<T>> make_strips_engine(const SpectralBasis<T>& basis, int64_t rows) {
  return std::make_unique<SpectralStrips<T>>(basis, rows);
}
template std::unique_ptr<SpectralEngine<float>> make_strips_engine(const SpectralBasis<float>&, int64_t);
template std::unique_ptr<SpectralEngine<double>> make_strips_engine(const SpectralBasis<double>&, int64_t);

}  // namespace faltung
