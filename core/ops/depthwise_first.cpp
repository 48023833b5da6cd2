#include <algorithm>
#include <atomic>

#include "core/ops/depthwise_layer.h"

namespace faltung {
namespace {

constexpr int64_t kLine = 64;  // bytes: a block's channels fill a cache line

size_t aligned(int64_t bytes) {
  return size_t((bytes + 63) / 64 * 64);
}

// Elements between neighbouring numbers of a plane, or 0 where they do not lie in one walk.
template <class Step>
bool one_walk(const LayerProblem& p, int64_t item, Step step) {
  for (size_t a = p.axes.size(); a-- > 0;) {
    const auto [size, bytes] = step(p.axes[a]);
    if (size != 1 && bytes != item) return false;
    item *= size;
  }
  return true;
}

// The layer over one block of channels in the cache, side by side.
template <class T>
LayerProblem turned(const LayerProblem& p, int64_t block) {
  LayerProblem q = p;
  const int64_t outputs = block * p.group_out(), item = int64_t(sizeof(T));
  q.batch = 1;
  q.groups = q.in_channels = block;
  q.out_channels = outputs;
  int64_t in = block * item, out = outputs * item;
  for (size_t a = q.axes.size(); a-- > 0;) {
    LayerAxis& axis = q.axes[a];
    axis.in_step = in;
    axis.out_step = axis.residual_step = out;
    in *= axis.in;
    out *= axis.out;
  }
  q.in_channel_step = q.out_channel_step = q.residual_channel_step = item;
  q.in = q.out = type_of<T>();
  q.store = Store::cast;
  q.in_zero = 0;
  return q;
}

template <class T>
int64_t block_of(const LayerProblem& p, Isa isa) {
  const int64_t lanes = depthwise_table<T>(isa).kernels[0].lanes, most = kLine / int64_t(sizeof(T));
  return std::min(most, (p.in_channels + lanes - 1) / lanes * lanes);
}

template <class T>
class DepthwiseFirst final : public Layer {
 public:
  DepthwiseFirst(const LayerProblem& problem, Isa isa)
      : p_(problem),
        block_(block_of<T>(problem, isa)),
        core_(turned<T>(problem, block_), isa),
        blocks_((problem.in_channels + block_ - 1) / block_),
        block_weights_(core_.vectors() * core_.vector_weights()),
        weights_(problem, blocks_ * block_weights_ * int64_t(sizeof(T))),
        convert_(convert_table<T>(isa)),
        turn_(turn_table<T>(isa).turn) {
    samples_ = 1;
    for (const LayerAxis& a : p_.axes) samples_ *= a.in;
    positions_ = p_.positions();
    const int64_t item = int64_t(sizeof(T)), outputs = block_ * p_.group_out();
    const bool in_type = p_.in == type_of<T>(), out_type = p_.out == type_of<T>();
    in_walk_ = in_type && p_.in_channel_step % item == 0 &&
               one_walk(p_, item, [](const LayerAxis& a) { return std::pair{a.in, a.in_step}; });
    out_walk_ = out_type && p_.out_channel_step % item == 0 &&
                one_walk(p_, item, [](const LayerAxis& a) { return std::pair{a.out, a.out_step}; });
    residual_walk_ = out_type && p_.residual_channel_step % item == 0 &&
                     one_walk(p_, item, [](const LayerAxis& a) { return std::pair{a.out, a.residual_step}; });
    in_bytes_ = aligned(samples_ * block_ * item);
    out_bytes_ = aligned(positions_ * outputs * item);
    residual_bytes_ = p_.residual ? out_bytes_ : 0;
    planes_bytes_ = 0;
    if (!in_walk_) planes_bytes_ = in_bytes_;
    if (!out_walk_ || (p_.residual && !residual_walk_)) planes_bytes_ = std::max(planes_bytes_, out_bytes_);
    bias_bytes_ = p_.bias ? aligned(blocks_ * outputs * item) : 0;
    core_.summarize(summary_);
    summary_.units = p_.batch * blocks_;
    summary_.scratch =
        int64_t(in_bytes_ + out_bytes_ + residual_bytes_ + planes_bytes_ + core_.scratch_bytes());
    summary_.shared = int64_t(bias_bytes_);
    summary_.packs_input = summary_.turns_output = true;
  }

  int64_t packed_bytes() const override { return weights_.bytes(); }
  void pack(const void* weights, void* packed, int threads) const override {
    bool finite = true;
    T* to = static_cast<T*>(DepthwiseWeights::vectors(packed));
    const int64_t outputs = block_ * p_.group_out();
    for (int64_t b = 0; b < blocks_; ++b) {
      const int64_t first = b * outputs;
      const char* from = static_cast<const char*>(weights) + first * p_.weight_out_step;
      if (!core_.pack(from, first, std::min(outputs, p_.out_channels - first), to + b * block_weights_))
        finite = false;
    }
    weights_.finish(weights, packed, finite, threads);
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    if (p_.outputs() == 0) return {};
    if (!weights_.fast(arrays.weight)) return weights_.run_definition(arrays, threads, poll);
    Scratch bias(bias_bytes_);
    if (p_.bias) {
      std::memset(bias.data(), 0, bias_bytes_);
      convert_.load[int(p_.out)](arrays.bias, {p_.out_channels, 1, kItemSize[int(p_.out)], 0},
                                 static_cast<T*>(bias.data()));
    }
    std::atomic<bool> reported{false};
    const bool finished = parallel_for(
        summary_.units, threads,
        [&](int64_t unit, int) {
          [[maybe_unused]] const LayerFloats<T> floats;
          const ScratchLease lease(size_t(summary_.scratch));
          if (run_block(unit / blocks_, unit % blocks_, arrays, static_cast<const T*>(bias.data()),
                        lease.data()))
            reported = true;
        },
        poll);
    return {finished, reported};
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  bool run_block(int64_t item, int64_t b, const LayerArrays& arrays, const T* bias, char* scratch) const {
    T* in = reinterpret_cast<T*>(scratch);
    T* out = reinterpret_cast<T*>(scratch += in_bytes_);
    T* residual = reinterpret_cast<T*>(scratch += out_bytes_);
    T* planes = reinterpret_cast<T*>(scratch += residual_bytes_);
    scratch += planes_bytes_;
    const int64_t first = b * block_, n = std::min(block_, p_.in_channels - first), m = p_.group_out();
    if (n < block_) std::memset(in, 0, in_bytes_);
    const char* x =
        static_cast<const char*>(arrays.in) + item * p_.in_batch_step + first * p_.in_channel_step;
    if (in_walk_) {
      turn_(reinterpret_cast<const T*>(x), p_.in_channel_step / int64_t(sizeof(T)), 1, in, block_, n,
            samples_);
    } else {
      load_planes(x, p_.in_channel_step, n, p_.in, planes,
                  [](const LayerAxis& a) { return std::pair{a.in, a.in_step}; });
      for (int64_t i = 0; i < n * samples_ && p_.in_zero != 0; ++i) planes[i] -= T(p_.in_zero);
      turn_(planes, samples_, 1, in, block_, n, samples_);
    }
    if (p_.residual) {
      if (n < block_) std::memset(residual, 0, residual_bytes_);
      const char* r = static_cast<const char*>(arrays.residual) + item * p_.residual_batch_step +
                      first * m * p_.residual_channel_step;
      if (residual_walk_) {
        turn_(reinterpret_cast<const T*>(r), p_.residual_channel_step / int64_t(sizeof(T)), 1, residual,
              block_ * m, n * m, positions_);
      } else {
        load_planes(r, p_.residual_channel_step, n * m, p_.out, planes,
                    [](const LayerAxis& a) { return std::pair{a.out, a.residual_step}; });
        turn_(planes, positions_, 1, residual, block_ * m, n * m, positions_);
      }
    }
    const DepthwiseArrays<T> given{
        reinterpret_cast<const char*>(in),
        static_cast<const T*>(DepthwiseWeights::vectors(arrays.weight)) + b * block_weights_,
        p_.bias ? bias + b * block_ * m : nullptr, reinterpret_cast<const char*>(residual),
        reinterpret_cast<char*>(out)};
    for (int64_t u = 0; u < core_.schedule().units; ++u) core_.run(u, given, scratch);
    char* y = static_cast<char*>(arrays.out) + item * p_.out_batch_step + first * m * p_.out_channel_step;
    if (out_walk_) {
      turn_(out, block_ * m, 1, reinterpret_cast<T*>(y), p_.out_channel_step / int64_t(sizeof(T)), positions_,
            n * m);
      return false;
    }
    turn_(out, block_ * m, 1, planes, positions_, positions_, n * m);
    return store_planes(planes, n * m, y);
  }

  // Calls visit(bytes from the plane's start, numbers) for every line of a plane.
  template <class Step, class Visit>
  void for_lines(Step step, Visit visit) const {
    const auto [columns, inner] = step(p_.axes.back());
    int64_t lines = 1;
    for (size_t a = 0; a + 1 < p_.axes.size(); ++a) lines *= step(p_.axes[a]).first;
    for (int64_t line = 0; line < lines; ++line) {
      int64_t rest = line, offset = 0;
      for (size_t a = p_.axes.size() - 1; a-- > 0;) {
        const auto [size, bytes] = step(p_.axes[a]);
        offset += rest % size * bytes;
        rest /= size;
      }
      visit(offset, columns, inner);
    }
  }

  template <class Step>
  void load_planes(const char* from, int64_t channel_step, int64_t channels, DType type, T* to,
                   Step step) const {
    const auto load = convert_.load[int(type)];
    for (int64_t c = 0; c < channels; ++c, from += channel_step)
      for_lines(step, [&](int64_t offset, int64_t n, int64_t inner) {
        load(from + offset, {n, 1, inner, 0}, to);
        to += n;
      });
  }

  bool store_planes(const T* from, int64_t channels, char* to) const {
    const auto put = convert_.store[int(p_.out)];
    bool reported = false;
    for (int64_t c = 0; c < channels; ++c, to += p_.out_channel_step)
      for_lines([](const LayerAxis& a) { return std::pair{a.out, a.out_step}; },
                [&](int64_t offset, int64_t n, int64_t inner) {
                  reported |= put(from, to + offset, {n, 1, inner, 0}, p_.store);
                  from += n;
                });
    return reported;
  }

  LayerProblem p_;
  int64_t block_;
  DepthwiseCore<T> core_;
  int64_t blocks_, block_weights_;
  DepthwiseWeights weights_;
  const ConvertTable<T>& convert_;
  void (*turn_)(const T*, int64_t, int64_t, T*, int64_t, int64_t, int64_t);
  int64_t samples_, positions_;
  bool in_walk_, out_walk_, residual_walk_;  // planes of the computing type in one walk
  size_t in_bytes_, out_bytes_, residual_bytes_, planes_bytes_, bias_bytes_;
  LayerSummary summary_;
};

}  // namespace

template <class T>
std::unique_ptr<Layer> plan_depthwise_first(const LayerProblem& problem, Isa isa) {
  return std::make_unique<DepthwiseFirst<T>>(problem, isa);
}

template std::unique_ptr<Layer> plan_depthwise_first<float>(const LayerProblem&, Isa);
template std::unique_ptr<Layer> plan_depthwise_first<double>(const LayerProblem&, Isa);

}  // namespace faltung
