// From sums to results of a grouped layer: bias, residual, activation, and the store in any layout and type.
#pragma once
#include "core/ops/grouped_pack.h"

namespace faltung {

template <class T>
class GroupedStore {
 public:
  GroupedStore(const LayerProblem& problem, const GroupedSchedule& schedule, Isa isa);
  // Stores are best made for all groups of a unit together; else one by one, while their sums are near.
  bool together() const { return last_ || residual_last_; }
  // Elements that run() needs as `spare`, for so many channels.
  int64_t spare(int64_t channels) const;
  // Finishes and stores the sums of some channels from `first`, which it changes. True when a value had to be reported.
  bool run(const GroupedUnit& unit, int64_t first, int64_t channels, const LayerArrays& arrays, T* sums,
           T* spare) const;

 private:
  // One outer position: where the sums, results and residuals of its row 0 and channel 0 stand.
  struct Rows {
    int64_t channels, rows, count;
    T* sums;
    char* out;
    const char* residual;
    T *residuals, *line;
    const T* bias;
  };
  bool store_rows(const Rows& rows) const;
  void load_residuals(const Rows& rows) const;
  void activate(const Rows& rows, T* sums) const;

  const LayerProblem& p_;
  const GroupedSchedule& s_;
  const GroupedTable<T>& kernels_;
  const ConvertTable<T>& convert_;
  const TurnTable<T>& turn_;
  const EpilogueTable<T>& epilogue_;
  bool typed_ = false;                         // results are of the computing type
  bool direct_ = false;                        // finished sums go straight into the results
  bool residual_direct_ = false;               // residuals are added where they are
  bool last_ = false, residual_last_ = false;  // channels last
  T lo_, hi_;
};

}  // namespace faltung
