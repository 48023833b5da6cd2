// Calls that were decided before: looked up by their raw arguments, run without passing through Python again.
#include <optional>

#include "bindings/bindings.h"
#include "bindings/correlation.h"
#include "bindings/decisions.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

class CallCache {
 public:
  explicit CallCache(nb::handle array_type, nb::handle empty, size_t limit)
      : array_type_(nb::borrow(array_type)), empty_(nb::borrow(empty)), decisions_(limit) {}

  // The result (`out` itself where it is given), or None where this call was not seen before. An `out` must not touch the
  // operands; its shape, strides and type are part of the key.
  nb::object run(nb::handle a, nb::handle k, nb::handle options, nb::handle out) {
    if (Py_TYPE(a.ptr()) != type() || Py_TYPE(k.ptr()) != type()) return nb::none();
    const RawArray in(a), kernel(k);
    if (!in.held() || !kernel.held() || !in.aligned() || !kernel.aligned()) return nb::none();
    thread_local std::vector<int64_t> key;
    key.clear();
    in.describe(key);
    kernel.describe(key);
    std::optional<RawArray> y;
    if (!out.is_none()) {
      if (Py_TYPE(out.ptr()) != type()) return nb::none();
      y.emplace(out, true);
      if (!y->held() || !y->aligned() || y->touches(in) || y->touches(kernel)) return nb::none();
      y->describe(key);
    }
    const std::shared_ptr<const Entry> entry = decisions_.find(key, options);
    if (!entry) return nb::none();
    nb::object result = nb::borrow(out);
    if (!y) {
      result = new_array(empty_, entry->shape, entry->dtype);
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
    const RawArray in(a), kernel(k);
    if (!in.held() || !kernel.held()) return;
    auto entry = std::make_shared<Entry>();
    in.describe(entry->key);
    kernel.describe(entry->key);
    if (!out.is_none()) {
      const RawArray y(out, true);
      if (!y.held()) return;
      y.describe(entry->key);
    }
    entry->options = nb::borrow(options);
    entry->correlation = nb::borrow(correlation);
    entry->shape = nb::borrow(shape);
    entry->dtype = nb::borrow(dtype);
    entry->threads = threads;
    entry->release = release;
    decisions_.add(std::move(entry));
  }

  void clear() { decisions_.clear(); }
  size_t size() { return decisions_.size(); }

 private:
  struct Entry : Decision {
    nb::object correlation, shape, dtype;
    int threads;
    bool release;
  };

  PyTypeObject* type() const { return reinterpret_cast<PyTypeObject*>(array_type_.ptr()); }

  nb::object array_type_, empty_;
  Decisions<Entry> decisions_;
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
