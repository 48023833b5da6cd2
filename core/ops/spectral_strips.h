// Layout two: one pair of blocks at a time (one block of complex data), its own points in the lanes.
//
//   strips   `lanes` columns of the last axis at once: loaded, transformed along every other axis, transposed into Z
//   lines    `lanes` frequencies of the other axes at once: transformed along the last axis, multiplied, transformed back
//   strips   transposed out of Z, transformed back along the other axes, stored
//
// Rows are the points of all axes but the last. Long blocks along a single axis are folded into rows as well (four-step): point
// n1 * columns + n2 stands in row n1, column n2, and between the two transforms frequency k1 of column n2 is twisted by
// exp(-2 pi i k1 n2 / points).
#pragma once
#include "core/ops/fourier.h"
#include "core/ops/spectral_engine.h"

namespace faltung {

template <class T>
class SpectralStrips final : public SpectralEngine<T> {
 public:
  // `fold`: into how many rows the points of a single axis are folded, or 0.
  SpectralStrips(const SpectralBasis<T>& basis, int64_t fold);

  std::string name() const override {
    return std::string(b_.table.name) + (folded_ ? " four-step" : " block");
  }
  int64_t units() const override { return (b_.grid.items() + halves() - 1) / halves(); }
  size_t spectrum_bytes() const override { return size_t(groups_ * columns_ * pair()) * sizeof(T); }
  size_t workspace_bytes() const override {
    return size_t(block_numbers() + strip_numbers() + panel_numbers() + 3 * pair()) * sizeof(T);
  }
  size_t member_bytes() const override {
    return rows_ * columns_ < kLeastShared ? 0 : workspace_bytes() - size_t(block_numbers()) * sizeof(T);
  }
  void prepare(SpectralWorkspace<T>& w, SpectralWorkspace<T>& lead) const override;
  void transform_kernels(const std::vector<Taps<T>>& taps, T* spectrum,
                         const SpectralTeam<T>& team) const override;
  void run(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
           const SpectralTeam<T>& team) const override;

 private:
  static constexpr int64_t kLeastShared = 1 << 14;  // points of a block that several threads share

  struct Buffers {
    T* z;      // groups of lines, one after the other
    T* strip;  // pairs, row by row
    T* panel;  // columns of several strips on their way from or to an array that is read otherwise
    T *zeros, *waste, *row;  // a pair's numbers to read, to write, and for one row
  };
  Buffers buffers(SpectralWorkspace<T>& w) const;
  int64_t pair() const { return 2 * lanes_; }
  int64_t halves() const { return parts_ == 1 ? 2 : 1; }
  // Where column x stands in a group: long lines have gaps.
  int64_t column(int64_t x, int64_t gap) const { return (x + x / line_.run() * gap) * pair(); }
  int64_t block_numbers() const { return groups_ * group_pitch_ * pair(); }
  int64_t strip_numbers() const { return strip_pairs_ * pair(); }
  int64_t strips() const { return (columns_ + lanes_ - 1) / lanes_; }
  int64_t panel_width() const { return panel_strips_ * lanes_; }
  int64_t panel_numbers() const { return halves() * rows_ * panel_width() * parts_; }

  // ---- spectral_strips.cpp: transforms of strips and their way into lines ----
  void fold_tables();
  void twist(int64_t x, T* strip, bool back) const;
  template <class F>
  void for_lines(size_t along, const int64_t* limits, F f) const;
  template <class F>
  void walk_lines(size_t axis, int64_t at, size_t along, const int64_t* limits, F f) const;
  void strip_forward(int64_t x, T* strip) const;
  void strip_inverse(int64_t x, const int64_t* results, T* strip) const;
  void strip_to_lines(int64_t x, T* z, int64_t pitch, int64_t gap, const Buffers& m) const;
  void lines_to_strip(int64_t x, const T* z, const Buffers& m) const;
  void scale_half(T* half, int exponent) const;
  static void hand_out(const SpectralTeam<T>& team);

  // ---- spectral_strips_load.cpp ----
  void place(int64_t unit, int64_t kernel, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const;
  void set_lines(int64_t s, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const;
  void set_rows(int64_t s, SpectralWorkspace<T>& w) const;
  bool reads_in_place(int64_t s, int64_t x, const SpectralWorkspace<T>& w) const;
  bool none_needed(int64_t x, const SpectralWorkspace<T>& w) const;
  void load(const SpectralTeam<T>& team) const;
  void load_once(const SpectralTeam<T>& team) const;
  void load_strips(int64_t begin, int64_t end, SpectralWorkspace<T>& w) const;
  bool find_spikes(SpectralWorkspace<T>& w) const;
  void load_half(int64_t s, int64_t x, const Buffers& m, SpectralWorkspace<T>& w) const;
  void fill_panel(int64_t s, int64_t x, SpectralWorkspace<T>& w) const;
  void lift(T* half, int64_t s, int64_t x, SpectralWorkspace<T>& w) const;

  // ---- spectral_strips_store.cpp ----
  void store(const KernelSet<T>& kernels, const SpectralArrays& arrays, const SpectralTeam<T>& team) const;
  void aim(int64_t s, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const;
  void resize_results(const Slot<T>& slot, int64_t s, const KernelSet<T>& kernels, T* strip) const;
  void repair(const Lifted<T>& x, int64_t first, const KernelSet<T>& kernels, T* strip) const;
  void store_half(int64_t s, int64_t x, const Buffers& m, SpectralWorkspace<T>& w) const;

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
      row_at_;  // pairs between points of a leading axis; numbers to a row's pair in a strip
  int64_t strip_pairs_, groups_, group_pitch_, gap_, row_gap_, panel_strips_;
  std::vector<T> across_, base_;  // twists

  // Columns that lie side by side in the arrays as T, or as float where T is double.
  typename SpectralColumns<T>::Take take_ = nullptr, take_panel_;
  typename SpectralColumns<T>::Give give_ = nullptr;
  int64_t in_size_, out_size_;                      // bytes of a sample, of a result
  std::vector<std::byte> zero_row_, constant_row_;  // as the array would hold them
};

}  // namespace faltung
