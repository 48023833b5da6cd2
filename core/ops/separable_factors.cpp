#include "core/ops/separable_factors.h"

#include <algorithm>
#include <numeric>

#include "core/base/float_env.h"

namespace faltung {

Factors::Factors(const Problem& problem, const void* factors) : data_(static_cast<const double*>(factors)) {
  for (const ConvAxis& a : problem.axes) {
    begin_.push_back(elements_);
    elements_ += a.taps;
  }
}

std::vector<double> Factors::product(int64_t terms, const std::vector<size_t>& axes,
                                     const Problem& problem) const {
  std::vector<double> kernel;
  for (int64_t term = 0; term < terms; ++term) {
    double scale = 1;
    for (size_t a = 0; a < begin_.size(); ++a)
      if (std::find(axes.begin(), axes.end(), a) == axes.end()) scale *= (*this)(term, a, 0);
    std::vector<double> part{scale};
    for (const size_t a : axes) {
      std::vector<double> longer;
      longer.reserve(part.size() * size_t(problem.axes[a].taps));
      for (const double p : part)
        for (int64_t t = 0; t < problem.axes[a].taps; ++t) longer.push_back(p * (*this)(term, a, t));
      part.swap(longer);
    }
    if (term == 0)
      kernel.swap(part);
    else
      for (size_t i = 0; i < kernel.size(); ++i) kernel[i] += part[i];
  }
  return kernel;
}

void take_product(Problem& problem) {
  int64_t step = int64_t(sizeof(double));
  for (size_t a = problem.axes.size(); a-- > 0;) {
    problem.axes[a].kernel_step = step;
    step *= problem.axes[a].taps;
  }
  for (BatchAxis& b : problem.batch) b.kernel_step = 0;
  problem.kernel = DType::f64;
  problem.complex_kernel = problem.conjugate = false;
}

namespace {

class ProductCorrelation final : public Correlation {
 public:
  ProductCorrelation(const Problem& problem, int terms, Isa isa)
      : problem_(problem), axes_(problem.axes.size()), terms_(terms) {
    take_product(problem_);
    std::iota(axes_.begin(), axes_.end(), size_t(0));
    plan_ = plan_stencil(problem_, isa);
  }

  Outcome run(const void* in, const void* factors, void* out, int threads, Poll poll) const override {
    std::vector<double> kernel;
    {
      const FloatEnvironment environment;
      kernel = Factors(problem_, factors).product(terms_, axes_, problem_);
    }
    return plan_->run(in, kernel.data(), out, threads, poll);
  }
  const Summary& summary() const override { return plan_->summary(); }

 private:
  Problem problem_;
  std::vector<size_t> axes_;
  int64_t terms_;
  std::unique_ptr<Correlation> plan_;
};

}  // namespace

std::unique_ptr<Correlation> plan_product(const Problem& problem, int terms, Isa isa) {
  return std::make_unique<ProductCorrelation>(problem, terms, isa);
}

}  // namespace faltung
