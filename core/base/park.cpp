#include "core/base/park.h"

// Linux has the primitive itself: no lock to hand over after a wake-up, nothing to repair in a forked child.
#if defined(__linux__) && defined(__LP64__) && !defined(FALTUNG_NO_FUTEX)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace faltung::park {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

void wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
          std::chrono::nanoseconds timeout) noexcept {
  timespec limit{};
  limit.tv_sec = static_cast<std::time_t>(timeout.count() / 1'000'000'000);
  limit.tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000);
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, timeout < timeout.zero() ? nullptr : &limit, nullptr,
          0);
}

void wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

void reset_after_fork() noexcept {}

}  // namespace faltung::park

#else

#include <condition_variable>
#include <mutex>

namespace faltung::park {
namespace {

struct Lot {
  std::mutex mutex;
  std::condition_variable changed;
};

// Never destroyed: detached threads sleep here while the process exits. Null in a forked child until it is
// made again, since the old lock may belong to a thread that does not exist there.
constinit std::atomic<Lot*> current{nullptr};

Lot& lot() {
  Lot* existing = current.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  Lot* made = new Lot;
  if (current.compare_exchange_strong(existing, made, std::memory_order_acq_rel)) return *made;
  delete made;
  return *existing;
}

}  // namespace

void wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
          std::chrono::nanoseconds timeout) noexcept {
  Lot& here = lot();
  std::unique_lock lock(here.mutex);
  if (word.load() != seen) return;
  if (timeout < timeout.zero())
    here.changed.wait(lock);
  else
    here.changed.wait_for(lock, timeout);
}

// All words share one condition, so everyone is woken and those meant by another word sleep again.
void wake(const std::atomic<std::uint32_t>&, int) noexcept {
  Lot& here = lot();
  { std::lock_guard lock(here.mutex); }  // a waiter between its look at the word and its sleep holds this
  here.changed.notify_all();
}

void reset_after_fork() noexcept {
  current.store(nullptr);
}

}  // namespace faltung::park

#endif
