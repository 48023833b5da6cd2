#include "core/base/pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include "core/base/float_env.h"
#include "core/base/park.h"
#include "core/base/placement.h"
#include "core/base/worker_thread.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

// How a job goes
//   caller   claims the workers (`busy`), writes `job`, opens seats on `board`, wakes sleepers, does units
//   worker   takes a seat: board (joined, open) -> (joined + 1, open - 1), whose first is its thread number
//   anyone   who finds no unit left closes the board, so that late workers do not join
//   worker   leaves by counting itself in `finished`, and touches the job no more
//   caller   returns when `finished` has reached the `joined` of the closed board
// No lock exists, hence none can be left locked in a forked child; everything that workers touch after their
// job may have ended is static and trivially destructible, hence safe at any moment of the process's exit.

namespace faltung {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds poll_period{20};
// How long threads wait awake before they sleep. A wake-up takes 20 microseconds, and up to 100 after a long
// pause (2 cores of a Xeon, virtual machine, November 2026). A worker bridges the gap to the next job of one
// operation; a caller knows that an end is near. Neither yields its core in between: beside another program
// that costs a slice.
constexpr microseconds worker_awake{50};
constexpr microseconds caller_awake{100};

constexpr std::uint32_t one_joined = 1u << 16;
constexpr std::uint32_t open_mask = one_joined - 1;
constexpr std::uint32_t caller_sleeps = 1u << 31;
static_assert(max_threads < static_cast<int>(open_mask));

struct Job {
  Job(Body work, std::int64_t count) : body(work), units(count) {}

  bool take(std::int64_t& unit) {
    unit = next.fetch_add(1, std::memory_order_relaxed);
    return unit < units;
  }
  void stop() { next.store(units, std::memory_order_relaxed); }
  void fail(std::exception_ptr exception) {
    if (!failed.exchange(true)) error = std::move(exception);
    stop();
  }

  const Body body;
  const std::int64_t units;
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written by whoever set `failed`, read by the caller after all have left
  alignas(64) std::atomic<std::int64_t> next{0};
};

struct Pool {
  alignas(64) std::atomic<std::uint32_t> board{0};     // joined << 16 | open seats; workers sleep on it
  alignas(64) std::atomic<std::uint32_t> finished{0};  // workers that left | caller_sleeps
  alignas(64) std::atomic<Job*> job{nullptr};
  std::atomic<int> sleepers{0};
  std::atomic<bool> awake{false};  // no more threads than CPUs: waiting awake steals from no one
  std::atomic<bool> busy{false};
  std::atomic<int> workers{0};          // changed only by the holder of `busy`
  std::atomic<std::uint32_t> forks{0};  // how many forks lie between this process and the first
};

constinit Pool pool;
constinit thread_local bool inside_body = false;

#if defined(__unix__) || defined(__APPLE__)
// Registered when the library is loaded: no fork can come between a first job and its registration.
const int fork_handler = pthread_atfork(nullptr, nullptr, [] {
  park::reset_after_fork();
  placement::reset_after_fork();
  pool.board = 0;
  pool.finished = 0;
  pool.sleepers = 0;
  pool.workers = 0;
  pool.forks.fetch_add(1);
  pool.busy = false;
});
#endif

void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ __volatile__("yield");
#endif
}

template <class Condition>
bool stay_awake_until(Condition condition, microseconds period) {
  if (!pool.awake.load(std::memory_order_relaxed)) return condition();
  const Clock::time_point end = Clock::now() + period;
  do {
    for (int i = 0; i < 16; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return false;
}

class Poller {
 public:
  explicit Poller(Poll poll) : poll_(poll) {
    if (poll_.stop != nullptr) due_ = Clock::now() + poll_period;
  }
  bool active() const { return poll_.stop != nullptr && !stopped_; }
  bool stopped() const { return stopped_; }

  /// True exactly once: at the answer that stops the job.
  bool asks_to_stop() {
    if (!active() || Clock::now() < due_) return false;
    stopped_ = poll_.stop(poll_.context);
    due_ = Clock::now() + poll_period;
    return stopped_;
  }

 private:
  Poll poll_;
  Clock::time_point due_;
  bool stopped_ = false;
};

class InsideBody {
 public:
  InsideBody() : outer_(inside_body) { inside_body = true; }
  ~InsideBody() { inside_body = outer_; }
  InsideBody(const InsideBody&) = delete;
  InsideBody& operator=(const InsideBody&) = delete;

 private:
  bool outer_;
};

// Two each, so that waking n sleepers takes log n steps and costs no one more than one system call.
void wake_two() {
  if (pool.sleepers.load() > 0) park::wake(pool.board, 2);
}

void close_board() {
  pool.board.fetch_and(~open_mask);
}

void sleep_until_seat(std::uint32_t seen) {
  const auto open = [] { return (pool.board.load() & open_mask) != 0; };
  if (stay_awake_until(open, worker_awake)) return;
  pool.sleepers.fetch_add(
      1);  // before the word is looked at again: the caller opens seats, then counts sleepers
  park::wait(pool.board, seen, park::forever);
  pool.sleepers.fetch_sub(1);
}

void run_units(Job& job, int thread) noexcept {
  try {
    for (std::int64_t unit = 0; job.take(unit);) job.body(unit, thread);
  } catch (...) {
    job.fail(std::current_exception());
  }
  close_board();
}

void worker_main() {
  const FloatEnvironment environment;
  inside_body = true;
  placement::enter();
  std::uint32_t seen = pool.board.load();
  for (;;) {
    if ((seen & open_mask) == 0) {
      sleep_until_seat(seen);
      seen = pool.board.load();
    } else if (pool.board.compare_exchange_weak(seen, seen + one_joined - 1)) {
      if ((seen & open_mask) > 1) wake_two();
      run_units(*pool.job.load(std::memory_order_relaxed), static_cast<int>(seen / one_joined) + 1);
      if ((pool.finished.fetch_add(1) & caller_sleeps) != 0) park::wake(pool.finished, 1);
      seen = pool.board.load();
    }
  }
}

// One job on the claimed workers. Leaving its scope, by whatever way, first waits until no worker is in the
// job.
class SharedRun {
 public:
  SharedRun(Job& job, int threads) : job_(job), forks_(pool.forks.load()) {
    const bool fits = threads <= cpu_limit();
    pool.awake.store(fits, std::memory_order_relaxed);
    placement::keep_off_caller(fits);
    pool.finished.store(0);
    pool.job.store(&job, std::memory_order_relaxed);
    pool.board.store(static_cast<std::uint32_t>(threads - 1));
    wake_two();
    while (pool.workers.load() < threads - 1 && start_worker_thread(worker_main)) pool.workers.fetch_add(1);
  }
  ~SharedRun() {
    if (forked()) return;
    job_.stop();
    close_board();
    while (!everyone_left()) sleep_until_left(park::forever);
    pool.busy.store(false);
  }
  SharedRun(const SharedRun&) = delete;
  SharedRun& operator=(const SharedRun&) = delete;

  void work(Poller& poller) {
    for (std::int64_t unit = 0; !ask(poller) && job_.take(unit);) job_.body(unit, 0);
  }

  void wait(Poller& poller) {
    close_board();
    if (stay_awake_until(everyone_left, caller_awake)) return;
    while (!everyone_left()) {
      sleep_until_left(poller.active() ? std::chrono::nanoseconds(poll_period) : park::forever);
      ask(poller);
    }
  }

 private:
  // True inside a child that `poll` has forked: its workers, and the units they had, are in the parent.
  bool forked() const { return pool.forks.load() != forks_; }

  bool ask(Poller& poller) {
    const bool stop = poller.asks_to_stop();
    if (stop) job_.stop();
    if (forked())
      throw std::runtime_error("the process was forked inside a running call; only the parent ends it");
    return stop;
  }

  static bool everyone_left() {
    return (pool.finished.load() & ~caller_sleeps) == pool.board.load() / one_joined;
  }

  static void sleep_until_left(std::chrono::nanoseconds timeout) {
    const std::uint32_t seen = pool.finished.fetch_or(caller_sleeps) | caller_sleeps;
    if (!everyone_left()) park::wait(pool.finished, seen, timeout);
  }

  Job& job_;
  const std::uint32_t forks_;
};

bool run_shared(std::int64_t units, int threads, Body body, Poll poll) {
  Job job(body, units);
  Poller poller(poll);
  {
    SharedRun run(job, threads);
    try {
      run.work(poller);
      run.wait(poller);
#ifdef __GLIBCXX__
    } catch (const abi::__forced_unwind&) {  // the thread is being cancelled; swallowing that would abort
      throw;
#endif
    } catch (...) {
      job.fail(std::current_exception());
    }
  }
  if (job.error) std::rethrow_exception(job.error);
  return !poller.stopped();
}

bool run_alone(std::int64_t units, Body body, Poll poll) {
  Poller poller(poll);
  for (std::int64_t unit = 0; unit < units; ++unit) {
    if (poller.asks_to_stop()) return false;
    body(unit, 0);
  }
  return true;
}

}  // namespace

bool parallel_for(std::int64_t units, int threads, Body body, Poll poll) {
  const FloatEnvironment environment;
  const int team = static_cast<int>(std::min<std::int64_t>(units, std::min(threads, max_threads)));
  const bool alone = team <= 1 || inside_body || pool.busy.exchange(true);
  const InsideBody mark;
  return alone ? run_alone(units, body, poll) : run_shared(units, team, body, poll);
}

}  // namespace faltung
