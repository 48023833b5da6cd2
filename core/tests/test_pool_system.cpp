// What workers owe to the program around them: signals, and libraries that are unloaded.
#if defined(__unix__) || defined(__APPLE__)

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "core/base/pool.h"
#include "core/tests/check.h"
#include "core/tests/child.h"

FALTUNG_TEST(workers_take_no_signals) {
  std::atomic<int> wrong{0};
  std::atomic<int> arrived{0};
  faltung::parallel_for(3, 3, [&](std::int64_t, int thread) {
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    const bool blocked = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 &&
                         sigismember(&mask, SIGALRM) == 1;
    if (blocked != (thread != 0)) ++wrong;
    if (sigismember(&mask, SIGSEGV) == 1) ++wrong;  // a crash is still reported where it happens
  });
  CHECK(wrong == 0);
}

// The probe library has a pool of its own. Its workers sleep in its code: closing it must not unmap that.
FALTUNG_TEST(library_with_workers_can_be_closed) {
#ifdef FALTUNG_PROBE_LIBRARY
  CHECK(faltung::tests::in_child([] {
    for (int repeat = 0; repeat < 3; ++repeat) {
      void* library = dlopen(FALTUNG_PROBE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) return false;
      const auto run = reinterpret_cast<int (*)()>(dlsym(library, "faltung_probe_run"));
      if (run == nullptr || run() != 1000) return false;
      dlclose(library);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }));
#endif
}

#endif
