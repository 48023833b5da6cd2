#include "core/base/worker_thread.h"

#include <exception>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#define FALTUNG_POSIX 1
#include <dlfcn.h>
#include <pthread.h>

#include <csignal>
#endif

namespace faltung {
namespace {

#ifdef FALTUNG_POSIX

// A new thread inherits the mask of its creator.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
      sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t saved_;
};

void pin_library_of(void (*code)()) noexcept {
#ifdef RTLD_NODELETE
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(code), &info) == 0 || info.dli_fname == nullptr) return;
  // The handle is kept on purpose. For the main program there is none, and none is needed.
  static_cast<void>(dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE));
#else
  static_cast<void>(code);
#endif
}

#else

struct SignalsBlocked {
  SignalsBlocked() noexcept {}
};
void pin_library_of(void (*)()) noexcept {}

#endif

}  // namespace

bool start_worker_thread(void (*main)()) noexcept {
  const SignalsBlocked during_start;
  try {
    pin_library_of(main);
    std::thread(main).detach();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace faltung
