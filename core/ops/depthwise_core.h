// Depthwise with channels side by side, carried out: strips, packed lines, tiles. The layers around it (depthwise_last.cpp,
// depthwise_first.cpp) say where its arrays lie.
#pragma once
#include <cstring>
#include <type_traits>
#include <vector>

#include "core/base/float_env.h"
#include "core/kernels/select.h"
#include "core/ops/depthwise_plan.h"
#include "core/ops/depthwise_tiles.h"
#include "core/ops/layer.h"

namespace faltung {

template <class T>
struct DepthwiseArrays {
  const char* in;
  const T* weights;  // of all vectors of channels
  const T* bias;     // of the output channels in T, followed by a vector's room; or null
  const char* residual;
  char* out;
};

template <class T>
class DepthwiseCore {
 public:
  DepthwiseCore(const LayerProblem& problem, Isa isa);

  const DepthwiseSchedule& schedule() const { return s_; }
  const LayerProblem& problem() const { return p_; }
  size_t scratch_bytes() const {
    return table_bytes_ + runs_bytes_ + zero_bytes_ + lines_bytes_ + 3 * tile_bytes_;
  }
  int64_t vectors() const;  // of all blocks
  int64_t vector_weights() const { return int64_t(s_.taps.size()) * lanes_; }
  int64_t first_channel(int64_t vector) const;
  // Weights of all vectors, zeros from `channels` on; false where one is not finite. They stand from `channel_begin` on among
  // those that have zero points.
  bool pack(const char* weights, int64_t channel_begin, int64_t channels, T* packed) const;
  // True when a value had to be reported.
  bool run(int64_t unit, const DepthwiseArrays<T>& arrays, char* scratch) const;
  void summarize(LayerSummary& summary) const;

 private:
  // Output columns [begin, end) whose lines are read where they are or packed.
  struct Segment {
    int64_t begin, end;
    bool packed;
  };
  struct Unit;

  const char* plane_of(const Unit& u, int64_t panel) const;
  const char* row_of(const Unit& u, const char* plane, int64_t panel, int64_t entry) const;
  void segment(Unit& u, const Segment& g) const;
  void tile_row(Unit& u, const Segment& g, int64_t row, int64_t rows) const;
  void resolve_runs(Unit& u, int64_t position) const;
  bool beside(const DepthwisePart& part, int64_t first, int64_t columns) const;
  bool beside(int64_t first, int64_t columns) const;
  int64_t live_runs(const Unit& u, int64_t rows, int64_t first, int64_t columns) const;
  void pack_line(const Unit& u, const Segment& g, const char* row, T* line) const;
  void pack_positions(const Unit& u, const char* from, int64_t n, T* to) const;
  void load_residual(const Unit& u, const Segment& g, int64_t row, int64_t rows, T* to) const;
  void store(Unit& u, const Segment& g, int64_t row, int64_t rows, T* from) const;

  LayerProblem p_;
  DepthwiseTiles<T> tiles_;
  int lanes_;
  DepthwiseSchedule s_;
  const ConvertTable<T>& convert_;
  void (*activate_)(T*, int64_t, T, T) = nullptr;
  bool in_place_, out_in_place_, residual_in_place_;
  bool fetches_;  // rows ahead, for arrays that outgrow the second cache
  bool skips_;    // taps that meet nothing but zeros outside
  int64_t line_elements_, zero_elements_;
  size_t table_bytes_, runs_bytes_, zero_bytes_, lines_bytes_, tile_bytes_;
};

template <class T>
struct DepthwiseCore<T>::Unit {
  const DepthwiseArrays<T>& arrays;
  const char *in = arrays.in, *residual = arrays.residual;
  char* out = arrays.out;
  int64_t outer[64] = {};
  int64_t row_class = 0, row_begin = 0, row_end = 0;  // rows of the class
  int64_t column_begin = 0, column_end = 0;
  int64_t channel_begin = 0, channels = 0;
  const T* weights = nullptr;

  const T** table = nullptr;
  DepthwiseRun *runs = nullptr, *live = nullptr;
  T *zeros = nullptr, *lines = nullptr, *tile = nullptr, *residual_tile = nullptr, *raw = nullptr;
  int64_t done = 0;  // rows whose lines are packed
  bool zeroed = false, reported = false;
};

// What holds in a body: float32 of layers may treat subnormals as zero.
struct NoFloats {};
template <class T>
using LayerFloats = std::conditional_t<sizeof(T) == 4, FlushSubnormals, NoFloats>;

template <class T>
constexpr DType type_of() {
  return sizeof(T) == 4 ? DType::f32 : DType::f64;
}

}  // namespace faltung
