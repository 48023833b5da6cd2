// Forks at bad moments. In the child nothing of the parent's pool may be waited for.
#include "core/tests/child.h"

#ifdef FALTUNG_HAVE_FORK

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base/pool.h"
#include "core/tests/check.h"

using faltung::parallel_for;
using faltung::tests::child_succeeded;
using faltung::tests::in_child;
using faltung::tests::run_as_child;

static bool sums_right(int threads) {
  std::atomic<std::int64_t> sum{0};
  parallel_for(200, threads, [&](std::int64_t unit, int) { sum += unit; });
  return sum == 199 * 100;
}

// ThreadSanitizer's run-time library cannot start threads in a child whose parent had more of them running.
#ifdef __SANITIZE_THREAD__
constexpr int child_threads = 1;
#else
constexpr int child_threads = 3;
#endif

static void spin(int microseconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(microseconds);
  while (std::chrono::steady_clock::now() < end) {
  }
}

FALTUNG_TEST(fork_after_the_pool_has_run) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    CHECK(sums_right(4));
    CHECK(in_child([] { return sums_right(1) && sums_right(4) && sums_right(2); }));
  }
}

FALTUNG_TEST(fork_in_a_forked_child) {
  CHECK(sums_right(3));
  CHECK(in_child([] { return sums_right(3) && in_child([] { return sums_right(3); }) && sums_right(3); }));
}

FALTUNG_TEST(fork_child_really_has_workers) {
  CHECK(sums_right(2));
  CHECK(in_child([] {
    std::atomic<int> arrived{0};
    parallel_for(2, 2, [&](std::int64_t, int) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();  // the alarm ends it where no second thread comes
    });
    return arrived == 2;
  }));
}

FALTUNG_TEST(fork_while_others_run_jobs) {
  std::atomic<bool> end{false};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      while (!end) parallel_for(16, 3, [](std::int64_t, int) { spin(20); });
    });
  }
  std::vector<pid_t> children;
  for (int repeat = 0; repeat < 40; ++repeat) {
    const pid_t child = fork();
    if (child == 0) run_as_child([] { return sums_right(1) && sums_right(child_threads); });
    children.push_back(child);
    spin(100 + 37 * repeat);
  }
  for (const pid_t child : children) CHECK(child_succeeded(child));
  end = true;
  for (std::thread& caller : callers) caller.join();
  CHECK(sums_right(3));
}

// A signal handler that poll runs may fork. The child has lost the workers of the running job and says so.
FALTUNG_TEST(fork_inside_poll) {
  struct Context {
    pid_t child = -1;
  } context;
  const auto poll = [](void* c) {
    auto& child = static_cast<Context*>(c)->child;
    if (child < 0) child = fork();
    return false;
  };
  bool told = false;
  bool done = false;
  try {
    done = parallel_for(100, 2, [](std::int64_t, int) { spin(1000); }, {poll, &context});
  } catch (const std::runtime_error& error) {
    told = std::string(error.what()).find("forked inside a running call") != std::string::npos;
  }
  if (context.child == 0) run_as_child([told] { return told && sums_right(child_threads); });
  CHECK(done && !told);
  CHECK(child_succeeded(context.child));
  CHECK(sums_right(3));
}

FALTUNG_TEST(exit_while_workers_sleep_or_work) {
  // exit() runs static destructors while workers exist; the status tells that nothing crashed.
  for (const bool working : {false, true}) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(faltung::tests::child_seconds);
      sums_right(4);
      if (working) {
        static std::atomic<int> inside{0};
        std::thread([] {
          parallel_for(2, 2, [](std::int64_t, int) {
            ++inside;
            spin(30'000'000);
          });
        }).detach();
        while (inside < 2) std::this_thread::yield();
      }
      std::exit(0);
    }
    CHECK(child_succeeded(child));
  }
}

#endif
