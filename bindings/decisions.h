// What was decided for calls before, by their raw arguments: arrays by what the buffer protocol tells of them, options by
// value. A table holds decisions, never data.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace faltung::bindings {

// An array by the buffer protocol, held for one call: the part of a call's key that costs nothing to build.
class RawArray {
 public:
  explicit RawArray(nanobind::handle object, bool writable = false) {
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    held_ = PyObject_GetBuffer(object.ptr(), &view_, flags) == 0;
    if (!held_) PyErr_Clear();
  }
  ~RawArray() {
    if (held_) PyBuffer_Release(&view_);
  }
  RawArray(const RawArray&) = delete;
  RawArray& operator=(const RawArray&) = delete;
  bool held() const { return held_; }
  bool aligned() const {
    return reinterpret_cast<uintptr_t>(view_.buf) % size_t(view_.itemsize < 8 ? view_.itemsize : 8) == 0;
  }
  char* data() const { return static_cast<char*>(view_.buf); }

  // Whether the memory between the first and the last byte of both overlaps.
  bool touches(const RawArray& other) const {
    const auto [a, b] = extent();
    const auto [c, d] = other.extent();
    return a < d && c < b;
  }

  // Shape, strides and format, in words.
  void describe(std::vector<int64_t>& key) const {
    key.push_back(view_.ndim);
    for (int i = 0; i < view_.ndim; ++i) key.push_back(view_.shape[i]);
    for (int i = 0; i < view_.ndim; ++i) key.push_back(view_.strides[i]);
    uint64_t word = 0;
    for (const char* f = view_.format; f && *f; ++f) word = word * 131 + uint8_t(*f);
    key.push_back(int64_t(word * 64 + uint64_t(view_.itemsize)));
  }

 private:
  std::pair<uintptr_t, uintptr_t> extent() const {
    uintptr_t begin = reinterpret_cast<uintptr_t>(view_.buf), end = begin + size_t(view_.itemsize);
    for (int i = 0; i < view_.ndim; ++i) {
      const int64_t reach = (view_.shape[i] - 1) * view_.strides[i];
      (reach < 0 ? begin : end) += uintptr_t(reach);
    }
    return {begin, end};
  }

  Py_buffer view_;
  bool held_;
};

// What every decision is found by.
struct Decision {
  std::vector<int64_t> key;
  nanobind::object options;  // a tuple
};

// A new array; null with a Python error where there is no memory.
inline nanobind::object new_array(nanobind::handle empty, nanobind::handle shape, nanobind::handle dtype) {
  PyObject* arguments[2] = {shape.ptr(), dtype.ptr()};
  nanobind::object result = nanobind::steal(PyObject_Vectorcall(empty.ptr(), arguments, 2, nullptr));
  if (!result.is_valid()) throw nanobind::python_error();
  return result;
}

// At most `limit` of them; when it is full it starts anew. From any number of threads.
template <class T>
class Decisions {
 public:
  explicit Decisions(size_t limit) : limit_(limit) {}

  // Null where there is none, or where the options cannot be hashed.
  std::shared_ptr<const T> find(const std::vector<int64_t>& key, nanobind::handle options) {
    size_t at;
    if (!slot(key, options, at)) return nullptr;
    std::shared_ptr<const T> candidate;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto [begin, end] = entries_.equal_range(at);
      for (auto it = begin; it != end; ++it)
        if (it->second->key == key) candidate = it->second;
    }
    return candidate && same(options, candidate->options) ? candidate : nullptr;
  }

  void add(std::shared_ptr<const T> entry) {
    size_t at;
    if (!slot(entry->key, entry->options, at)) return;
    std::unordered_multimap<size_t, std::shared_ptr<const T>> dropped;  // released after the lock
    const std::lock_guard<std::mutex> lock(mutex_);
    if (entries_.size() >= limit_) entries_.swap(dropped);
    entries_.emplace(at, std::move(entry));
  }

  void clear() {
    std::unordered_multimap<size_t, std::shared_ptr<const T>> dropped;
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.swap(dropped);
  }

  size_t size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return entries_.size();
  }

 private:
  static bool slot(const std::vector<int64_t>& key, nanobind::handle options, size_t& at) {
    const Py_hash_t hash = PyObject_Hash(options.ptr());
    if (hash == -1) {
      PyErr_Clear();
      return false;
    }
    uint64_t h = uint64_t(hash);
    for (const int64_t word : key) h = (h ^ uint64_t(word)) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    at = size_t(h);
    return true;
  }

  // Equal and of the same type, item by item: 1, 1.0 and True are three arguments.
  static bool same(nanobind::handle a, nanobind::handle b) {
    const Py_ssize_t n = PyTuple_Size(a.ptr());
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* x = PyTuple_GetItem(a.ptr(), i);
      PyObject* y = PyTuple_GetItem(b.ptr(), i);
      if (x == y) continue;
      if (Py_TYPE(x) != Py_TYPE(y)) return false;
      const int equal = PyObject_RichCompareBool(x, y, Py_EQ);
      if (equal < 0) PyErr_Clear();
      if (equal != 1) return false;
    }
    return true;
  }

  size_t limit_;
  std::mutex mutex_;
  std::unordered_multimap<size_t, std::shared_ptr<const T>> entries_;
};

}  // namespace faltung::bindings
