#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>

#include "bindings/bindings.h"
#include "bindings/gil.h"
#include "core/base/cpu.h"
#include "core/base/pool.h"
#include "core/kernels/select.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

std::vector<std::string> available() {
  std::vector<std::string> names;
  for (const Isa isa : available_isas()) names.push_back(isa_name(isa));
  return names;
}

// Multiply-adds of one thread, in operations a second (two each): the largest tile with its operands in L1.
template <class T>
double fma_ceiling(double seconds) {
  const StencilTable<T>& table = stencil_table<T>(selected_isa());
  const StencilKernel<T>* best = nullptr;
  for (int i = 0; i < table.count; ++i) {
    const StencilKernel<T>& k = table.kernels[i];
    if (!k.complex_weights &&
        (!best || k.rows * k.vectors * k.group > best->rows * best->vectors * best->group))
      best = &k;
  }
  alignas(64) static thread_local T line[4096];
  alignas(64) static thread_local T weights[1024], c[4096];
  for (T& x : line) x = T(1);
  for (T& x : weights) x = T(0.5);
  const T* rows[64];
  for (const T*& row : rows) row = line;
  // Step 0: every tap reads the same aligned vectors, so that loads cost least.
  const StencilRun<T> run{weights, 0, 0, 1024 / best->group};
  const StencilArgs<T> args{rows,    &run,    1, 0, 0, 1, 0, c, int64_t(best->vectors) * best->lanes,
                            nullptr, nullptr, 0, 0};
  const double work = 2.0 * best->rows * best->vectors * best->lanes * best->group * double(run.taps);
  using clock = std::chrono::steady_clock;
  const auto end = clock::now() + std::chrono::duration<double>(seconds);
  double most = 0;
  while (clock::now() < end) {
    const auto start = clock::now();
    for (int i = 0; i < 200; ++i) best->run(args);
    most = std::max(most, 200 * work / std::chrono::duration<double>(clock::now() - start).count());
  }
  return most;
}

}  // namespace

void bind_machine(nb::module_& m) {
  m.def("isa", [] { return std::string(isa_name(selected_isa())); }, "The instruction set in use.");
  m.def("available_isas", &available, "The instruction sets that FALTUNG_ISA may name here, ascending.");
  m.def("cpu_features", &cpu_features, "Vector and matrix features of this processor.");
  m.def("cpu_limit", &cpu_limit,
        "CPUs that this thread may use: its affinity, cut by the CPU quota of its cgroup.");
  m.def("num_threads", &num_threads, "Threads that a call uses unless told otherwise.");
  m.def("set_num_threads", &set_num_threads, nb::arg("n"));
  m.def(
      "fma_ceiling",
      [](bool double_precision, double seconds) {
        GilReleased release;
        return double_precision ? fma_ceiling<double>(seconds) : fma_ceiling<float>(seconds);
      },
      nb::arg("double_precision"), nb::arg("seconds") = 0.2,
      "Operations a second of one thread on multiply-adds alone (a multiply-add counts two), best of the "
      "given time.");
}

}  // namespace faltung::bindings
