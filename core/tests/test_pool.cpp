#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/base/pool.h"
#include "core/tests/check.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using faltung::parallel_for;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Keeps a thread busy, so that others get their share of the units.
static void work_for(Clock::duration duration) {
  const Clock::time_point end = Clock::now() + duration;
  while (Clock::now() < end) {
  }
}

static bool every_unit_once(std::int64_t units, int threads) {
  std::vector<std::atomic<int>> hits(static_cast<std::size_t>(units));
  std::atomic<bool> thread_in_range{true};
  const bool done = parallel_for(units, threads, [&](std::int64_t unit, int thread) {
    hits[static_cast<std::size_t>(unit)].fetch_add(1);
    if (thread < 0 || thread >= std::max(threads, 1)) thread_in_range = false;
  });
  return done && thread_in_range && std::all_of(hits.begin(), hits.end(), [](auto& n) { return n == 1; });
}

FALTUNG_TEST(pool_runs_every_unit_once) {
  for (const int threads : {1, 2, 3, 8})
    for (const std::int64_t units : {0, 1, 2, 3, 7, 100, 5000}) CHECK(every_unit_once(units, threads));
}

FALTUNG_TEST(pool_takes_odd_requests) {
  CHECK(every_unit_once(10, 0));
  CHECK(every_unit_once(10, -5));
  CHECK(every_unit_once(10, std::numeric_limits<int>::max()));
  CHECK(parallel_for(-3, 2, [](std::int64_t, int) { CHECK(false); }));
}

FALTUNG_TEST(pool_does_many_small_jobs) {
  std::int64_t total = 0;
  for (int job = 0; job < 20000; ++job) {
    std::atomic<std::int64_t> sum{0};
    parallel_for(4, 2 + job % 3, [&](std::int64_t unit, int) { sum += unit; });
    total += sum;
  }
  CHECK(total == 20000 * 6);
}

FALTUNG_TEST(pool_wakes_after_sleep) {
  for (int job = 0; job < 100; ++job) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));  // beyond the time that workers stay awake
    CHECK(every_unit_once(50, 2 + job % 5));
  }
}

FALTUNG_TEST(pool_uses_the_threads_it_was_given) {
  std::vector<std::thread::id> ids(4);
  std::atomic<int> arrived{0};
  const Clock::time_point limit = Clock::now() + std::chrono::seconds(20);
  parallel_for(4, 4, [&](std::int64_t, int thread) {
    ids[static_cast<std::size_t>(thread)] = std::this_thread::get_id();
    ++arrived;
    while (arrived < 4 && Clock::now() < limit) std::this_thread::yield();  // no one can do two units
  });
  CHECK(arrived == 4);
  CHECK(ids[0] == std::this_thread::get_id());
  std::sort(ids.begin(), ids.end());
  CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
}

// No two bodies that run at the same time have one thread number: a scratch buffer per number needs no lock.
FALTUNG_TEST(pool_thread_numbers_are_exclusive) {
  std::vector<int> plain(4, 0);  // not atomic: ThreadSanitizer would see a shared number
  for (int job = 0; job < 200; ++job)
    parallel_for(64, 4, [&](std::int64_t, int thread) { ++plain[static_cast<std::size_t>(thread)]; });
  CHECK(std::accumulate(plain.begin(), plain.end(), 0) == 200 * 64);
}

FALTUNG_TEST(pool_rethrows_the_exception) {
  for (const int threads : {1, 2, 4}) {
    for (const std::int64_t bad : {0, 13, 99}) {
      CHECK_THROWS(std::runtime_error, "unit " + std::to_string(bad),
                   parallel_for(100, threads, [bad](std::int64_t unit, int) {
                     if (unit == bad) throw std::runtime_error("unit " + std::to_string(unit));
                   }));
      CHECK(every_unit_once(100, threads));  // the pool is as good as before
    }
  }
}

FALTUNG_TEST(pool_survives_exceptions_everywhere) {
  for (int job = 0; job < 500; ++job)
    CHECK_THROWS(std::runtime_error, "all",
                 parallel_for(64, 4, [](std::int64_t, int) { throw std::runtime_error("all"); }));
}

FALTUNG_TEST(pool_stops_after_an_exception) {
  std::atomic<int> started{0};
  CHECK_THROWS(std::runtime_error, "stop", parallel_for(1'000'000, 2, [&](std::int64_t, int) {
                 ++started;
                 throw std::runtime_error("stop");
               }));
  CHECK(started <= 2);
}

FALTUNG_TEST(pool_runs_nested_jobs_inline) {
  std::atomic<int> inner{0};
  std::atomic<int> wrong_thread{0};
  parallel_for(8, 4, [&](std::int64_t, int) {
    const std::thread::id here = std::this_thread::get_id();
    parallel_for(16, 4, [&](std::int64_t, int thread) {
      ++inner;
      if (thread != 0 || std::this_thread::get_id() != here) ++wrong_thread;
    });
  });
  CHECK(inner == 8 * 16 && wrong_thread == 0);
  parallel_for(1, 1, [&](std::int64_t, int) {  // also where the outer job had no need of workers
    parallel_for(16, 4, [&](std::int64_t, int thread) { wrong_thread += thread; });
  });
  CHECK(wrong_thread == 0);
}

FALTUNG_TEST(pool_serves_many_callers) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&wrong, caller] {
      for (int job = 0; job < 300; ++job) {
        if (!every_unit_once(1 + (job * 7 + caller) % 40, 1 + job % 4)) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

// While one job has the workers, another runs on its own thread: it neither waits nor starts more of them.
FALTUNG_TEST(pool_second_job_runs_alone_at_once) {
  std::atomic<bool> release{false};
  std::atomic<int> inside{0};
  std::thread first([&] {
    parallel_for(2, 2, [&](std::int64_t, int) {
      ++inside;
      while (!release) std::this_thread::yield();
    });
  });
  while (inside < 2) std::this_thread::yield();
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  CHECK(parallel_for(100, 4, [&](std::int64_t, int thread) {
    if (thread != 0 || std::this_thread::get_id() != here) ++elsewhere;
  }));
  CHECK(elsewhere == 0);
  CHECK(inside == 2);
  release = true;
  first.join();
}

static bool count_and_stop(void* context) {
  auto& [calls, stop_at, thread] = *static_cast<std::tuple<int, int, std::thread::id>*>(context);
  thread = std::this_thread::get_id();
  return ++calls == stop_at;
}

FALTUNG_TEST(pool_poll_stops_the_job) {
  for (const int threads : {1, 2, 4}) {
    std::tuple<int, int, std::thread::id> asked{0, 3, {}};
    std::atomic<int> done{0};
    CHECK(!parallel_for(1'000'000, threads, [&](std::int64_t, int) { work_for(milliseconds(1)), ++done; },
                        {count_and_stop, &asked}));
    CHECK(done > 0 && done < 1'000'000);
    CHECK(std::get<0>(asked) == 3);  // and never after the answer
    CHECK(std::get<2>(asked) == std::this_thread::get_id());
    CHECK(every_unit_once(100, threads));
  }
}

// The caller has nothing left to do, and a worker is in a unit that does not end: the caller goes on asking.
FALTUNG_TEST(pool_polls_while_it_waits) {
  std::tuple<int, int, std::thread::id> asked{0, 4, {}};
  std::atomic<bool> release{false};
  const auto stop = [](void* context) {
    auto& [inner, flag] = *static_cast<std::pair<void*, std::atomic<bool>*>*>(context);
    const bool answer = count_and_stop(inner);
    if (answer) *flag = true;
    return answer;
  };
  std::pair<void*, std::atomic<bool>*> context{&asked, &release};
  std::atomic<int> arrived{0};
  CHECK(!parallel_for(2, 2,
                      [&](std::int64_t, int thread) {
                        ++arrived;
                        while (arrived < 2) std::this_thread::yield();
                        while (thread != 0 && !release) std::this_thread::yield();
                      },
                      {stop, &context}));
  CHECK(std::get<0>(asked) == 4);
}

FALTUNG_TEST(pool_poll_that_says_no_changes_nothing) {
  std::tuple<int, int, std::thread::id> asked{0, -1, {}};
  std::atomic<int> done{0};
  CHECK(parallel_for(100, 2, [&](std::int64_t, int) { work_for(milliseconds(1)), ++done; },
                     {count_and_stop, &asked}));
  CHECK(done == 100);
  CHECK(std::get<0>(asked) >= 1);
  bool ever_unasked = false;  // a short job is not asked about, unless something else took the processor
  for (int job = 0; job < 1000 && !ever_unasked; ++job) {
    std::get<0>(asked) = 0;
    CHECK(parallel_for(10, 2, [](std::int64_t, int) {}, {count_and_stop, &asked}));
    ever_unasked = std::get<0>(asked) == 0;
  }
  CHECK(ever_unasked);
}

FALTUNG_TEST(pool_poll_may_throw) {
  for (const int threads : {1, 3}) {
    const auto poll = [](void*) -> bool { throw std::runtime_error("from poll"); };
    CHECK_THROWS(
        std::runtime_error, "from poll",
        parallel_for(1'000'000, threads, [](std::int64_t, int) { work_for(milliseconds(1)); }, {poll}));
    CHECK(every_unit_once(100, threads));
  }
}

#if defined(__x86_64__)
// Whatever another library did to the calling thread, bodies keep subnormals; and the caller's state comes
// back.
FALTUNG_TEST(pool_bodies_have_the_default_float_environment) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // flush subnormal results, read subnormals as zero
  std::atomic<int> flushed{0};
  for (const int threads : {1, 4}) {
    parallel_for(64, threads, [&](std::int64_t, int) {
      volatile float tiny = 1e-39f;
      if (tiny * 0.5f == 0.0f) ++flushed;
      work_for(std::chrono::microseconds(20));
    });
  }
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK(flushed == 0);
  CHECK((after & 0x8040) == 0x8040);
}
#endif

// Two short halves with the worker asleep between jobs. What that gains is a line of faltung_core_bench.
FALTUNG_TEST(pool_does_short_jobs_after_sleep) {
  for (int job = 0; job < 100; ++job) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    std::atomic<int> done{0};
    CHECK(parallel_for(2, 2, [&](std::int64_t, int) { work_for(std::chrono::microseconds(100)), ++done; }));
    CHECK(done == 2);
  }
}
