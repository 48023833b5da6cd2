// Layers that were decided before: calls by their raw arguments, with weights to prepare, and those of one plan, whose
// weights are prepared.
#include <optional>

#include "bindings/bindings.h"
#include "bindings/decisions.h"
#include "bindings/layer.h"

namespace nb = nanobind;

namespace faltung::bindings {
namespace {

// Bytes of prepared weights whose memory a thread keeps between calls: fresh pages cost as much as preparing them.
constexpr size_t kKeptWeights = (size_t{4} << 20) + 4096;

class LayerCache {
 public:
  LayerCache(nb::handle array_type, nb::handle empty, size_t limit)
      : array_type_(nb::borrow(array_type)), empty_(nb::borrow(empty)), decisions_(limit) {}

  // The result (`out` itself where it is given), or None where this call was not seen before or where a value must be
  // reported. A plan passes neither weights nor bias. An `out` must not touch the operands.
  nb::object run(nb::handle x, nb::handle w, nb::handle bias, nb::handle residual, nb::handle out,
                 nb::handle options) {
    thread_local std::vector<int64_t> key;
    key.clear();
    std::optional<RawArray> arrays[5];
    const nb::handle given[5] = {x, w, bias, residual, out};
    if (!open(given, arrays, key)) return nb::none();
    std::optional<RawArray>& y = arrays[kOut];
    if (y)
      for (int i = 0; i < kOut; ++i)
        if (arrays[i] && y->touches(*arrays[i])) return nb::none();
    const std::shared_ptr<const Entry> entry = decisions_.find(key, options);
    if (!entry) return nb::none();
    nb::object result = nb::borrow(out);
    if (!y) {
      result = new_array(empty_, entry->shape, entry->dtype);
      y.emplace(result, true);
      if (!y->held()) return nb::none();
    }
    const auto at = [&](int i) -> const char* { return arrays[i] ? arrays[i]->data() : nullptr; };
    LayerArrays data{at(kIn), entry->packed_data, entry->bias ? entry->bias : at(kBias), at(kResidual),
                     y->data()};
    bool reported;
    if (entry->packed.is_valid()) {
      reported = run_layer(*entry->layer, data, entry->threads, entry->release);
    } else {
      const PackedForCall packed(*entry->layer, at(kWeights), entry->threads, entry->release);
      data.weight = packed.data();
      reported = run_layer(*entry->layer, data, entry->threads, entry->release);
    }
    return reported ? nb::none() : result;
  }

  // `packed` are the weights of a plan, and `held_bias` its bias; None for calls, which bring them. `out` is None for calls
  // that allocate their result.
  void add(nb::handle x, nb::handle w, nb::handle bias, nb::handle residual, nb::handle out,
           nb::handle options, nb::handle layer, nb::handle packed, nb::handle held_bias, nb::handle shape,
           nb::handle dtype, int threads, bool release) {
    auto entry = std::make_shared<Entry>();
    std::optional<RawArray> arrays[5];
    const nb::handle given[5] = {x, w, bias, residual, out};
    if (!open(given, arrays, entry->key)) return;
    entry->options = nb::borrow(options);
    entry->layer_object = nb::borrow(layer);
    entry->layer = &nb::cast<const PyLayer&>(layer);
    if (!packed.is_none()) {
      entry->packed = nb::borrow(packed);
      entry->packed_data = nb::cast<const PyPacked&>(packed).memory.data();
    }
    if (!held_bias.is_none()) {
      const RawArray b(held_bias);
      if (!b.held()) return;
      entry->bias_object = nb::borrow(held_bias);
      entry->bias = b.data();
    }
    entry->shape = nb::borrow(shape);
    entry->dtype = nb::borrow(dtype);
    entry->threads = threads;
    entry->release = release;
    decisions_.add(std::move(entry));
  }

  void clear() { decisions_.clear(); }
  size_t size() { return decisions_.size(); }

 private:
  enum { kIn, kWeights, kBias, kResidual, kOut };

  struct Entry : Decision {
    nb::object layer_object, packed, bias_object, shape, dtype;
    const PyLayer* layer = nullptr;
    const void* packed_data = nullptr;
    const char* bias = nullptr;
    int threads = 1;
    bool release = false;
  };

  // Weights prepared for one call, in memory that the thread keeps where it is small.
  class PackedForCall {
   public:
    PackedForCall(const PyLayer& layer, const char* weights, int threads, bool release) {
      std::swap(memory_, kept_);  // a call within this one finds none and makes its own
      memory_.reserve(size_t(layer.plan->packed_bytes()));
      pack_layer(layer, weights, memory_.data(), threads, release);
    }
    ~PackedForCall() {
      if (memory_.size() <= kKeptWeights) std::swap(memory_, kept_);
    }
    PackedForCall(const PackedForCall&) = delete;
    PackedForCall& operator=(const PackedForCall&) = delete;
    const void* data() const { return memory_.data(); }

   private:
    static thread_local Scratch kept_;
    Scratch memory_;
  };

  // False where one is no plain array in readable memory.
  bool open(const nb::handle (&given)[5], std::optional<RawArray> (&arrays)[5],
            std::vector<int64_t>& key) const {
    for (int i = 0; i < 5; ++i) {
      if (given[i].is_none()) {
        key.push_back(-1);
        continue;
      }
      if (Py_TYPE(given[i].ptr()) != reinterpret_cast<PyTypeObject*>(array_type_.ptr())) return false;
      arrays[i].emplace(given[i], i == kOut);
      if (!arrays[i]->held() || !arrays[i]->aligned()) return false;
      arrays[i]->describe(key);
    }
    return true;
  }

  nb::object array_type_, empty_;
  Decisions<Entry> decisions_;
};
thread_local Scratch LayerCache::PackedForCall::kept_;

}  // namespace

void bind_layer_cache(nb::module_& m) {
  nb::class_<LayerCache>(m, "LayerCache", "Decisions on layers by raw arguments; a plan's hold its weights.")
      .def(nb::init<nb::handle, nb::handle, size_t>(), nb::arg("array_type"), nb::arg("empty"),
           nb::arg("limit"))
      .def("run", &LayerCache::run, nb::arg("x").none(), nb::arg("w").none(), nb::arg("bias").none(),
           nb::arg("residual").none(), nb::arg("out").none(), nb::arg("options"))
      .def("add", &LayerCache::add, nb::arg("x"), nb::arg("w").none(), nb::arg("bias").none(),
           nb::arg("residual").none(), nb::arg("out").none(), nb::arg("options"), nb::arg("layer"),
           nb::arg("packed").none(), nb::arg("held_bias").none(), nb::arg("shape"), nb::arg("dtype"),
           nb::arg("threads"), nb::arg("release"))
      .def("clear", &LayerCache::clear)
      .def("__len__", &LayerCache::size);
}

}  // namespace faltung::bindings
