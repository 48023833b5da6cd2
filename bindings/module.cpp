#include "bindings/bindings.h"

NB_MODULE(_core, m) {
  m.doc() = "The compiled core of faltung. Private: use the names of the package.";
  faltung::bindings::bind_machine(m);
  faltung::bindings::bind_correlation(m);
  faltung::bindings::bind_call_cache(m);
}
