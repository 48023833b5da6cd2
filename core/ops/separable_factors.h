// The kernel as sums of products: factors, and the full kernel that they stand for.
#pragma once
#include <memory>
#include <vector>

#include "core/ops/correlate.h"

namespace faltung {

// Factors as the interface has them: [term][axis][tap] in float64, one after another.
class Factors {
 public:
  Factors(const Problem& problem, const void* factors);
  double operator()(int64_t term, size_t axis, int64_t tap) const {
    return data_[term * elements_ + begin_[axis] + tap];
  }
  // The kernel in C order of `axes`; every other axis has one tap.
  std::vector<double> product(int64_t terms, const std::vector<size_t>& axes, const Problem& problem) const;

 private:
  const double* data_;
  int64_t elements_ = 0;        // of a term
  std::vector<int64_t> begin_;  // of each axis
};

// Gives the problem the kernel that product() makes of all its axes.
void take_product(Problem& problem);

// The direct method with that kernel, where fewer than two axes could be separated.
std::unique_ptr<Correlation> plan_product(const Problem& problem, int terms, Isa isa);

}  // namespace faltung
