#include "bindings/bindings.h"

NB_MODULE(_core, m) {
  // Caches of decisions live as long as the process; that the interpreter ends before them is no leak.
  nanobind::set_leak_warnings(false);
  m.doc() = "The compiled core of faltung. Private: use the names of the package.";
  faltung::bindings::bind_machine(m);
  faltung::bindings::bind_correlation(m);
  faltung::bindings::bind_layer(m);
  faltung::bindings::bind_layer_pair(m);
  faltung::bindings::bind_layer_weight_gradient(m);
  faltung::bindings::bind_call_cache(m);
  faltung::bindings::bind_layer_cache(m);
}
