// The interpreter lock around work of ours.
#pragma once
#include <Python.h>

#include <chrono>
#include <thread>

namespace faltung::bindings {

// While it shuts down, Python before 3.14 ends every other thread that asks for the lock, by pthread_exit. That
// unwinds through our frames, whose destructors ask for the lock again, and the process aborts. Such a thread
// sleeps here until the process is gone, which is what Python 3.14 does.
template <class Take>
auto take_or_sleep(Take take) noexcept {
  try {
    return take();
  } catch (...) {  // the forced unwinding itself; to leave this block would be fatal
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

/// The lock is given back while one lives.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() {
    take_or_sleep([this] { PyEval_RestoreThread(state_); });
  }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  PyThreadState* state_;
};

/// The lock is held while one lives.
class GilAcquired {
 public:
  GilAcquired() : state_(take_or_sleep([] { return PyGILState_Ensure(); })) {}
  ~GilAcquired() { PyGILState_Release(state_); }
  GilAcquired(const GilAcquired&) = delete;
  GilAcquired& operator=(const GilAcquired&) = delete;

 private:
  PyGILState_STATE state_;
};

}  // namespace faltung::bindings
