#include "core/base/cpu_limit.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "core/base/pool.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace faltung {
namespace {

// Where a controller is mounted, and which part of its tree that mount shows.
struct Mount {
  std::string root;
  std::string point;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A line of mountinfo: id parent device root point options [fields...] - type source super-options
bool find_mount(const std::string& root, bool version2, Mount& found) {
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.end() - dash < 4 || dash - words.begin() < 6) continue;
    const bool matches =
        version2 ? dash[1] == "cgroup2" : dash[1] == "cgroup" && contains(split(dash[3], ','), "cpu");
    if (!matches) continue;
    found = {words[3], words[4]};
    return true;
  }
  return false;
}

// Quota over period of one group; infinity without a quota.
double group_cpus(const std::string& folder, bool version2) {
  double quota = -1;
  double period = 0;
  if (version2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;  // "max 100000" fails to parse: no quota
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;  // -1: no quota
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

// The smallest over the group at `path` and its ancestors, as far up as the mount shows them.
double tree_cpus(const std::string& root, std::string path, bool version2) {
  Mount mount;
  if (!find_mount(root, version2, mount)) return INFINITY;
  // A container may see the path of its host while the mount shows only what lies below it.
  if (mount.root != "/" && (path + "/").rfind(mount.root + "/", 0) == 0) path.erase(0, mount.root.size());
  double cpus = INFINITY;
  for (;;) {
    while (!path.empty() && path.back() == '/') path.pop_back();
    cpus = std::min(cpus, group_cpus(root + mount.point + path, version2));
    if (path.empty()) return cpus;
    path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

int affinity_cpus() {
#ifdef __linux__
  // The kernel's own set may be larger than the fixed one of the C library.
  for (int size = CPU_SETSIZE; size <= (1 << 18); size *= 4) {
    cpu_set_t fixed;
    std::vector<cpu_set_t> large;
    cpu_set_t* set = &fixed;
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    if (size > CPU_SETSIZE) {
      large.resize((bytes + sizeof(cpu_set_t) - 1) / sizeof(cpu_set_t));
      set = large.data();
    }
    if (sched_getaffinity(0, bytes, set) == 0) return CPU_COUNT_S(bytes, set);
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// A quota changes when an administrator changes it; its files cost tens of microseconds.
int recent_cgroup_cpus() {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t never = INT64_MIN;
  static constinit std::atomic<std::int64_t> next_read{never};
  static constinit std::atomic<int> cpus{0};
  const Clock::duration now = Clock::now().time_since_epoch();
  const std::int64_t due = next_read.load(std::memory_order_acquire);
  if (due == never || now.count() >= due) {
    cpus.store(cgroup_cpus(), std::memory_order_relaxed);
    next_read.store((now + std::chrono::seconds(1)).count(), std::memory_order_release);
  }
  return cpus.load(std::memory_order_relaxed);
}

}  // namespace

int cgroup_cpus(const std::string& root) {
  double cpus = INFINITY;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line;
       std::getline(file, line);) {  // hierarchy:controllers:path; version 2 names no controller
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version2 = controllers.empty();
    if (version2 || contains(split(controllers, ','), "cpu"))
      cpus = std::min(cpus, tree_cpus(root, line.substr(second + 1), version2));
  }
  return std::isfinite(cpus) ? static_cast<int>(std::min(std::ceil(cpus), 1e6)) : 0;
}

int cpu_limit() {
  try {
    const int allowed = std::max(1, affinity_cpus());
    const int quota = recent_cgroup_cpus();
    return quota > 0 ? std::min(allowed, quota) : allowed;
  } catch (const std::exception&) {  // no memory for the names of some files
    return 1;
  }
}

}  // namespace faltung
