// Calls that were decided before: looked up by their raw arguments, run without passing through Python again.
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/correlation.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

// What the buffer protocol tells of an array: the part of a call's key that costs nothing to build.
class Array {
 public:
  explicit Array(nb::handle object, bool writable = false) {
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    held_ = PyObject_GetBuffer(object.ptr(), &view_, flags) == 0;
    if (!held_) PyErr_Clear();
  }
  ~Array() {
    if (held_) PyBuffer_Release(&view_);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  bool held() const { return held_; }
  bool aligned() const {
    return reinterpret_cast<uintptr_t>(view_.buf) % size_t(view_.itemsize < 8 ? view_.itemsize : 8) == 0;
  }
  char* data() const { return static_cast<char*>(view_.buf); }

  // Whether the memory between the first and the last byte of both overlaps.
  bool touches(const Array& other) const {
    const auto [a, b] = extent();
    const auto [c, d] = other.extent();
    return a < d && c < b;
  }

  std::pair<uintptr_t, uintptr_t> extent() const {
    uintptr_t begin = reinterpret_cast<uintptr_t>(view_.buf), end = begin + size_t(view_.itemsize);
    for (int i = 0; i < view_.ndim; ++i) {
      const int64_t reach = (view_.shape[i] - 1) * view_.strides[i];
      (reach < 0 ? begin : end) += uintptr_t(reach);
    }
    return {begin, end};
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
  Py_buffer view_;
  bool held_;
};

class CallCache {
 public:
  explicit CallCache(nb::handle array_type, nb::handle empty, size_t limit)
      : array_type_(nb::borrow(array_type)), empty_(nb::borrow(empty)), limit_(limit) {}

  // The result (`out` itself where it is given), or None where this call was not seen before. An `out` must not touch the
  // operands; its shape, strides and type are part of the key.
  nb::object run(nb::handle a, nb::handle k, nb::handle options, nb::handle out) {
    if (Py_TYPE(a.ptr()) != type() || Py_TYPE(k.ptr()) != type()) return nb::none();
    const Array in(a), kernel(k);
    if (!in.held() || !kernel.held() || !in.aligned() || !kernel.aligned()) return nb::none();
    thread_local std::vector<int64_t> key;
    key.clear();
    in.describe(key);
    kernel.describe(key);
    std::optional<Array> y;
    if (!out.is_none()) {
      if (Py_TYPE(out.ptr()) != type()) return nb::none();
      y.emplace(out, true);
      if (!y->held() || !y->aligned() || y->touches(in) || y->touches(kernel)) return nb::none();
      y->describe(key);
    }
    const Py_hash_t hash = PyObject_Hash(options.ptr());
    if (hash == -1) {
      PyErr_Clear();
      return nb::none();
    }
    const std::shared_ptr<const Entry> entry = find(slot(key, hash), key, options);
    if (!entry) return nb::none();
    nb::object result = nb::borrow(out);
    if (!y) {
      PyObject* arguments[2] = {entry->shape.ptr(), entry->dtype.ptr()};
      result = nb::steal(PyObject_Vectorcall(empty_.ptr(), arguments, 2, nullptr));
      if (!result.is_valid()) throw nb::python_error();
      y.emplace(result, true);
      if (!y->held()) return nb::none();
    }
    run_correlation(nb::cast<const PyCorrelation&>(entry->correlation), in.data(), kernel.data(), y->data(),
                    entry->threads, entry->release);
    return result;
  }

  // `out` is None for calls that allocate their result.
  void add(nb::handle a, nb::handle k, nb::handle options, nb::handle out, nb::handle correlation,
           nb::handle shape, nb::handle dtype, int threads, bool release) {
    const Array in(a), kernel(k);
    if (!in.held() || !kernel.held()) return;
    auto entry = std::make_shared<Entry>();
    in.describe(entry->key);
    kernel.describe(entry->key);
    if (!out.is_none()) {
      const Array y(out, true);
      if (!y.held()) return;
      y.describe(entry->key);
    }
    const Py_hash_t hash = PyObject_Hash(options.ptr());
    if (hash == -1) {
      PyErr_Clear();
      return;
    }
    entry->options = nb::borrow(options);
    entry->correlation = nb::borrow(correlation);
    entry->shape = nb::borrow(shape);
    entry->dtype = nb::borrow(dtype);
    entry->threads = threads;
    entry->release = release;
    std::unordered_multimap<size_t, std::shared_ptr<const Entry>> dropped;  // released after the lock
    const std::lock_guard<std::mutex> lock(mutex_);
    if (entries_.size() >= limit_) entries_.swap(dropped);
    entries_.emplace(slot(entry->key, hash), std::move(entry));
  }

  void clear() {
    std::unordered_multimap<size_t, std::shared_ptr<const Entry>> dropped;
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.swap(dropped);
  }

  size_t size() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::vector<int64_t> key;
    nb::object options, correlation, shape, dtype;
    int threads;
    bool release;
  };

  PyTypeObject* type() const { return reinterpret_cast<PyTypeObject*>(array_type_.ptr()); }

  static size_t slot(const std::vector<int64_t>& key, Py_hash_t hash) {
    uint64_t h = uint64_t(hash);
    for (const int64_t word : key) h = (h ^ uint64_t(word)) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return size_t(h);
  }

  // Equal and of the same type, item by item: 1, 1.0 and True are three arguments.
  static bool same(nb::handle a, nb::handle b) {
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

  std::shared_ptr<const Entry> find(size_t at, const std::vector<int64_t>& key, nb::handle options) {
    std::shared_ptr<const Entry> candidate;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto [begin, end] = entries_.equal_range(at);
      for (auto it = begin; it != end; ++it)
        if (it->second->key == key) candidate = it->second;
    }
    return candidate && same(options, candidate->options) ? candidate : nullptr;
  }

  nb::object array_type_, empty_;
  size_t limit_;
  std::mutex mutex_;
  std::unordered_multimap<size_t, std::shared_ptr<const Entry>> entries_;
};

}  // namespace

void bind_call_cache(nb::module_& m) {
  nb::class_<CallCache>(m, "CallCache", "Decisions by raw arguments; holds no data.")
      .def(nb::init<nb::handle, nb::handle, size_t>(), nb::arg("array_type"), nb::arg("empty"),
           nb::arg("limit"))
      .def("run", &CallCache::run, nb::arg("a").none(), nb::arg("k").none(), nb::arg("options"),
           nb::arg("out").none())
      .def("add", &CallCache::add, nb::arg("a"), nb::arg("k"), nb::arg("options"), nb::arg("out").none(),
           nb::arg("correlation"), nb::arg("shape"), nb::arg("dtype"), nb::arg("threads"), nb::arg("release"))
      .def("clear", &CallCache::clear)
      .def("__len__", &CallCache::size);
}

}  // namespace faltung::bindings
