// Arrays to pointers, exceptions, the GIL; no arithmetic.
#pragma once
#include <nanobind/nanobind.h>

namespace faltung::bindings {

void bind_machine(nanobind::module_& m);
void bind_correlation(nanobind::module_& m);
void bind_layer(nanobind::module_& m);
void bind_layer_pair(nanobind::module_& m);
void bind_layer_weight_gradient(nanobind::module_& m);
void bind_call_cache(nanobind::module_& m);
void bind_layer_cache(nanobind::module_& m);

}  // namespace faltung::bindings
