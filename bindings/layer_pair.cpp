// Two layers in one pass, as Python holds them.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

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

PyPacked* pack(const PyLayerPair& self, nb::handle depthwise, nb::handle pointwise, int threads) {
  const Pointer d(depthwise, false), p(pointwise, false);
  auto packed = std::make_unique<PyPacked>();
  packed->memory.reserve(size_t(self.plan.packed_bytes()));
  {
    GilReleased nogil;
    self.plan.pack(d.get() + self.depthwise_offset, p.get() + self.pointwise_offset, packed->memory.data(),
                   threads > 0 ? threads : num_threads());
  }
  return packed.release();
}

bool run(const PyLayerPair& self, nb::handle in, const PyPacked& packed, nb::handle middle_bias,
         nb::handle bias, nb::handle residual, nb::handle out, int threads, bool release) {
  const Pointer x(in, false), m(middle_bias, false), b(bias, false), r(residual, false), y(out, true);
  const PairArrays arrays{x.get(), packed.memory.data(), m.get(), b.get(), r.get(), y.get()};
  if (!release) return self.plan.run(arrays, 1, {}).reported;
  Outcome outcome;
  {
    GilReleased nogil;
    outcome = self.plan.run(arrays, threads > 0 ? threads : num_threads(), {&interrupted, nullptr});
  }
  if (PyErr_Occurred()) throw nb::python_error();
  return outcome.reported;
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
      .def("summary", &summary);
}

}  // namespace faltung::bindings
