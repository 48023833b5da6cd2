// The spectral family: complex Fourier transforms of `lanes` signals side by side, and what stands around them.
//
// A lane pair is 2 * lanes numbers: the real parts of one sample of every lane, then the imaginary ones. A line of n samples is
// n lane pairs, `step` pairs apart. Forward transforms decimate in frequency (natural order in, permuted out), inverse ones in
// time (permuted in, natural out, not scaled): a convolution multiplies in permuted order and never reorders anything.
#pragma once
#include <cstdint>

namespace faltung {

// One stage splits transforms of n points into `radix` transforms of n / radix points each.
template <class T>
struct FourierStage {
  int radix;           // 2, 3, 4, 5 or 8
  int64_t n;           // points of every transform of this stage
  const T* twiddles;   // for j < n / radix, m = 1 ... radix - 1: re, im of exp(-2 pi i j m / n); j slowest
};

// A transform of n points: its stages, from n points down to the last radix.
template <class T>
struct FourierStages {
  const FourierStage<T>* stages;
  int count;
  int64_t n;
};

template <class T>
struct SpectralTable {
  const char* name;
  int lanes;
  // One line, in place.
  void (*forward)(T* z, int64_t step, const FourierStages<T>& transform);
  void (*inverse)(T* z, int64_t step, const FourierStages<T>& transform);
  // z[i] *= h[i] for n contiguous pairs: h holds n complex numbers (all lanes share them), or n lane pairs.
  void (*multiply)(T* z, const T* h, int64_t n);
  void (*multiply_lanes)(T* z, const T* h, int64_t n);
  // z[i] *= base[i] * across, conjugated where asked: the twist of a four-step transform. `base` holds n complex numbers,
  // `across` one lane pair.
  void (*twist)(T* z, const T* base, const T* across, int64_t n, bool conjugate);
  // Transposes between `lanes` contiguous rows of n numbers and n vectors of `lanes` numbers, `step` numbers apart
  // (2 * lanes: every vector is the real or the imaginary half of a pair). Nothing beyond the n numbers is touched.
  void (*gather)(const T* const* rows, int64_t n, T* z, int64_t step);
  void (*scatter)(const T* z, int64_t step, int64_t n, T* const* rows);
  // Of every lane of n vectors, `step` numbers apart: the largest |x| (NaN and infinities count as infinity) and the sum of
  // squares, into `largest` and `squares` of `lanes` numbers, which are read first (start from zero).
  void (*measure)(const T* z, int64_t step, int64_t n, T* largest, T* squares);
  // z[i] *= factors, lane by lane: n vectors, `step` numbers apart.
  void (*scale)(T* z, int64_t step, int64_t n, const T* factors);
};

}  // namespace faltung

#define FALTUNG_DECLARE_SPECTRAL(isa)                                                \
  extern "C" const faltung::SpectralTable<float> faltung_spectral_f32_##isa##_table; \
  extern "C" const faltung::SpectralTable<double> faltung_spectral_f64_##isa##_table;
FALTUNG_DECLARE_SPECTRAL(baseline)
FALTUNG_DECLARE_SPECTRAL(avx2)
FALTUNG_DECLARE_SPECTRAL(avx512)
