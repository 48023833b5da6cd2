// A separable schedule carried out on arrays: rings, stages, the result, and outputs that are computed again.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/memory.h"
#include "core/kernels/select.h"
#include "core/ops/correlate.h"
#include "core/ops/separable_factors.h"
#include "core/ops/separable_line.h"

namespace faltung {

template <class T>
class SeparableCorrelation final : public Correlation {
 public:
  SeparableCorrelation(const Problem& problem, int terms, Isa isa);
  Outcome run(const void* in, const void* factors, void* out, int threads, Poll poll) const override;
  const Summary& summary() const override { return summary_; }
  bool direct() const { return s_.direct; }  // nothing to separate: not to be run

 private:
  struct Weights;
  struct Workspace;
  struct Unit;
  struct Ring;
  struct Piece;
  void run_unit(int64_t unit, const char* in, char* out, const Weights& weights, Workspace& w) const;
  bool run_stage(size_t l, const char* plane, T* into, const Unit& u, const Weights& weights,
                 Workspace& w) const;
  void fetch(size_t l, const char* plane, int64_t row, int64_t end, const Unit& u, const Weights& weights,
             Workspace& w) const;
  bool fill_table(size_t l, const char* plane, int64_t row_class, int64_t row, int64_t rows, const Unit& u,
                  const Weights& weights, Ring& ring) const;
  NextLines next_lines(size_t l, const char* plane, int64_t row, int64_t rows, const Unit& u,
                       const char** next) const;
  void result_rows(int64_t row_class, int64_t row, int64_t rows, bool tame, const Unit& u,
                   const Weights& weights, Workspace& w) const;
  void fill_constant(size_t l, const Weights& weights, const Unit& u, Ring& ring) const;
  bool store_rows(char* out, int64_t row_step, int64_t rows, int64_t columns, const T* c, int64_t ldc) const;
  void mend(const Piece& piece, T* c, int64_t ldc, const Unit& u, const Weights& weights, Workspace& w) const;
  std::vector<T> by_product(Box cell, Interval columns, int64_t item, const Unit& u,
                            const Weights& weights) const;
  bool sums_stay_finite(const Unit& u, const Weights& weights, Workspace& w) const;
  void begin(const Weights& weights, Workspace& w) const;
  template <class Layers>
  void lay_out(Workspace& w, Layers& layer) const;
  size_t scratch_bytes() const;

  Problem problem_;
  Isa isa_;
  Shapes<T> shapes_;
  Columns<T> columns_;
  const ConvertTable<T>& convert_;
  SeparableSchedule s_;
  LinePass<T> line_;
  Problem item_;                   // one item of the batch
  std::vector<size_t> item_axes_;  // which axes of the problem it has, in its order
  int64_t tile_elements_;          // a row of the tile buffer
  T fill_[2];
  std::vector<char> outside_;  // of each stage: whether outputs see the constant
  Summary summary_;
};

// What one call of run() works out from the factors.
template <class T>
struct SeparableCorrelation<T>::Weights {
  Weights(const SeparableCorrelation& c, const void* factors);

  Factors factors;
  std::vector<T> line;                 // packed, term by term
  std::vector<std::vector<T>> stages;  // packed; stage 0: of all terms, others: term by term
  std::vector<T> constants;            // [stage][term][part]: what a slot outside the array holds
  double growth = 0;                   // times the largest sample: nothing on the way exceeds it
  T squares = 0;                       // lines whose squares sum up to less can make no sum overflow
  bool tame_constants = true;          // nor can what stands outside the array
  // The whole kernel, made when it is first needed.
  mutable std::once_flag once;
  mutable std::vector<double> product;
};

template <class T>
struct SeparableCorrelation<T>::Ring {
  T* slots = nullptr;
  T* constant = nullptr;      // of every term
  int64_t constant_slab = 0;  // how it is laid out
  const T** table = nullptr;
  std::vector<int64_t> holds;  // the sample or position in each slot
  std::vector<char> tame;      // whether a slot's numbers are so small that no sum over them overflows
  struct Missing {
    int64_t slot, source;
  };
  std::vector<Missing> missing;
  std::vector<typename Columns<T>::Sums> sums;  // stage 0: one; others: one a term
};

// Outputs that are made together: rows of stage 0, `step` apart, of one line of the inner stages.
template <class T>
struct SeparableCorrelation<T>::Piece {
  int64_t row, step, rows, line;
  Interval columns;
};

template <class T>
struct SeparableCorrelation<T>::Unit {
  const char* in;
  char* out;
  std::vector<int64_t> begin, end;  // outputs, of every stage
  Interval columns;
  int64_t elements;            // of a line in a ring
  std::vector<int64_t> lines;  // in a slot of each stage

  int64_t size(size_t l) const { return end[l] - begin[l]; }
};

template <class T>
struct SeparableCorrelation<T>::Workspace {
  Scratch memory;
  std::vector<Ring> rings;
  typename LinePass<T>::Workspace line;
  T* tile = nullptr;
  Unit unit;
  bool reported = false;
  int stays_finite = -1;  // what sums_stay_finite() said of the unit; -1: not asked yet
};

}  // namespace faltung
