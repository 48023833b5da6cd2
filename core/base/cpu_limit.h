// How many CPUs the system lets us use.
#pragma once

#include <string>

namespace faltung {

/// CPUs that the CPU quota of this process's cgroup and of its ancestors is worth, rounded up; 0 where there
/// is no quota. Reads version 2 (cpu.max) and version 1 (cpu.cfs_quota_us). `root` is put before every path.
int cgroup_cpus(const std::string& root = "");

}  // namespace faltung
