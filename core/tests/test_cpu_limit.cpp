#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/base/cpu_limit.h"
#include "core/base/pool.h"
#include "core/tests/check.h"
#include "core/tests/child.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace fs = std::filesystem;
using faltung::cgroup_cpus;

using Files = std::initializer_list<std::pair<const char*, const char*>>;

// The quota that a made-up /proc and /sys amount to.
static int cpus_of(Files files) {
  std::string root = (fs::temp_directory_path() / "faltung-XXXXXX").string();
#ifdef FALTUNG_HAVE_FORK
  if (mkdtemp(root.data()) == nullptr) throw std::runtime_error("no temporary directory");
#endif
  for (const auto& [path, text] : files) {
    const fs::path file = root + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  const int cpus = cgroup_cpus(root);
  fs::remove_all(root);
  return cpus;
}

static const char* const mounted2 =
    "24 23 0:22 / /proc rw - proc proc rw\n31 23 0:28 / /cg rw,relatime shared:4 - cgroup2 none rw";
static const char* const mounted1 =
    "32 31 0:29 / /sys/cpuset rw - cgroup cgroup rw,cpuset\n33 31 0:30 / /sys/cpu rw - cgroup cgroup "
    "rw,cpu,cpuacct";

FALTUNG_TEST(quota_absent) {
  CHECK(cpus_of({}) == 0);
  CHECK(cpus_of({{"/proc/self/cgroup", "0::/a"}}) == 0);
  CHECK(cpus_of({{"/proc/self/cgroup", "nonsense\n0:\n"}, {"/proc/self/mountinfo", "1 2 - \n-\n"}}) == 0);
  CHECK(cpus_of({{"/proc/self/cgroup", "0::/a"},
                 {"/proc/self/mountinfo", mounted2},
                 {"/cg/a/cpu.max", "max 100000"}}) == 0);
}

FALTUNG_TEST(quota_version_2) {
  const auto cpus = [](const char* max) {
    return cpus_of(
        {{"/proc/self/cgroup", "0::/a/b"}, {"/proc/self/mountinfo", mounted2}, {"/cg/a/b/cpu.max", max}});
  };
  CHECK(cpus("200000 100000") == 2);
  CHECK(cpus("150000 100000") == 2);  // rounded up: one thread could not use it
  CHECK(cpus("1000 100000") == 1);
  CHECK(cpus("50000 25000") == 2);
}

FALTUNG_TEST(quota_of_ancestors_counts) {
  CHECK(cpus_of({{"/proc/self/cgroup", "0::/a/b/c"},
                 {"/proc/self/mountinfo", mounted2},
                 {"/cg/a/b/c/cpu.max", "max 100000"},
                 {"/cg/a/b/cpu.max", "800000 100000"},
                 {"/cg/a/cpu.max", "300000 100000"}}) == 3);
  CHECK(cpus_of({{"/proc/self/cgroup", "0::/"},
                 {"/proc/self/mountinfo", mounted2},
                 {"/cg/cpu.max", "500000 100000"}}) == 5);
}

FALTUNG_TEST(quota_version_1) {
  const auto cpus = [](const char* quota) {
    return cpus_of({{"/proc/self/cgroup", "3:cpuset:/x\n2:cpuacct,cpu:/a\n0::/"},
                    {"/proc/self/mountinfo", mounted1},
                    {"/sys/cpu/a/cpu.cfs_quota_us", quota},
                    {"/sys/cpu/a/cpu.cfs_period_us", "100000"},
                    {"/sys/cpu/cpu.cfs_quota_us", "-1"},
                    {"/sys/cpu/cpu.cfs_period_us", "100000"}});
  };
  CHECK(cpus("400000") == 4);
  CHECK(cpus("-1") == 0);
}

// Docker without a namespace of its own: the path is the host's, the mount shows only the container's part.
FALTUNG_TEST(quota_inside_a_container) {
  CHECK(cpus_of({{"/proc/self/cgroup", "4:cpu:/docker/f00"},
                 {"/proc/self/mountinfo", "33 31 0:30 /docker/f00 /sys/cpu ro - cgroup cgroup rw,cpu"},
                 {"/sys/cpu/cpu.cfs_quota_us", "250000"},
                 {"/sys/cpu/cpu.cfs_period_us", "100000"}}) == 3);
}

FALTUNG_TEST(limit_is_at_least_one) {
  CHECK(faltung::cpu_limit() >= 1);
}

#if defined(__linux__)
FALTUNG_TEST(limit_follows_the_affinity) {
  CHECK(faltung::tests::in_child([] {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return false;
    int first = 0;
    while (!CPU_ISSET(first, &set)) ++first;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 && faltung::cpu_limit() == 1 &&
           faltung::num_threads() == 1;
  }));
}
#endif

#ifdef FALTUNG_HAVE_FORK
FALTUNG_TEST(number_of_threads_comes_from_the_environment) {
  using faltung::tests::in_child_with;
  constexpr const char* name = "FALTUNG_NUM_THREADS";
  CHECK(in_child_with(name, "3", [] { return faltung::num_threads() == 3; }));
  CHECK(in_child_with(name, "", [] { return faltung::num_threads() == faltung::cpu_limit(); }));
  for (const char* bad : {"0", "-1", "two", "1.5", " 1", "2x", "4097", "99999999999999999999"}) {
    CHECK(in_child_with(name, bad, [bad] {
      try {
        faltung::num_threads();
        return false;
      } catch (const std::invalid_argument& error) {
        const std::string want =
            "`FALTUNG_NUM_THREADS` (=" + std::string(bad) + ") must be an integer from 1 to 4096; unset it";
        if (std::string(error.what()).rfind(want, 0) != 0) return false;
      }
      faltung::set_num_threads(2);  // a setting by the program is stronger than a bad environment
      return faltung::num_threads() == 2;
    }));
  }
}

FALTUNG_TEST(number_of_threads_can_be_set) {
  CHECK(faltung::tests::in_child([] {
    faltung::set_num_threads(5);
    return faltung::num_threads() == 5;
  }));
  CHECK_THROWS(std::invalid_argument, "`n` (=0) must be an integer from 1 to 4096; ",
               faltung::set_num_threads(0));
  CHECK_THROWS(std::invalid_argument, "`n` (=-7) must be", faltung::set_num_threads(-7));
  CHECK_THROWS(std::invalid_argument, "`n` (=4097) must be", faltung::set_num_threads(4097));
}
#endif
