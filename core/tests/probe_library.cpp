// A shared library with the pool inside, as the Python extension is one; see
// library_with_workers_can_be_closed.
#include <atomic>

#include "core/base/pool.h"

extern "C" __attribute__((visibility("default"))) int faltung_probe_run();

extern "C" int faltung_probe_run() {
  std::atomic<int> units{0};
  faltung::parallel_for(1000, 4, [&](std::int64_t, int) { ++units; });
  return units;
}
