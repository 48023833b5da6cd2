// Layout one, along a line: every lane holds a pair of blocks (one block of complex data), so that no transform shuffles. The
// lanes are neighbouring blocks of a line and then the batch's next lines; where the batch lies side by side in memory (channels
// last) they are channels, and samples come and go without a transpose.
#pragma once
#include <algorithm>

#include "core/ops/fourier.h"
#include "core/ops/spectral_engine.h"

namespace faltung {

template <class T>
class SpectralLanes final : public SpectralEngine<T> {
 public:
  explicit SpectralLanes(const SpectralBasis<T>& basis);

  std::string name() const override {
    return std::string(b_.table.name) + (across_ ? " channels" : " lanes");
  }
  int64_t kernels_at_once() const override { return own_kernels_ ? lanes_ : 1; }
  int64_t units() const override;
  size_t workspace_bytes() const override {
    return size_t(z_numbers() + panel_numbers() + kPiece * parts_) * sizeof(T);
  }
  size_t spectrum_bytes() const override { return size_t(2 * line_.points * kernels_at_once()) * sizeof(T); }
  void prepare(SpectralWorkspace<T>& w, SpectralWorkspace<T>& lead) const override;
  void transform_kernels(const std::vector<Taps<T>>& taps, T* spectrum,
                         const SpectralTeam<T>& team) const override;
  void run(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
           const SpectralTeam<T>& team) const override;

 private:
  // Points that are loaded or stored at once: they stay in L1. A piece lies inside a run of the transform.
  static constexpr int64_t kPiece = 128;
  struct Measures {
    alignas(64) T largest[2 * kMostLanes] = {};
    alignas(64) T squares[2 * kMostLanes] = {};
    T of(int64_t slot, int64_t lanes, int64_t parts) const {
      return parts == 1 ? largest[slot] : std::max(largest[slot], largest[lanes + slot]);
    }
  };

  int64_t pair() const { return 2 * lanes_; }
  // Where a point's pair stands: lines longer than a run have gaps.
  int64_t at(int64_t point) const { return (point + point / fourier_.run() * gap_) * pair(); }
  int64_t pairs(int64_t points) const { return points == 0 ? 0 : at(points - 1) / pair() + 1; }
  int64_t z_numbers() const { return pairs(line_.points) * pair(); }
  int64_t panel_numbers() const { return kPiece * slots_ * parts_; }
  int64_t piece(int64_t begin, int64_t end) const {
    const int64_t run = fourier_.run();
    return std::min({kPiece, end - begin, run - begin % run});
  }

  // A slot is a lane of the real or, with real data, of the imaginary half.
  int64_t lane(int64_t slot) const { return slot % lanes_; }
  int64_t half(int64_t slot) const { return slot / lanes_; }
  int64_t halves() const { return slots_ / lanes_; }

  // ---- spectral_lanes.cpp ----
  bool wants_own_kernels() const;
  void place(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
             SpectralWorkspace<T>& w) const;
  const char* line_of(const BlockItem& item, const char* in) const;
  void choose_exponents(T* z, SpectralWorkspace<T>& w) const;
  template <class Exponent>
  void scale(T* z, int64_t points, const SpectralWorkspace<T>& w, Exponent exponent, bool clear_zeros) const;

  // ---- spectral_lanes_load.cpp ----
  void load(T* z, SpectralWorkspace<T>& w) const;
  void load_rows(T* z, int64_t c, int64_t n, T* panel, SpectralWorkspace<T>& w) const;
  void load_across(T* z, int64_t c, int64_t n, T* panel, SpectralWorkspace<T>& w) const;
  void measure(const T* z, int64_t n, Measures& m, SpectralWorkspace<T>& w) const;
  void lift_spikes(T* z, SpectralWorkspace<T>& w) const;
  void lift(T* z, int64_t s, int64_t begin, int64_t end, SpectralWorkspace<T>& w) const;

  // ---- spectral_lanes_store.cpp ----
  void repair(T* z, const Lifted<T>& x, const KernelSet<T>& kernels, SpectralWorkspace<T>& w) const;
  void store(T* z, const SpectralArrays& arrays, SpectralWorkspace<T>& w) const;
  void store_rows(const T* z, int64_t o, int64_t n, T* panel, const SpectralArrays& arrays,
                  SpectralWorkspace<T>& w) const;
  void store_across(const T* z, int64_t o, int64_t n, T* panel, const SpectralArrays& arrays,
                    SpectralWorkspace<T>& w) const;
  char* output_of(const BlockItem& item, char* out) const;

  SpectralBasis<T> b_;
  BlockAxis line_;
  RowReader<T> reader_;
  RowWriter<T> writer_;
  Fourier<T> fourier_;
  int64_t lanes_, parts_, slots_, gap_;
  bool own_kernels_ = false;                  // a kernel for each lane; else the lanes share one
  bool by_channel_ = false, across_ = false;  // lanes are channels; and they lie side by side in memory
  int64_t channel_groups_ = 1;
  typename SpectralColumns<T>::Take take_ = nullptr,
                                    take_panel_;  // samples of neighbouring channels; null: not in place
  typename SpectralColumns<T>::Give give_ = nullptr;
  std::vector<std::byte> zero_row_, constant_row_;  // a sample of each slot, as the array would hold them
};

}  // namespace faltung
