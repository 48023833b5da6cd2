// Two layers in one pass, as Python holds them: a layer whose weights are those of both.
#include <utility>

#include "bindings/bindings.h"
#include "bindings/layer.h"
#include "bindings/pointer.h"
#include "core/ops/pair.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

struct PyLayerPair : PyLayer {
  int64_t pointwise_offset;  // bytes from the weights' first element to tap 0
};

void construct(PyLayerPair* self, const PyLayer& depthwise, const PyLayer& pointwise) {
  auto plan = std::make_unique<LayerPair>(depthwise.problem, pointwise.problem, selected_isa());
  new (self)
      PyLayerPair{{depthwise.problem, std::move(plan), depthwise.weight_offset}, pointwise.weight_offset};
}

// `threads` and `release` as of a layer.
void pack_pair(const PyLayerPair& self, const char* depthwise, const char* pointwise, const char* middle_bias,
               void* packed, int threads, bool release) {
  const PairWeights weights{depthwise + self.weight_offset, pointwise + self.pointwise_offset, middle_bias};
  if (!release) return self.plan->pack(&weights, packed, 1);
  const GilReleased nogil;
  self.plan->pack(&weights, packed, threads > 0 ? threads : num_threads());
}

PyPacked* pack(const PyLayerPair& self, nb::handle depthwise, nb::handle pointwise, nb::handle middle_bias,
               int threads) {
  const Pointer d(depthwise, false), p(pointwise, false), m(middle_bias, false);
  auto packed = std::make_unique<PyPacked>();
  packed->memory.reserve(size_t(self.plan->packed_bytes()));
  pack_pair(self, d.get(), p.get(), m.get(), packed->memory.data(), threads, true);
  return packed.release();
}

// Weights prepared for one call, in memory that the thread keeps.
class PairPacked {
 public:
  explicit PairPacked(int64_t bytes) {
    std::swap(memory_, kept_);  // a call within this one finds none and makes its own
    memory_.reserve(size_t(bytes));
  }
  ~PairPacked() {
    if (memory_.size() <= kKeptBytes) std::swap(memory_, kept_);
  }
  PairPacked(const PairPacked&) = delete;
  PairPacked& operator=(const PairPacked&) = delete;
  void* data() { return memory_.data(); }

 private:
  static constexpr size_t kKeptBytes = size_t{8} << 20;
  static thread_local Scratch kept_;
  Scratch memory_;
};
thread_local Scratch PairPacked::kept_;

bool call(const PyLayerPair& self, nb::handle in, nb::handle depthwise, nb::handle pointwise,
          nb::handle middle_bias, nb::handle bias, nb::handle residual, nb::handle out, int threads,
          bool release) {
  const Pointer x(in, false), d(depthwise, false), p(pointwise, false), m(middle_bias, false), b(bias, false),
      r(residual, false), y(out, true);
  PairPacked packed(self.plan->packed_bytes());
  pack_pair(self, d.get(), p.get(), m.get(), packed.data(), threads, release);
  return run_layer(self, {x.get(), packed.data(), b.get(), r.get(), y.get()}, threads, release);
}

}  // namespace

void bind_layer_pair(nb::module_& m) {
  nb::class_<PyLayerPair, PyLayer>(
      m, "LayerPair", "A depthwise and a 1x1 layer in one pass: fixed shapes and strides, any arrays.")
      .def("__init__", &construct, nb::arg("depthwise"), nb::arg("pointwise"))
      .def("pack", &pack, nb::arg("depthwise"), nb::arg("pointwise"), nb::arg("middle_bias").none(),
           nb::arg("threads"))
      .def("call", &call, nb::arg("x"), nb::arg("depthwise"), nb::arg("pointwise"),
           nb::arg("middle_bias").none(), nb::arg("bias").none(), nb::arg("residual").none(), nb::arg("out"),
           nb::arg("threads"), nb::arg("release"));
}

}  // namespace faltung::bindings
