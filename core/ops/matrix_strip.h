// The input as the matrix kernels read it: the pixels that a box needs, split into bfloat16 parts, sorted by phases.
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/turn.h"
#include "core/ops/dense_box.h"
#include "core/ops/matrix_plan.h"

namespace faltung {

class MatrixStrip {
 public:
  MatrixStrip(const MatrixPlan& plan, const MatrixTable& matrix, const ConvertTable<float>& convert,
              const TurnTable<float>& turn, DenseArena& arena);

  // Splits what the box needs. False where a number is too large or none: its parts would not sum to it.
  bool select(const DenseBox& box, const char* in);
  // What an outer tap (of the axes before the last two) of the outputs at (item, at) reads, both relative to the box; null
  // where it lies outside.
  const char* sheet(int64_t item, const int64_t* at, int64_t tap) const;
  int64_t part_step() const { return plan_.strip * int64_t(sizeof(uint16_t)); }

 private:
  bool fill_sheet(const DenseBox& box, const char* from, uint16_t* to);
  bool fill_line(const char* from, int64_t first, int64_t step, int64_t pixels, uint16_t* to);
  void load_pixels(const char* from, int64_t step, int64_t pixels, float* to);
  void clear(uint16_t* to, int64_t elements);

  const MatrixPlan& plan_;
  const MatrixTable& matrix_;
  const ConvertTable<float>& convert_;
  const TurnTable<float>& turn_;
  DenseRows rows_;
  int64_t piece_;  // pixels that are turned at once
  uint16_t* strip_;
  float *line_, *planes_;
};

}  // namespace faltung
