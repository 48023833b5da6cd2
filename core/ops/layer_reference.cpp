#include <cstring>
#include <limits>

#include "core/ops/layer.h"

namespace faltung {
namespace {

// Weights are kept as [out channel][in channel of the group][taps].
class LayerDefinition final : public Layer {
 public:
  explicit LayerDefinition(const LayerProblem& problem) : given_(problem), problem_(problem) {
    item_ = kItemSize[int(problem.weight)] * problem.parts();
    int64_t step = item_;
    for (size_t a = problem.axes.size(); a-- > 0;) {
      problem_.axes[a].weight_step = step;
      step *= problem.axes[a].taps;
    }
    problem_.weight_in_step = step;
    problem_.weight_out_step = step * problem.group_in();
    summary_.kernel = "reference";
    summary_.chunk = std::numeric_limits<int64_t>::max();
    summary_.units = problem.batch * problem.out_channels;
  }

  int64_t packed_bytes() const override { return problem_.weight_out_step * problem_.out_channels; }

  void pack(const void* weights, void* packed, int) const override {
    char* to = static_cast<char*>(packed);
    for (int64_t o = 0; o < given_.out_channels; ++o)
      for (int64_t c = 0; c < given_.group_in(); ++c)
        for (int64_t tap = 0; tap < given_.taps(); ++tap, to += item_) {
          const char* from =
              static_cast<const char*>(weights) + o * given_.weight_out_step + c * given_.weight_in_step;
          int64_t rest = tap;
          for (size_t a = given_.axes.size(); a-- > 0;) {
            from += rest % given_.axes[a].taps * given_.axes[a].weight_step;
            rest /= given_.axes[a].taps;
          }
          std::memcpy(to, from, size_t(item_));
        }
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    return run_layer_reference(problem_, arrays, threads, poll);
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  LayerProblem given_, problem_;
  LayerSummary summary_;
  int64_t item_;
};

}  // namespace

std::unique_ptr<Layer> plan_layer_reference(const LayerProblem& problem) {
  return std::make_unique<LayerDefinition>(problem);
}

}  // namespace faltung
