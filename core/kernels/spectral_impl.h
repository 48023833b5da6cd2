// The spectral kernels, once for every type and ISA, and the macro that writes a table.
#pragma once
#include "core/kernels/spectral_columns_impl.h"
#include "core/kernels/spectral_lines_impl.h"
#include "core/kernels/spectral_transform_impl.h"

namespace faltung {
namespace {

template <class T, int Bytes>
constexpr SpectralTable<T> spectral_table(const char* name, int radix) {
  using S = Spectral<T, Bytes>;
  using Lines = SpectralLines<T, Bytes>;
  using Same = SpectralColumns<T, T, Bytes>;
  using Float = SpectralColumns<T, float, Bytes>;
  return {name,
          Vec<T, Bytes>::lanes,
          radix,
          &S::forward,
          &S::inverse,
          &S::convolve,
          &S::multiply,
          &S::multiply_lanes,
          &S::twist,
          &Lines::gather,
          &Lines::scatter,
          &Lines::measure,
          &Lines::scale,
          {&Same::take, &Float::take},
          {&Same::take_complex, &Float::take_complex},
          {&Same::give, &Float::give},
          {&Same::give_complex, &Float::give_complex}};
}

}  // namespace
}  // namespace faltung

#define FALTUNG_SPECTRAL_TABLE(T, B, type, isa, radix)                                 \
  extern "C" const faltung::SpectralTable<T> faltung_spectral_##type##_##isa##_table = \
      faltung::spectral_table<T, B>("spectral_" #type "_" #isa, radix);
