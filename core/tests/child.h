// Running a piece of a test in a forked child, with a time limit: a hang is a failure, not a stuck test.
#pragma once

#if defined(__unix__) || defined(__APPLE__)
#define FALTUNG_HAVE_FORK 1

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace faltung::tests {

constexpr int child_seconds = 20;

/// Ends the child when it hangs; the parent sees a status that is not 0.
template <class Work>
[[noreturn]] void run_as_child(Work work) {
  std::signal(SIGALRM, SIG_DFL);
  alarm(child_seconds);
  int status = 1;
  try {
    status = work() ? 0 : 1;
  } catch (...) {
    status = 2;
  }
  _exit(status);
}

inline bool child_succeeded(pid_t child) {
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// True where `work` returns true in a child.
template <class Work>
bool in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) run_as_child(work);
  return child > 0 && child_succeeded(child);
}

/// As in_child, with one more variable in the environment. Only for what has not been read in this process
/// yet.
template <class Work>
bool in_child_with(const char* name, const char* value, Work work) {
  return in_child([=] {
    setenv(name, value, 1);
    return work();
  });
}

}  // namespace faltung::tests

#endif
