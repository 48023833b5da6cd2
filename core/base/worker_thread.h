// Starting a thread that no one joins.
#pragma once

namespace faltung {

/// Runs `main` in a new detached thread that takes no signal (they belong to the program's own threads, so
/// that Ctrl-C interrupts the right one) except those of its own faults. False where the system has no thread
/// left.
///
/// The thread may outlive the last handle on the library that holds the code of `main`; the first start
/// therefore pins that library in memory.
bool start_worker_thread(void (*main)()) noexcept;

}  // namespace faltung
