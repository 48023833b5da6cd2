// Memory of Python objects, and the question whether Ctrl-C came.
#pragma once
#include <nanobind/nanobind.h>

#include "bindings/gil.h"

namespace faltung::bindings {

// A pointer into an object with the buffer protocol, held for one call; null for None.
class Pointer {
 public:
  Pointer(nanobind::handle object, bool writable) : held_(!object.is_none()) {
    const int flags = writable ? PyBUF_STRIDES | PyBUF_WRITABLE : PyBUF_STRIDES;
    if (held_ && PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) throw nanobind::python_error();
  }
  ~Pointer() {
    if (held_) PyBuffer_Release(&view_);
  }
  Pointer(const Pointer&) = delete;
  Pointer& operator=(const Pointer&) = delete;
  char* get() const { return held_ ? static_cast<char*>(view_.buf) : nullptr; }

 private:
  Py_buffer view_;
  bool held_;
};

// Asked by the calling thread while it works.
inline bool interrupted(void*) {
  GilAcquired acquire;
  return PyErr_CheckSignals() != 0;
}

}  // namespace faltung::bindings
