#include "core/base/placement.h"

#ifdef __linux__

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "core/base/pool.h"

namespace faltung::placement {
namespace {

constexpr int anywhere = -1;

struct Workers {
  std::atomic<int> entered{0};
  std::atomic<pid_t> ids[max_threads]{};  // 0: has counted itself in, has not written its name yet
  int placed = 0;                         // these two belong to whoever holds the workers
  int avoided = anywhere;
};

constinit Workers workers;

}  // namespace

void enter() noexcept {
  const int place = workers.entered.fetch_add(1);
  if (place < max_threads) workers.ids[place].store(static_cast<pid_t>(syscall(SYS_gettid)));
}

void keep_off_caller(bool fits) noexcept {
  const int known = std::min(workers.entered.load(), max_threads);
  const int avoided = fits ? sched_getcpu() : anywhere;
  if (known == 0 || avoided >= CPU_SETSIZE || (known == workers.placed && avoided == workers.avoided)) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;  // more CPUs than the set holds
  if (avoided != anywhere) CPU_CLR(avoided, &allowed);
  int named = 0;
  for (int i = 0; i < known; ++i) {
    const pid_t id = workers.ids[i].load();
    if (id != 0 && sched_setaffinity(id, sizeof allowed, &allowed) == 0) ++named;
  }
  workers.placed = named;  // fewer than known: the others are asked again
  workers.avoided = avoided;
}

void reset_after_fork() noexcept {
  workers.entered = 0;
  for (std::atomic<pid_t>& id : workers.ids) id = 0;
  workers.placed = 0;
  workers.avoided = anywhere;
}

}  // namespace faltung::placement

#else

namespace faltung::placement {

void enter() noexcept {}
void keep_off_caller(bool) noexcept {}
void reset_after_fork() noexcept {}

}  // namespace faltung::placement

#endif
