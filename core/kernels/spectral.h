// The spectral family: complex Fourier transforms of `lanes` signals side by side, and what stands around them.
//
// A lane pair is 2 * lanes numbers: the real parts of one sample of every lane, then the imaginary ones. A line of n samples
// is n lane pairs, `step` pairs apart. Forward transforms take natural order and leave a permuted one, inverse ones the
// other way (and do not scale): a convolution multiplies in permuted order and never reorders anything. The permutation is
// that of decimation in frequency: with stages of radix r1, r2, ... position p = m1 * n / r1 + m2 * n / (r1 r2) + ... holds
// frequency m1 + r1 * (m2 + r2 * (m3 + ...)); Fourier<T>::order() in core/ops/fourier.h lists it.
#pragma once
#include <cstdint>

namespace faltung {

// One stage splits every transform of n points into `radix` transforms of n / radix points each. Made by Fourier<T>; nobody
// else looks inside. A set of twiddles is the powers of one root w that the butterfly of this radix wants, re and im:
//   radix 2: w   3: w, w^2   4: w, w^2   5: w, w^2, w^3, w^4   8: w, w exp(-2 pi i / 8), w^2, w^4
template <class T>
struct FourierStage {
  int radix;
  int64_t n;
  const T* by_block;  // forward: a set for each transform of this stage, in order of position
  const T* by_point;  // inverse: a set for each j < n / radix, of w = exp(-2 pi i j / n)
};

constexpr int fourier_twiddles(int radix) {
  return radix == 2 ? 1 : radix <= 4 ? 2 : 4;
}

// A transform of n points: its stages, from n points down to the last radix; none for n = 1. Lines longer than a near cache
// are rows of `run` points: the first `columns` stages run across the rows, the others along each. Between the rows `gap`
// pairs may be left out: point i then stands at pair (i + i / run * gap) * step.
template <class T>
struct FourierStages {
  const FourierStage<T>* stages;
  int count;
  int64_t n;
  int columns;
  int64_t run, gap;
};

template <class T>
struct SpectralTable {
  const char* name;
  int lanes;
  int radix;  // the widest that its transforms like: 4 or 8; Fourier<T> asks for it
  // One line, in place. Fast where z is aligned to a vector, and where the step keeps points out of each other's way in the
  // near cache: odd steps do; steps that make a multiple of 2048 bytes cost two to three times as much.
  void (*forward)(T* z, int64_t step, const FourierStages<T>& transform);
  void (*inverse)(T* z, int64_t step, const FourierStages<T>& transform);
  // forward, z[i] *= h[i] (as multiply, with `lanes` as multiply_lanes), inverse: two passes over the line less than the
  // three calls. h is contiguous whatever the step.
  void (*convolve)(T* z, int64_t step, const FourierStages<T>& transform, const T* h, bool lanes);
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
  // Columns: `lanes` samples of row i, from rows[i] + offset bytes on, into the vector at z + at[i], measured as above. Rows
  // hold T [0] or float [1], aligned to that. Complex rows hold (re, im), and fill pairs.
  void (*take[2])(const char* const* rows, int64_t offset, const int64_t* at, int64_t n, T* z, T* largest,
                  T* squares);
  void (*take_complex[2])(const char* const* rows, int64_t offset, const int64_t* at, int64_t n, T* z,
                          T* largest, T* squares);
  // And back. Null rows get nothing.
  void (*give[2])(const T* z, const int64_t* at, int64_t n, char* const* rows, int64_t offset);
  void (*give_complex[2])(const T* z, const int64_t* at, int64_t n, char* const* rows, int64_t offset);
};

}  // namespace faltung

#define FALTUNG_DECLARE_SPECTRAL(isa)                                                \
  extern "C" const faltung::SpectralTable<float> faltung_spectral_f32_##isa##_table; \
  extern "C" const faltung::SpectralTable<double> faltung_spectral_f64_##isa##_table;
FALTUNG_DECLARE_SPECTRAL(baseline)
FALTUNG_DECLARE_SPECTRAL(avx2)
FALTUNG_DECLARE_SPECTRAL(avx512)
