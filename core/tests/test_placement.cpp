// Where workers may run, as the system sees it.
#ifdef __linux__

#include <sched.h>

#include <atomic>
#include <thread>

#include "core/base/pool.h"
#include "core/tests/check.h"

namespace {

struct Seen {
  bool caller_stayed = false;  // on one core from before the job until after it
  int callers_core = -1;
  cpu_set_t worker{};  // what the worker with thread number 1 may use
};

// A job in which every one of `threads` threads takes part.
Seen run_job(int threads) {
  Seen seen;
  std::atomic<int> arrived{0};
  const int before = sched_getcpu();
  faltung::parallel_for(threads, threads, [&](std::int64_t, int thread) {
    ++arrived;
    while (arrived < threads) std::this_thread::yield();
    if (thread == 0) seen.callers_core = sched_getcpu();
    if (thread == 1) sched_getaffinity(0, sizeof seen.worker, &seen.worker);
  });
  seen.caller_stayed = before == seen.callers_core && before == sched_getcpu();
  return seen;
}

int cores() {
  cpu_set_t mine;
  return sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine) : 1;
}

}  // namespace

FALTUNG_TEST(workers_stay_off_the_core_of_the_caller) {
  if (cores() < 2) return;
  run_job(2);  // a worker that has just been started is placed by the next job
  int judged = 0;
  for (int repeat = 0; repeat < 200 && judged < 5; ++repeat) {
    const Seen seen = run_job(2);
    if (!seen.caller_stayed) continue;
    CHECK(!CPU_ISSET(seen.callers_core, &seen.worker));
    CHECK(CPU_COUNT(&seen.worker) == cores() - 1);
    ++judged;
  }
  CHECK(judged > 0);
}

FALTUNG_TEST(a_team_larger_than_the_machine_may_use_every_core) {
  const int threads = cores() + 1;
  if (threads > 64) return;
  run_job(threads);
  const Seen seen = run_job(threads);
  CHECK(CPU_COUNT(&seen.worker) == cores());
}

#endif
