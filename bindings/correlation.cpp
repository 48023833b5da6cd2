#include "bindings/correlation.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "bindings/bindings.h"
#include "bindings/pointer.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

using AxisTuple =
    std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int, int64_t, int64_t, int64_t, int64_t>;
enum Method { kDirect, kReference, kSeparable, kSpectral };
using BatchTuple = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>;

// The definition itself as a plan.
class Definition final : public Correlation {
 public:
  explicit Definition(const Problem& problem) : problem_(problem) { summary_.kernel = "reference"; }
  Outcome run(const void* in, const void* kernel, void* out, int threads, Poll poll) const override {
    return run_reference(problem_, whole(problem_), in, kernel, out, threads, poll);
  }
  const Summary& summary() const override { return summary_; }

 private:
  Problem problem_;
  Summary summary_;
};

void construct(PyCorrelation* self, const std::vector<AxisTuple>& axes, const std::vector<BatchTuple>& batch,
               int in, int kernel, int out, int compute, bool complex_samples, bool complex_kernel,
               bool conjugate, bool zero_fill, int store, nb::bytes fill, int64_t kernel_offset, int method,
               int terms, const std::vector<int64_t>& block, bool folded, bool local, bool keep) {
  Problem p;
  for (const auto& [n, m, taps, stride, dilation, pad, boundary, in_step, kernel_step, out_step, order] :
       axes)
    p.axes.push_back(
        {n, m, taps, stride, dilation, pad, Boundary(boundary), in_step, kernel_step, out_step, order});
  for (const auto& [size, in_step, kernel_step, out_step, order] : batch)
    p.batch.push_back({size, in_step, kernel_step, out_step, order});
  p.in = DType(in);
  p.kernel = DType(kernel);
  p.out = DType(out);
  p.compute = Compute(compute);
  p.complex_samples = complex_samples;
  p.complex_kernel = complex_kernel;
  p.conjugate = conjugate;
  p.zero_fill = zero_fill;
  p.store = Store(store);
  std::memcpy(p.fill, fill.c_str(), std::min(sizeof(p.fill), fill.size()));
  std::unique_ptr<Correlation> plan;
  if (p.compute == Compute::wide) method = kReference;
  switch (method) {
    case kReference:
      plan = std::make_unique<Definition>(p);
      break;
    case kSeparable:
      plan = plan_separable(p, terms, selected_isa());
      break;
    case kSpectral:
      plan = plan_spectral(p, {block, folded, local, keep}, selected_isa());
      break;
    default:
      plan = plan_stencil(p, selected_isa());
  }
  new (self) PyCorrelation{std::move(plan), kernel_offset};
}

bool run(const PyCorrelation& self, nb::handle in, nb::handle kernel, nb::handle out, int threads,
         bool release) {
  const Pointer a(in, false), k(kernel, false), y(out, true);
  return run_correlation(self, a.get(), k.get(), y.get(), threads, release);
}

nb::dict summary(const PyCorrelation& self) {
  const Summary& s = self.plan->summary();
  nb::dict d;
  d["kernel"] = s.kernel;
  d["tile"] = nb::make_tuple(s.tile_rows, s.tile_columns, s.tile_group);
  d["unit"] = nb::make_tuple(s.strip_rows, s.block_columns);
  d["units"] = s.units;
  d["partial_sums"] = s.calls;
  d["scratch_bytes"] = s.scratch;
  d["weight_bytes"] = s.packed_weights;
  d["reads_in_place"] = s.reads_in_place;
  d["writes_in_place"] = s.writes_in_place;
  d["block"] = nb::tuple(nb::cast(s.block));
  return d;
}

}  // namespace

bool run_correlation(const PyCorrelation& self, const char* in, const char* kernel, char* out, int threads,
                     bool release) {
  const char* taps = kernel + self.kernel_offset;
  if (!release) return self.plan->run(in, taps, out, 1, {}).reported;
  Outcome outcome;
  {
    GilReleased nogil;
    outcome = self.plan->run(in, taps, out, threads > 0 ? threads : num_threads(), {&interrupted, nullptr});
  }
  if (PyErr_Occurred()) throw nb::python_error();
  return outcome.reported;
}

void bind_correlation(nb::module_& m) {
  nb::class_<PyCorrelation>(m, "Correlation", "A planned correlation: fixed shapes and strides, any arrays.")
      .def("__init__", &construct, nb::arg("axes"), nb::arg("batch"), nb::arg("dtype"),
           nb::arg("kernel_dtype"), nb::arg("out_dtype"), nb::arg("compute"), nb::arg("complex_samples"),
           nb::arg("complex_kernel"), nb::arg("conjugate"), nb::arg("zero_fill"), nb::arg("store"),
           nb::arg("fill"), nb::arg("kernel_offset"), nb::arg("method"), nb::arg("terms"), nb::arg("block"),
           nb::arg("folded"), nb::arg("local"), nb::arg("keep"))
      .def("run", &run, nb::arg("a"), nb::arg("kernel"), nb::arg("out"), nb::arg("threads"),
           nb::arg("release"))
      .def("summary", &summary);
}

}  // namespace faltung::bindings
