// Layout one, along a line: every lane holds a pair of blocks (one block of complex data), so that no transform shuffles. The
// lanes are neighbouring blocks of a line and then the batch's next lines; where the batch lies side by side in memory (channels
// last) they are channels, and samples come and go without a transpose.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/ops/fourier.h"
#include "core/ops/spectral_engine.h"

namespace faltung {
namespace {

constexpr int64_t kChunk = 128;  // columns that are loaded or stored at once: they stay in L1

template <class T>
class SpectralLanes final : public SpectralEngine<T> {
 public:
  explicit SpectralLanes(const SpectralBasis<T>& basis)
      : b_(basis),
        line_(b_.grid.axes.back()),
        reader_(b_.grid.problem, line_.axis, b_.convert),
        writer_(b_.grid.problem, line_.axis, b_.convert),
        fourier_(line_.points, b_.table.radix),
        lanes_(b_.table.lanes),
        parts_(b_.grid.problem.parts()),
        slots_(b_.slots()) {
    b_.grid.split_channels(lanes_);
    across_ = b_.grid.channels.size > 1;
    channel_groups_ = across_ ? (b_.grid.channels.size + slots_ - 1) / slots_ : 1;
  }

  std::string name() const override {
    return std::string(b_.table.name) + (across_ ? " channels" : " lanes");
  }
  int64_t units() const override {
    return across_ ? b_.grid.items() * channel_groups_ : (b_.grid.items() + slots_ - 1) / slots_;
  }
  size_t workspace_bytes() const override {
    return size_t(z_numbers() + rows_numbers() + kChunk * parts_) * sizeof(T);
  }
  size_t spectrum_bytes() const override { return size_t(2 * line_.points) * sizeof(T); }

  void prepare(SpectralWorkspace<T>& w) const override {
    w.memory.reserve(workspace_bytes());
    w.slots.resize(size_t(slots_));
    std::memset(w.memory.data(), 0, workspace_bytes());
  }

  void transform_kernel(const Taps<T>& taps, T* spectrum, SpectralWorkspace<T>& w) const override {
    T* z = static_cast<T*>(w.memory.data());
    std::fill(z, z + z_numbers(), T(0));
    const int64_t parts = b_.grid.problem.complex_kernel ? 2 : 1;
    for_each_tap(b_.grid, [&](int64_t tap, int64_t position) {
      for (int64_t part = 0; part < parts; ++part)
        z[position * pair() + part * lanes_] =
            T(std::ldexp(taps.values[size_t(tap * parts + part)], taps.exponent) / T(line_.points));
    });
    b_.table.forward(z, 1, fourier_.stages());
    for (int64_t i = 0; i < line_.points; ++i) {
      spectrum[2 * i] = z[i * pair()];
      spectrum[2 * i + 1] = z[i * pair() + lanes_];
    }
  }

  void run(int64_t unit, const KernelSpectrum<T>& kernel, const SpectralArrays& arrays,
           SpectralWorkspace<T>& w) const override {
    T* z = static_cast<T*>(w.memory.data());
    place(unit, kernel.index, arrays, w);
    load(z, w);
    bool any = false;
    for (Slot<T>& s : w.slots) any |= s.present && (!s.zero() || s.broken > 0);
    if (any) {
      choose_exponents(z, w);
      b_.table.convolve(z, 1, fourier_.stages(), kernel.spectrum, false);
      finish(z, kernel, w);
    }
    store(z, arrays, w);
  }

 private:
  int64_t pair() const { return 2 * lanes_; }
  int64_t z_numbers() const { return line_.points * pair(); }
  int64_t rows_numbers() const { return std::max(lanes_ * kChunk * parts_, kChunk * slots_ * parts_); }

  // A slot is a lane of the real or, with real data, of the imaginary half.
  int64_t lane(int64_t slot) const { return slot % lanes_; }
  int64_t half(int64_t slot) const { return slot / lanes_; }

  // ---- which blocks, and where they lie ----

  void place(int64_t unit, int64_t kernel, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
    const BlockGrid& g = b_.grid;
    w.broken.clear();
    w.lines.resize(size_t(slots_));
    for (int64_t s = 0; s < slots_; ++s) {
      Slot<T>& slot = w.slots[size_t(s)];
      slot.direct = false;
      slot.broken = 0;
      slot.exponent = 0;
      slot.largest = 0;
      slot.squares = 0;
      const int64_t channel = unit % channel_groups_ * slots_ + s;
      // Neighbouring blocks share a lane: of one line, they are the likeliest to be alike.
      const int64_t item =
          across_ ? unit / channel_groups_ : unit * slots_ + (parts_ == 1 ? 2 * lane(s) + half(s) : s);
      slot.present = across_ ? channel < g.channels.size : item < g.items();
      if (!slot.present) continue;
      g.locate(kernel, item, slot.item);
      if (across_) {
        slot.item.in += channel * g.channels.in_step;
        slot.item.out += channel * g.channels.out_step;
      }
      w.lines[size_t(s)] = line_of(slot.item, arrays.in);
    }
  }

  // Sample 0 of the line that a block reads; null: the constant.
  const char* line_of(const BlockItem& item, const char* in) const {
    const char* line = in + item.in;
    for (size_t a = 0; a + 1 < b_.grid.axes.size(); ++a) {
      const ConvAxis& axis = b_.grid.axes[a].axis;
      const int64_t i = boundary_index(item.spans[a].window, axis.in, axis.boundary);
      if (i < 0) return nullptr;
      line += i * axis.in_step;
    }
    return line;
  }

  char* output_of(const BlockItem& item, char* out) const {
    for (size_t a = 0; a < b_.grid.axes.size(); ++a)
      out += item.spans[a].first * b_.grid.axes[a].axis.out_step;
    return out + item.out;
  }

  // ---- loading ----

  void load(T* z, SpectralWorkspace<T>& w) const {
    T* rows = z + z_numbers();
    alignas(64) T largest[2 * kMostLanes] = {}, squares[2 * kMostLanes] = {};
    for (int64_t c = 0; c < line_.points; c += kChunk) {
      const int64_t n = std::min(kChunk, line_.points - c);
      across_ ? load_across(z, c, n, rows, w) : load_rows(z, c, n, rows, w);
      measure(z, c, n, largest, squares, w);
    }
    for (int64_t s = 0; s < slots_; ++s) {
      Slot<T>& slot = w.slots[size_t(s)];
      slot.largest = largest[s];
      slot.squares = double(squares[s]);
      if (parts_ == 2) {
        slot.largest = std::max(largest[s], largest[lanes_ + s]);
        slot.squares += double(squares[lanes_ + s]);
      }
    }
  }

  // A row for every lane, transposed.
  void load_rows(T* z, int64_t c, int64_t n, T* rows, SpectralWorkspace<T>& w) const {
    const T* zeros = rows + rows_numbers();
    const T* from[kMostLanes];
    for (int64_t h = 0; h < slots_ / lanes_; ++h) {
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
        T* row = rows + l * kChunk * parts_;
        reader_.read(line, span.window + c, usable, row);
        std::fill(row + usable * parts_, row + n * parts_, T(0));
        from[l] = row;
      }
      if (parts_ == 1)
        b_.table.gather(from, n, z + c * pair() + h * lanes_, pair());
      else
        b_.table.gather(from, 2 * n, z + c * pair(), lanes_);
    }
  }

  // Lanes are channels: all slots share a block, and a sample of each lies side by side.
  void load_across(T* z, int64_t c, int64_t n, T* rows, SpectralWorkspace<T>& w) const {
    const BlockSpan& span = w.slots[0].item.spans.back();
    const char* line = w.lines[0];
    const ConvAxis& axis = line_.axis;
    const int64_t usable = std::clamp<int64_t>(span.needed - c, 0, n);
    int64_t channels = 0;
    for (const Slot<T>& s : w.slots) channels += s.present;
    const int64_t numbers = channels * parts_, item = kItemSize[int(b_.grid.problem.in)];
    const auto load = b_.convert.load[int(b_.grid.problem.in)];
    const bool plain = parts_ == 1 && channels == slots_;
    T* at = z + c * pair();
    if (!plain || usable < n) std::fill(at, at + n * pair(), T(0));
    for (int64_t i = 0; i < usable; ++i, at += pair()) {
      const int64_t from = line ? boundary_index(span.window + c + i, axis.in, axis.boundary) : -1;
      T* row = plain ? at : rows;
      if (from >= 0)
        load(line + from * axis.in_step, {1, numbers, 0, item}, row);
      else
        for (int64_t j = 0; j < numbers; ++j) row[j] = reader_.fill()[j % parts_];
      if (parts_ == 2)
        for (int64_t l = 0; l < channels; ++l) at[l] = row[2 * l], at[lanes_ + l] = row[2 * l + 1];
      else if (!plain)
        std::copy(row, row + numbers, at);
    }
  }

  // Adds a chunk to the measures, and takes out what is not finite.
  void measure(T* z, int64_t c, int64_t n, T* largest, T* squares, SpectralWorkspace<T>& w) const {
    T before[2 * kMostLanes], sums[2 * kMostLanes];
    std::copy(largest, largest + pair(), before);
    std::copy(squares, squares + pair(), sums);
    const auto look = [&] {
      for (int h = 0; h < 2; ++h)
        b_.table.measure(z + c * pair() + h * lanes_, pair(), n, largest + h * lanes_, squares + h * lanes_);
    };
    look();
    bool finite = true;
    for (int64_t l = 0; l < pair(); ++l)
      if (!std::isfinite(largest[l])) finite = false;
    if (finite) return;
    for (int64_t s = 0; s < slots_; ++s) {
      if (std::isfinite(largest[s]) && (parts_ == 1 || std::isfinite(largest[lanes_ + s]))) continue;
      for (int64_t i = c; i < c + n; ++i) take_out(z + i * pair() + s, s, i, w);
    }
    std::copy(before, before + pair(), largest);
    std::copy(sums, sums + pair(), squares);
    look();
  }

  void take_out(T* sample, int64_t s, int64_t column, SpectralWorkspace<T>& w) const {
    T* imaginary = parts_ == 2 ? sample + lanes_ : nullptr;
    if (std::isfinite(*sample) && (!imaginary || std::isfinite(*imaginary))) return;
    Slot<T>& slot = w.slots[size_t(s)];
    if (slot.broken < most_broken(slot.item))
      w.broken.push_back({s, 0, column, *sample, imaginary ? *imaginary : T(0)});
    ++slot.broken;
    if (slot.broken > most_broken(slot.item)) slot.direct = true;
    *sample = T(0);
    if (imaginary) *imaginary = T(0);
  }

  // ---- sizes ----

  void choose_exponents(T* z, SpectralWorkspace<T>& w) const {
    for (int64_t l = 0; l < lanes_; ++l) {
      Slot<T>& a = w.slots[size_t(l)];
      if (parts_ == 1)
        balance(a, w.slots[size_t(lanes_ + l)]);
      else
        a.exponent = safe_exponent(a.largest);
    }
    const bool scaled = scale(z, line_.points, w, [](const Slot<T>& s) { return s.exponent; }, false);
    if (!b_.local) return;
    if (scaled) measure_again(z, w);
    for (Slot<T>& s : w.slots)
      if (s.present && !s.zero() && has_spike(s, s.item.spans.back().needed)) s.direct = true;
  }

  void measure_again(T* z, SpectralWorkspace<T>& w) const {
    T largest[2 * kMostLanes] = {}, squares[2 * kMostLanes] = {};
    for (int h = 0; h < 2; ++h)
      b_.table.measure(z + h * lanes_, pair(), line_.points, largest + h * lanes_, squares + h * lanes_);
    for (int64_t s = 0; s < slots_; ++s) {
      Slot<T>& slot = w.slots[size_t(s)];
      slot.largest = parts_ == 1 ? largest[s] : std::max(largest[s], largest[lanes_ + s]);
      slot.squares = double(squares[s]) + (parts_ == 1 ? 0 : double(squares[lanes_ + s]));
    }
  }

  // Multiplies `points` samples of every slot by 2^exponent(slot); true where any changed.
  template <class Exponent>
  bool scale(T* z, int64_t points, const SpectralWorkspace<T>& w, Exponent exponent, bool clear_zeros) const {
    bool any = false;
    for (int h = 0; h < 2; ++h) {
      int exponents[kMostLanes];
      bool clear[kMostLanes];
      for (int64_t l = 0; l < lanes_; ++l) {
        const Slot<T>& slot = w.slots[size_t(parts_ == 1 ? h * lanes_ + l : l)];
        clear[l] = clear_zeros && slot.present && slot.zero();
        exponents[l] = slot.present ? exponent(slot) : 0;
        any |= clear[l] || exponents[l] != 0;
      }
      if (any) scale_lanes(b_.table, z + h * lanes_, pair(), points, exponents, clear);
    }
    return any;
  }

  // ---- results ----

  void finish(T* z, const KernelSpectrum<T>& kernel, SpectralWorkspace<T>& w) const {
    int64_t results = 0;
    for (const Slot<T>& s : w.slots)
      if (s.present) results = std::max(results, s.item.spans.back().results);
    scale(z, results, w, [&](const Slot<T>& s) { return result_exponent(s, kernel); }, true);
    for (const Broken<T>& x : w.broken) repair(z, x, kernel, w);
  }

  // Adds the products of one sample to every result whose window holds it.
  void repair(T* z, const Broken<T>& x, const KernelSpectrum<T>& kernel, SpectralWorkspace<T>& w) const {
    const Slot<T>& slot = w.slots[size_t(x.slot)];
    if (slot.direct) return;
    const bool complex_kernel = b_.grid.problem.complex_kernel;
    const int64_t results = slot.item.spans.back().results;
    for (int64_t t = 0; t < line_.axis.taps; ++t) {
      const int64_t j = x.column - t * line_.axis.dilation;
      if (j < 0 || j >= results) continue;
      T* y = z + j * pair() + x.slot;
      add_product(x, kernel.taps.values.data() + t * (complex_kernel ? 2 : 1), complex_kernel, *y,
                  parts_ == 2 ? y + lanes_ : nullptr);
    }
  }

  void store(T* z, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
    int64_t outputs = 0;
    for (const Slot<T>& s : w.slots)
      if (s.present) outputs = std::max(outputs, s.item.spans.back().outputs);
    if (line_.axis.stride > 1)
      for (int64_t o = 1; o < outputs; ++o)
        std::copy_n(z + o * line_.axis.stride * pair(), pair(), z + o * pair());
    T* rows = z + z_numbers();
    const bool all =
        std::none_of(w.slots.begin(), w.slots.end(), [](const Slot<T>& s) { return s.present && s.direct; });
    if (across_ && all) return store_across(z, outputs, rows, arrays, w);
    for (int64_t o = 0; o < outputs; o += kChunk)
      store_rows(z, o, std::min(kChunk, outputs - o), rows, arrays, w);
  }

  void store_rows(const T* z, int64_t o, int64_t n, T* rows, const SpectralArrays& arrays,
                  SpectralWorkspace<T>& w) const {
    T* to[kMostLanes];
    for (int64_t h = 0; h < slots_ / lanes_; ++h) {
      const auto slot_of = [&](int64_t l) -> const Slot<T>& { return w.slots[size_t(h * lanes_ + l)]; };
      const auto usable = [&](const Slot<T>& s) {
        return s.present && !s.direct ? std::clamp<int64_t>(s.item.spans.back().outputs - o, 0, n) : 0;
      };
      const auto place = [&](const Slot<T>& s) { return writer_.at(output_of(s.item, arrays.out), o); };
      for (int64_t l = 0; l < lanes_; ++l) {
        const Slot<T>& s = slot_of(l);
        to[l] = writer_.in_place() && usable(s) == n ? reinterpret_cast<T*>(place(s))
                                                     : rows + l * kChunk * parts_;
      }
      if (parts_ == 1)
        b_.table.scatter(z + o * pair() + h * lanes_, pair(), n, to);
      else
        b_.table.scatter(z + o * pair(), lanes_, 2 * n, to);
      for (int64_t l = 0; l < lanes_; ++l) {
        const Slot<T>& s = slot_of(l);
        if (to[l] == rows + l * kChunk * parts_ && usable(s) > 0)
          w.reported |= writer_.write(to[l], usable(s), place(s));
      }
    }
  }

  void store_across(const T* z, int64_t outputs, T* row, const SpectralArrays& arrays,
                    SpectralWorkspace<T>& w) const {
    int64_t channels = 0;
    for (const Slot<T>& s : w.slots) channels += s.present;
    char* out = output_of(w.slots[0].item, arrays.out);
    for (int64_t o = 0; o < outputs; ++o, z += pair()) {
      const T* from = z;
      if (parts_ == 2) {
        for (int64_t l = 0; l < channels; ++l) row[2 * l] = z[l], row[2 * l + 1] = z[lanes_ + l];
        from = row;
      }
      w.reported |= writer_.write_across(from, channels, writer_.at(out, o));
    }
  }

  SpectralBasis<T> b_;
  BlockAxis line_;
  RowReader<T> reader_;
  RowWriter<T> writer_;
  Fourier<T> fourier_;
  int64_t lanes_, parts_, slots_;
  bool across_ = false;
  int64_t channel_groups_ = 1;
};

}  // namespace

template <class T>
std::unique_ptr<SpectralEngine<T>> make_lanes_engine(const SpectralBasis<T>& basis) {
  return std::make_unique<SpectralLanes<T>>(basis);
}
template std::unique_ptr<SpectralEngine<float>> make_lanes_engine(const SpectralBasis<float>&);
template std::unique_ptr<SpectralEngine<double>> make_lanes_engine(const SpectralBasis<double>&);

}  // namespace faltung
