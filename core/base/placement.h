// Where the workers of the pool may run: anywhere but on the core of the thread that waits for them.
#pragma once

namespace faltung::placement {

// Linux likes to wake a thread on the core of the one that wakes it, and moves it only at the next balance of
// loads: 10 ms during which a team of two runs no faster than one (2 cores, Linux 6.18, after a pause of 50 ms:
// 1.4 ms a call instead of 0.75). So the caller says where they may not wake up before it wakes them.

/// To be called by a worker when it starts.
void enter() noexcept;

/// To be called by the thread that is about to wake workers: from now on they may run on the CPUs that the caller
/// may use without the one it runs on; on all of them where the team does not fit, having more threads than there
/// are CPUs. Costs 20 ns, and a system call a worker where the caller has moved.
void keep_off_caller(bool fits) noexcept;

/// To be called in a forked child, which has no workers.
void reset_after_fork() noexcept;

}  // namespace faltung::placement
