// The input of a unit of a grouped layer, from any layout and type, as planes with their border; see grouped_plan.h.
#pragma once
#include "core/kernels/select.h"
#include "core/ops/grouped_plan.h"

namespace faltung {

// What a unit works on: outputs [begin, begin + outs) of each axis, groups [group, group + groups) of one item.
struct GroupedUnit {
  int64_t item, group, groups;
  std::vector<int64_t> begin, outs;
};

template <class T>
class GroupedPack {
 public:
  GroupedPack(const LayerProblem& problem, const GroupedSchedule& schedule, Isa isa);
  // `spare` holds a row of all channels of a unit.
  void run(const GroupedUnit& unit, const char* in, T* planes, T* spare) const;

 private:
  struct Rows;
  void pack_rows(const Rows& rows, T* spare) const;
  void turn_rows(const Rows& rows, int64_t low, int64_t inner, const char* from, T* spare) const;
  void subtract_zero(T* values, int64_t count) const;
  void fill_ends(const Rows& rows, int64_t low, int64_t high) const;
  T sample(const char* at) const;

  const LayerProblem& p_;
  const GroupedSchedule& s_;
  const GroupedTable<T>& kernels_;
  const ConvertTable<T>& convert_;
  const TurnTable<T>& turn_;
  bool direct_ = false;  // samples are read as they are
  bool last_ = false;    // channels last
};

}  // namespace faltung
