#include "bindings/layer.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/pointer.h"
#include "core/ops/dense.h"
#include "core/ops/depthwise.h"
#include "core/ops/grouped_run.h"
#include "core/ops/matrix.h"
#include "core/ops/planes.h"
#include "core/ops/transposed.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

using AxisTuple =
    std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int, int64_t, int64_t, int64_t, int64_t>;
using Sizes = std::tuple<int64_t, int64_t, int64_t, int64_t>;
using Steps = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>;
using Types = std::tuple<int, int, int, int>;
using Function = std::tuple<int, double, double>;
using Blocks = std::tuple<std::vector<int64_t>, bool, bool, bool>;  // block, folded, local, keep
enum LayerMethod { kReference, kGemm, kDepthwise, kGrouped, kPlanes, kSpectral, kMatrix };

std::unique_ptr<Layer> plan_by(LayerMethod method, const LayerProblem& p, const Blocks& spectral,
                               int products) {
  switch (method) {
    case kReference:
      return plan_layer_reference(p);
    case kGemm:
      return plan_dense(p, selected_isa());
    case kDepthwise:
      return plan_depthwise(p, selected_isa());
    case kPlanes:
      return plan_planes(p, selected_isa(), nullptr);
    case kSpectral: {
      SpectralOptions options;
      std::tie(options.block, options.folded, options.local, options.keep) = spectral;
      return plan_planes(p, selected_isa(), &options);
    }
    case kGrouped:
      return plan_grouped(p, selected_isa());
    case kMatrix:
      return plan_matrix(p, products, selected_isa());
  }
  throw std::invalid_argument("unknown method");
}

void construct(PyLayer* self, const Sizes& sizes, const std::vector<AxisTuple>& axes, const Steps& steps,
               const Types& types, bool complex_numbers, int store, bool bias, bool residual,
               const Function& activation, int64_t in_zero, const std::vector<int64_t>& weight_zero,
               int64_t weight_offset, int method, bool transposed, const Blocks& spectral, bool channels_last,
               int products) {
  LayerProblem p;
  std::tie(p.batch, p.groups, p.in_channels, p.out_channels) = sizes;
  for (const auto& [in, out, taps, stride, dilation, pad, boundary, in_step, weight_step, out_step,
                    residual_step] : axes)
    p.axes.push_back({in, out, taps, stride, dilation, pad, Boundary(boundary), in_step, weight_step,
                      out_step, residual_step});
  std::tie(p.in_batch_step, p.in_channel_step, p.weight_out_step, p.weight_in_step, p.out_batch_step,
           p.out_channel_step, p.residual_batch_step, p.residual_channel_step) = steps;
  const auto [in, weight, out, compute] = types;
  p.in = DType(in), p.weight = DType(weight), p.out = DType(out), p.compute = Compute(compute);
  p.order = channels_last ? ChannelOrder::last : ChannelOrder::first;
  p.complex_numbers = complex_numbers;
  p.store = Store(store);
  p.bias = bias;
  p.residual = residual;
  const auto [name, lo, hi] = activation;
  p.activation = Activation(name), p.lo = lo, p.hi = hi;
  p.in_zero = in_zero;
  p.weight_zero = weight_zero;
  const auto by_method = [&](const LayerProblem& one) {
    return plan_by(LayerMethod(method), one, spectral, products);
  };
  const TransposedWay way = method == kReference                   ? TransposedWay::apart
                            : method == kGemm || method == kMatrix ? TransposedWay::together
                                                                   : TransposedWay::woven;
  std::unique_ptr<Layer> plan =
      transposed ? plan_transposed(p, by_method, way, selected_isa()) : by_method(p);
  new (self) PyLayer{std::move(p), std::move(plan), weight_offset};
}

PyPacked* pack(const PyLayer& self, nb::handle weights, int threads) {
  const Pointer w(weights, false);
  auto packed = std::make_unique<PyPacked>();
  packed->memory.reserve(size_t(self.plan->packed_bytes()));
  pack_layer(self, w.get(), packed->memory.data(), threads, true);
  return packed.release();
}

bool run(const PyLayer& self, nb::handle in, const PyPacked& packed, nb::handle bias, nb::handle residual,
         nb::handle out, int threads, bool release) {
  const Pointer x(in, false), b(bias, false), r(residual, false), y(out, true);
  return run_layer(self, {x.get(), packed.memory.data(), b.get(), r.get(), y.get()}, threads, release);
}

nb::dict summary(const PyLayer& self) {
  return summary_of(self.plan->summary(), self.plan->packed_bytes());
}

}  // namespace

void pack_layer(const PyLayer& self, const char* weights, void* packed, int threads, bool release) {
  const char* first = weights + self.weight_offset;
  if (!release) return self.plan->pack(first, packed, 1);
  GilReleased nogil;
  self.plan->pack(first, packed, threads > 0 ? threads : num_threads());
}

bool run_layer(const PyLayer& self, const LayerArrays& arrays, int threads, bool release) {
  if (!release) return self.plan->run(arrays, 1, {}).reported;
  Outcome outcome;
  {
    GilReleased nogil;
    outcome = self.plan->run(arrays, threads > 0 ? threads : num_threads(), {&interrupted, nullptr});
  }
  if (PyErr_Occurred()) throw nb::python_error();
  return outcome.reported;
}

nb::dict summary_of(const LayerSummary& s, int64_t weight_bytes) {
  nb::dict d;
  d["kernel"] = s.kernel;
  d["tile"] = nb::make_tuple(s.tile_positions, s.tile_channels);
  d["strip"] = s.strip;
  d["chunk"] = s.chunk;
  d["splits"] = s.splits;
  d["units"] = s.units;
  d["scratch_bytes"] = s.scratch;
  d["shared_bytes"] = s.shared;
  d["weight_bytes"] = weight_bytes;
  d["packs_input"] = s.packs_input;
  d["turns_output"] = s.turns_output;
  return d;
}

void bind_layer(nb::module_& m) {
  nb::class_<PyPacked>(m, "PackedWeights", "Weights as a planned layer wants them.")
      .def_prop_ro("nbytes", [](const PyPacked& self) { return self.memory.size(); });
  nb::class_<PyLayer>(m, "Layer", "A planned layer: fixed shapes and strides, any arrays.")
      .def("__init__", &construct, nb::arg("sizes"), nb::arg("axes"), nb::arg("steps"), nb::arg("types"),
           nb::arg("complex_numbers"), nb::arg("store"), nb::arg("bias"), nb::arg("residual"),
           nb::arg("activation"), nb::arg("in_zero"), nb::arg("weight_zero"), nb::arg("weight_offset"),
           nb::arg("method"), nb::arg("transposed"), nb::arg("spectral") = Blocks{{}, false, false, false},
           nb::arg("channels_last") = false, nb::arg("products") = 6)
      .def("pack", &pack, nb::arg("weights"), nb::arg("threads"))
      .def("run", &run, nb::arg("x"), nb::arg("packed"), nb::arg("bias").none(), nb::arg("residual").none(),
           nb::arg("out"), nb::arg("threads"), nb::arg("release"))
      .def("summary", &summary);
}

}  // namespace faltung::bindings
