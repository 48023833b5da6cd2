// Two layers in one pass, as Python holds them.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <utility>

#include "bindings/bindings.h"
#include "bindings/layer.h"
#include "bindings/pointer.h"
#include "core/ops/pair.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

struct PyLayerPair {
  LayerPair plan;
  int64_t depthwise_offset, pointwise_offset;  // bytes from the weights' first element to tap 0
};

void construct(PyLayerPair* self, const PyLayer& depthwise, const PyLayer& pointwise) {
  new (self) PyLayerPair{LayerPair(depthwise.problem, pointwise.problem, selected_isa()),
                         depthwise.weight_offset, pointwise.weight_offset};
}

int threads_of(int threads) {
  return threads > 0 ? threads : num_threads();
}

PyPacked* pack(const PyLayerPair& self, nb::handle depthwise, nb::handle pointwise, int threads) {
  const Pointer d(depthwise, false), p(pointwise, false);
  auto packed = std::make_unique<PyPacked>();
  packed->memory.reserve(size_t(self.plan.packed_bytes()));
  const GilReleased nogil;
  self.plan.pack(d.get() + self.depthwise_offset, p.get() + self.pointwise_offset, packed->memory.data(),
                 threads_of(threads));
  return packed.release();
}

// With `release` the GIL is free meanwhile and Ctrl-C is heard; `threads` 0 stands for the setting.
bool run_pair(const LayerPair& plan, const PairArrays& arrays, int threads, bool release) {
  if (!release) return plan.run(arrays, 1, {}).reported;
  Outcome outcome;
  {
    const GilReleased nogil;
    outcome = plan.run(arrays, threads_of(threads), {&interrupted, nullptr});
  }
  if (PyErr_Occurred()) throw nb::python_error();
  return outcome.reported;
}

bool run(const PyLayerPair& self, nb::handle in, const PyPacked& packed, nb::handle middle_bias,
         nb::handle bias, nb::handle residual, nb::handle out, int threads, bool release) {
  const Pointer x(in, false), m(middle_bias, false), b(bias, false), r(residual, false), y(out, true);
  return run_pair(self.plan, {x.get(), packed.memory.data(), m.get(), b.get(), r.get(), y.get()}, threads,
                  release);
}

// Weights prepared for one call, in memory that the thread keeps.
class PairWeights {
 public:
  explicit PairWeights(int64_t bytes) {
    std::swap(memory_, kept_);  // a call within this one finds none and makes its own
    memory_.reserve(size_t(bytes));
  }
  ~PairWeights() {
    if (memory_.size() <= kKeptBytes) std::swap(memory_, kept_);
  }
  PairWeights(const PairWeights&) = delete;
  PairWeights& operator=(const PairWeights&) = delete;
  void* data() { return memory_.data(); }

 private:
  static constexpr size_t kKeptBytes = size_t{8} << 20;
  static thread_local Scratch kept_;
  Scratch memory_;
};
thread_local Scratch PairWeights::kept_;

bool call(const PyLayerPair& self, nb::handle in, nb::handle depthwise, nb::handle pointwise,
          nb::handle middle_bias, nb::handle bias, nb::handle residual, nb::handle out, int threads,
          bool release) {
  const Pointer x(in, false), d(depthwise, false), p(pointwise, false), m(middle_bias, false), b(bias, false),
      r(residual, false), y(out, true);
  PairWeights weights(self.plan.packed_bytes());
  const char *first = d.get() + self.depthwise_offset, *second = p.get() + self.pointwise_offset;
  if (release) {
    const GilReleased nogil;
    self.plan.pack(first, second, weights.data(), threads_of(threads));
  } else {
    self.plan.pack(first, second, weights.data(), 1);
  }
  return run_pair(self.plan, {x.get(), weights.data(), m.get(), b.get(), r.get(), y.get()}, threads, release);
}

nb::dict summary(const PyLayerPair& self) {
  return summary_of(self.plan.summary(), self.plan.packed_bytes());
}

}  // namespace

void bind_layer_pair(nb::module_& m) {
  nb::class_<PyLayerPair>(m, "LayerPair",
                          "A depthwise and a 1x1 layer in one pass: fixed shapes and strides, any arrays.")
      .def("__init__", &construct, nb::arg("depthwise"), nb::arg("pointwise"))
      .def("pack", &pack, nb::arg("depthwise"), nb::arg("pointwise"), nb::arg("threads"))
      .def("run", &run, nb::arg("x"), nb::arg("packed"), nb::arg("middle_bias").none(),
           nb::arg("bias").none(), nb::arg("residual").none(), nb::arg("out"), nb::arg("threads"),
           nb::arg("release"))
      .def("call", &call, nb::arg("x"), nb::arg("depthwise"), nb::arg("pointwise"),
           nb::arg("middle_bias").none(), nb::arg("bias").none(), nb::arg("residual").none(), nb::arg("out"),
           nb::arg("threads"), nb::arg("release"))
      .def("summary", &summary);
}

}  // namespace faltung::bindings
