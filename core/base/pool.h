// The thread pool: one job at a time, units handed out by a counter.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace faltung {

/// The most threads that may be asked for.
inline constexpr int max_threads = 4096;

/// CPUs that the calling thread may use: its affinity, cut by the CPU quota of its cgroup, at least 1.
/// The affinity is asked every time (under a microsecond), the quota at most once a second.
int cpu_limit();

/// Threads to use where nobody asks for a number: what set_num_threads() was given, else FALTUNG_NUM_THREADS
/// (read at the first call; empty means unset), else cpu_limit(). Throws std::invalid_argument where
/// FALTUNG_NUM_THREADS is no integer from 1 to max_threads.
int num_threads();

/// Throws std::invalid_argument unless 1 <= n <= max_threads.
void set_num_threads(int n);

/// A question to the outside world: may the job go on? Asked by the thread that called parallel_for, and by
/// no other, between its units and while it waits for the rest, about every 20 ms; true stops the job. May
/// throw.
struct Poll {
  bool (*stop)(void*) = nullptr;
  void* context = nullptr;
};

/// A borrowed callable void(int64_t unit, int thread): two pointers, no allocation. Lives as long as the
/// callable.
class Body {
 public:
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, Body> && std::invocable<F&, std::int64_t, int>)
  Body(F&& callable) noexcept  // NOLINT(google-explicit-constructor): lambdas are passed as they are
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, std::int64_t unit, int thread) {
          (*static_cast<std::remove_reference_t<F>*>(object))(unit, thread);
        }) {}

  void operator()(std::int64_t unit, int thread) const { call_(object_, unit, thread); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, int);
};

/// Runs body(unit, thread) once for every unit in [0, units), on at most `threads` threads.
///
/// The caller is thread 0; `thread` is in [0, max(threads, 1)) and no two running bodies share one. Units
/// start in ascending order. Returns when every started unit has ended: true, or false where `poll` stopped
/// the job. An exception of a body stops the job, and the first one is rethrown here.
///
/// Runs on the caller alone where `threads` or `units` is 1, inside another body, where another thread's job
/// has the workers (two jobs never compete for the cores, and none waits), or where no thread can be started.
///
/// Bodies and poll run in the default floating-point environment (round to nearest, subnormals kept), so that
/// a result depends neither on the thread nor on what other libraries did to the caller's. A body must not
/// fork; all other forks are safe, and the child begins with no workers.
bool parallel_for(std::int64_t units, int threads, Body body, Poll poll = {});

}  // namespace faltung
