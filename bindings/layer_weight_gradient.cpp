// The gradient of a layer's weights.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <optional>
#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/decisions.h"
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

void run_on(const PyWeightGradient& self, const char* x, const char* g, char* dw, int threads, bool release) {
  const WeightGradientArrays arrays{x, g, dw + self.offset};
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

void run(const PyWeightGradient& self, nb::handle x_array, nb::handle g_array, nb::handle dw_array,
         int threads, bool release) {
  const Pointer x(x_array, false), g(g_array, false), dw(dw_array, true);
  run_on(self, x.get(), g.get(), dw.get(), threads, release);
}

// Calls that were decided before, by their raw arguments.
class WeightGradientCache {
 public:
  WeightGradientCache(nb::handle array_type, nb::handle empty, size_t limit)
      : array_type_(nb::borrow(array_type)), empty_(nb::borrow(empty)), decisions_(limit) {}

  // The result (`out` itself where it is given), or None where this call was not seen before.
  nb::object run(nb::handle x, nb::handle g, nb::handle out, nb::handle options) {
    thread_local std::vector<int64_t> key;
    key.clear();
    std::optional<RawArray> arrays[3];
    if (!open({x, g, out}, arrays, key)) return nb::none();
    std::optional<RawArray>& y = arrays[2];
    if (y && (y->touches(*arrays[0]) || y->touches(*arrays[1]))) return nb::none();
    const std::shared_ptr<const Entry> entry = decisions_.find(key, options);
    if (!entry) return nb::none();
    nb::object result = nb::borrow(out);
    if (!y) {
      result = new_array(empty_, entry->shape, entry->dtype);
      y.emplace(result, true);
      if (!y->held()) return nb::none();
    }
    run_on(*entry->plan, arrays[0]->data(), arrays[1]->data(), y->data(), entry->threads, entry->release);
    return result;
  }

  // `out` is None for calls that allocate their result.
  void add(nb::handle x, nb::handle g, nb::handle out, nb::handle options, nb::handle plan, nb::handle shape,
           nb::handle dtype, int threads, bool release) {
    auto entry = std::make_shared<Entry>();
    std::optional<RawArray> arrays[3];
    if (!open({x, g, out}, arrays, entry->key)) return;
    entry->options = nb::borrow(options);
    entry->plan_object = nb::borrow(plan);
    entry->plan = &nb::cast<const PyWeightGradient&>(plan);
    entry->shape = nb::borrow(shape);
    entry->dtype = nb::borrow(dtype);
    entry->threads = threads;
    entry->release = release;
    decisions_.add(std::move(entry));
  }

  void clear() { decisions_.clear(); }
  size_t size() { return decisions_.size(); }

 private:
  struct Entry : Decision {
    nb::object plan_object, shape, dtype;
    const PyWeightGradient* plan = nullptr;
    int threads = 1;
    bool release = false;
  };

  // False where one is no plain array in readable memory.
  bool open(const std::array<nb::handle, 3>& given, std::optional<RawArray> (&arrays)[3],
            std::vector<int64_t>& key) const {
    for (size_t i = 0; i < 3; ++i) {
      if (given[i].is_none()) {
        key.push_back(-1);
        continue;
      }
      if (Py_TYPE(given[i].ptr()) != reinterpret_cast<PyTypeObject*>(array_type_.ptr())) return false;
      arrays[i].emplace(given[i], i == 2);
      if (!arrays[i]->held() || !arrays[i]->aligned()) return false;
      arrays[i]->describe(key);
    }
    return true;
  }

  nb::object array_type_, empty_;
  Decisions<Entry> decisions_;
};

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
  nb::class_<WeightGradientCache>(m, "WeightGradientCache",
                                  "Decisions on gradients of weights by raw arguments.")
      .def(nb::init<nb::handle, nb::handle, size_t>(), nb::arg("array_type"), nb::arg("empty"),
           nb::arg("limit"))
      .def("run", &WeightGradientCache::run, nb::arg("x"), nb::arg("g"), nb::arg("out").none(),
           nb::arg("options"))
      .def("add", &WeightGradientCache::add, nb::arg("x"), nb::arg("g"), nb::arg("out").none(),
           nb::arg("options"), nb::arg("plan"), nb::arg("shape"), nb::arg("dtype"), nb::arg("threads"),
           nb::arg("release"))
      .def("clear", &WeightGradientCache::clear)
      .def("__len__", &WeightGradientCache::size);
}

}  // namespace faltung::bindings
