// Layers of small groups with channels in lanes: what a plan keeps, and the panels and results of a unit.
#pragma once
#include <memory>

#include "core/kernels/select.h"
#include "core/ops/grouped_lanes_plan.h"

namespace faltung {

// Outputs [row, row + rows) x [column, column + columns) of one item, by bundles [bundle, bundle + bundles).
struct GroupedLanesUnit {
  int64_t item, bundle, bundles, row, rows, column, columns;
  int64_t out, outs;  // channels
};

// What stands between arrays in memory and the kernels: panels of samples, blocks of results, [position][channel].
template <class T>
class GroupedLanesArrays {
 public:
  GroupedLanesArrays(const LayerProblem& problem, const GroupedLanesSchedule& schedule, Isa isa);
  bool out_direct() const { return out_direct_; }            // kernels store results where they belong
  bool residual_direct() const { return residual_direct_; }  // and add residuals from there
  void pack(const GroupedLanesUnit& unit, const char* in, T* panels) const;
  void load_residual(const GroupedLanesUnit& unit, const char* residual, T* to) const;
  void store(const GroupedLanesUnit& unit, const T* from, char* out) const;

 private:
  void pack_positions(const GroupedLanesUnit& unit, const char* from, int64_t count, T* to) const;
  void pack_panel(const char* from, int64_t channels, int64_t count, T* to) const;

  const LayerProblem& p_;
  const GroupedLanesSchedule& s_;
  const GroupedLanesTable<T>& kernels_;
  const TurnTable<T>& turn_;
  bool out_direct_, residual_direct_;
};

// For problems that fits_lanes() takes, with two axes.
template <class T>
std::unique_ptr<Layer> plan_grouped_lanes(const LayerProblem& problem, Isa isa);

}  // namespace faltung
