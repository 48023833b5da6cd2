// The turn family: matrices transposed through registers, from channels first to channels last and back.
#pragma once
#include <cstdint>

namespace faltung {

template <class T>
struct TurnTable {
  int lanes;  // squares of lanes x lanes are turned at once; other sizes are right, and slower
  // to[j * to_step + i] = from[i * from_step + j * from_inner], i < rows, j < columns; steps in elements.
  void (*turn)(const T* from, int64_t from_step, int64_t from_inner, T* to, int64_t to_step, int64_t rows,
               int64_t columns);
};

}  // namespace faltung

#define FALTUNG_DECLARE_TURN(isa)                                            \
  extern "C" const faltung::TurnTable<float> faltung_turn_f32_##isa##_table; \
  extern "C" const faltung::TurnTable<double> faltung_turn_f64_##isa##_table;
FALTUNG_DECLARE_TURN(baseline)
FALTUNG_DECLARE_TURN(avx2)
FALTUNG_DECLARE_TURN(avx512)
