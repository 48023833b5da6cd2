// The gradient of a layer's weights.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/layer.h"
#include "bindings/pointer.h"
#include "core/ops/weight_gradient.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

using AxisTuple =
    std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int, int64_t, int64_t, int64_t>;
using Sizes = std::tuple<int64_t, int64_t, int64_t, int64_t>;
using Steps = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;
enum GradientMethod { kGemm, kDepthwise };

struct PyWeightGradient {
  std::unique_ptr<WeightGradient> plan;
  int64_t offset;  // bytes from dw's first element to tap 0
};

void construct(PyWeightGradient* self, const Sizes& sizes, const std::vector<AxisTuple>& axes,
               const Steps& steps, int type, bool complex_numbers, bool wide, int64_t offset, int method) {
  LayerProblem p;
  std::tie(p.batch, p.groups, p.in_channels, p.out_channels) = sizes;
  for (const auto& [in, out, taps, stride, dilation, pad, boundary, in_step, weight_step, out_step] : axes)
    p.axes.push_back(
        {in, out, taps, stride, dilation, pad, Boundary(boundary), in_step, weight_step, out_step, 0});
  std::tie(p.in_batch_step, p.in_channel_step, p.weight_out_step, p.weight_in_step, p.out_batch_step,
           p.out_channel_step) = steps;
  p.in = p.weight = p.out = DType(type);
  p.compute = wide ? Compute::f64 : Compute::f32;
  p.complex_numbers = complex_numbers;
  std::unique_ptr<WeightGradient> plan;
  switch (GradientMethod(method)) {
    case kGemm:
      plan = plan_weight_gradient_gemm(p, selected_isa());
      break;
    case kDepthwise:
      plan = plan_weight_gradient_depthwise(p, selected_isa());
      break;
    default:
      throw std::invalid_argument("unknown method");
  }
  new (self) PyWeightGradient{std::move(plan), offset};
}

void run(const PyWeightGradient& self, nb::handle x_array, nb::handle g_array, nb::handle dw_array,
         int threads, bool release) {
  const Pointer x(x_array, false), g(g_array, false), dw(dw_array, true);
  const WeightGradientArrays arrays{x.get(), g.get(), dw.get() + self.offset};
  if (!release) {
    self.plan->run(arrays, 1, {});
    return;
  }
  {
    GilReleased nogil;
    self.plan->run(arrays, threads > 0 ? threads : num_threads(), {&interrupted, nullptr});
  }
  if (PyErr_Occurred()) throw nb::python_error();
}

nb::dict summary(const PyWeightGradient& self) {
  return summary_of(self.plan->summary(), 0);
}

}  // namespace

void bind_layer_weight_gradient(nb::module_& m) {
  nb::class_<PyWeightGradient>(
      m, "WeightGradient", "The planned gradient of a layer's weights: fixed shapes and strides, any arrays.")
      .def("__init__", &construct, nb::arg("sizes"), nb::arg("axes"), nb::arg("steps"), nb::arg("type"),
           nb::arg("complex_numbers"), nb::arg("wide"), nb::arg("offset"), nb::arg("method"))
      .def("run", &run, nb::arg("x"), nb::arg("g"), nb::arg("dw"), nb::arg("threads"), nb::arg("release"))
      .def("summary", &summary);
}

}  // namespace faltung::bindings
