#include "core/ops/pair_planes.h"

#include <algorithm>
#include <vector>

#include "core/ops/depthwise_layer.h"

namespace faltung {
namespace {

constexpr int64_t kBlockBytes = 96 << 10;  // turned samples, half of them in L1
constexpr int64_t kMostBytes = 512 << 10;  // of a single vector of channels
constexpr int64_t kMostVectors = 8;

// Samples that the windows of an axis reach, what lies outside included.
int64_t reached(const LayerAxis& a) {
  return (a.out - 1) * a.stride + (a.taps - 1) * a.dilation + 1;
}

bool inside(const LayerAxis& a) {
  return a.pad <= 0 && reached(a) - a.pad <= a.in;
}

template <class T>
class PairPlanes final : public Layer {
 public:
  static bool takes(const LayerProblem& p, int64_t lanes) {
    const auto whole = [](int64_t step) { return step % int64_t(sizeof(T)) == 0; };
    for (const LayerAxis& a : p.axes)
      if (!whole(a.in_step) || a.pad < 0 || (a.boundary != Boundary::constant && !inside(a))) return false;
    return p.in == type_of<T>() && p.out == type_of<T>() && p.in_channels >= lanes && !p.residual &&
           p.axes.back().in_step == int64_t(sizeof(T)) && whole(p.in_channel_step) &&
           p.in_channel_step != int64_t(sizeof(T)) && p.out_channel_step == int64_t(sizeof(T)) &&
           samples(p) * lanes * int64_t(sizeof(T)) <= kMostBytes;
  }

  PairPlanes(const LayerProblem& problem, Isa isa)
      : p_(problem),
        blocks_(cut(problem, depthwise_table<T>(isa).kernels[0].lanes, isa)),
        weights_(problem, weight_bytes(blocks_)),
        turn_(turn_table<T>(isa).turn) {
    most_ = 0, core_bytes_ = 0;
    for (const Block& b : blocks_) {
      most_ = std::max(most_, b.channels);
      core_bytes_ = std::max(core_bytes_, b.core->scratch_bytes());
    }
    blocks_[0].core->summarize(summary_);
    summary_.units = p_.batch * int64_t(blocks_.size());
    turned_bytes_ = (samples(p_) * most_ * int64_t(sizeof(T)) + 63) / 64 * 64;
    summary_.scratch = turned_bytes_ + int64_t(core_bytes_);
    summary_.packs_input = true;
  }

  int64_t packed_bytes() const override { return weights_.bytes(); }
  void pack(const void* weights, void* packed, int threads) const override {
    bool finite = true;
    for (const Block& b : blocks_) {
      const int64_t first = b.first * p_.group_out();
      finite &= b.core->pack(static_cast<const char*>(weights) + first * p_.weight_out_step, first,
                             b.channels * p_.group_out(),
                             static_cast<T*>(DepthwiseWeights::vectors(packed)) + b.weights);
    }
    weights_.finish(weights, packed, finite, threads);
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    if (p_.outputs() == 0) return {};
    if (!weights_.fast(arrays.weight)) return weights_.run_definition(arrays, threads, poll);
    const int64_t units = threads > 1 ? summary_.units : 1, count = summary_.units;
    const bool finished = parallel_for(
        units, threads,
        [&](int64_t unit, int) {
          [[maybe_unused]] const LayerFloats<T> floats;
          const ScratchLease lease(size_t(summary_.scratch));
          int64_t zeroed = 0;  // channels of blocks around which there are zeros, and stay
          const int64_t end = (unit + 1) * count / units;
          for (int64_t i = unit * count / units; i < end; ++i) run_block(i, arrays, lease.data(), zeroed);
        },
        poll);
    return {finished, false};
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  // Neighbouring channels, all turned at once.
  struct Block {
    int64_t first, channels, weights;
    std::shared_ptr<const DepthwiseCore<T>> core;  // blocks of one size share it
  };

  static int64_t samples(const LayerProblem& p) {
    int64_t n = 1;
    for (const LayerAxis& a : p.axes) n *= reached(a);
    return n;
  }

  // The layer over a block that lies turned in the cache: no window reaches beyond it.
  static LayerProblem turned(const LayerProblem& p, int64_t channels, int64_t position) {
    LayerProblem q = p;
    q.batch = 1;
    q.groups = q.in_channels = channels;
    q.out_channels = channels * p.group_out();
    int64_t step = position * int64_t(sizeof(T));
    for (size_t a = q.axes.size(); a-- > 0;) {
      LayerAxis& axis = q.axes[a];
      axis.in = reached(axis);
      axis.pad = 0;
      axis.boundary = Boundary::constant;
      axis.in_step = step;
      step *= axis.in;
    }
    q.in_channel_step = int64_t(sizeof(T));
    return q;
  }

  static std::vector<Block> cut(const LayerProblem& p, int64_t lanes, Isa isa) {
    int64_t vectors = kMostVectors;
    const int64_t bytes = samples(p) * lanes * int64_t(sizeof(T));
    while (vectors > 1 && (vectors * bytes > kBlockBytes || vectors * lanes > p.in_channels)) vectors /= 2;
    const int64_t size = vectors * lanes, count = std::max<int64_t>(1, p.in_channels / size);
    std::vector<Block> blocks;
    int64_t weights = 0;
    for (int64_t b = 0; b < count; ++b) {
      const int64_t n = b + 1 < count ? size : p.in_channels - b * size;
      auto core = b > 0 && n == size ? blocks[0].core
                                     : std::make_shared<const DepthwiseCore<T>>(turned(p, n, n), isa);
      blocks.push_back({b * size, n, weights, core});
      weights += core->vectors() * core->vector_weights();
    }
    return blocks;
  }

  static int64_t weight_bytes(const std::vector<Block>& blocks) {
    const Block& last = blocks.back();
    return (last.weights + last.core->vectors() * last.core->vector_weights()) * int64_t(sizeof(T));
  }

  void run_block(int64_t unit, const LayerArrays& arrays, char* scratch, int64_t& zeroed) const {
    const int64_t item = unit / int64_t(blocks_.size()), m = p_.group_out();
    const Block& b = blocks_[size_t(unit) % blocks_.size()];
    T* in = reinterpret_cast<T*>(scratch);
    if (zeroed != b.channels) std::memset(scratch, 0, size_t(turned_bytes_));
    zeroed = b.channels;
    turn_planes(static_cast<const char*>(arrays.in) + item * p_.in_batch_step + b.first * p_.in_channel_step,
                b.channels, in);
    const DepthwiseArrays<T> given{
        reinterpret_cast<const char*>(in),
        static_cast<const T*>(DepthwiseWeights::vectors(arrays.weight)) + b.weights,
        p_.bias ? static_cast<const T*>(arrays.bias) + b.first * m : nullptr, nullptr,
        static_cast<char*>(arrays.out) + item * p_.out_batch_step + b.first * m * p_.out_channel_step};
    const int64_t units = b.core->schedule().units;
    for (int64_t u = 0; u < units; ++u) b.core->run(u, given, scratch + turned_bytes_);
  }

  // Row by row into the middle of the block.
  void turn_planes(const char* from, int64_t channels, T* to) const {
    constexpr int64_t item = int64_t(sizeof(T)), square = 16 / item;
    const LayerAxis& columns = p_.axes.back();
    const int64_t n = std::min(columns.in, reached(columns) - columns.pad), whole = n / square * square;
    const int64_t step = p_.in_channel_step / item;
    for_rows(0, from, to, channels, [&](const char* row, T* at) {
      const T* x = reinterpret_cast<const T*>(row);
      at += columns.pad * channels;
      turn_(x, step, 1, at, channels, channels, n < square ? n : whole);
      // What is left goes with columns before it once more: whole squares are fast.
      if (whole > 0 && whole < n)
        turn_(x + n - square, step, 1, at + (n - square) * channels, channels, channels, square);
    });
  }

  template <class F>
  void for_rows(size_t axis, const char* from, T* to, int64_t width, F visit) const {
    if (axis + 1 == p_.axes.size()) return visit(from, to);
    const LayerAxis& a = p_.axes[axis];
    int64_t step = width;
    for (size_t inner = axis + 1; inner < p_.axes.size(); ++inner) step *= reached(p_.axes[inner]);
    const int64_t n = std::min(a.in, reached(a) - a.pad);
    for (int64_t i = 0; i < n; ++i)
      for_rows(axis + 1, from + i * a.in_step, to + (i + a.pad) * step, width, visit);
  }

  LayerProblem p_;
  std::vector<Block> blocks_;
  DepthwiseWeights weights_;
  void (*turn_)(const T*, int64_t, int64_t, T*, int64_t, int64_t, int64_t);
  int64_t most_, turned_bytes_;
  size_t core_bytes_;
  LayerSummary summary_;
};

template <class T>
std::unique_ptr<Layer> plan(const LayerProblem& p, Isa isa) {
  if (p.axes.empty() || p.out_channels == 0 || p.positions() == 0) return nullptr;
  require_depthwise<T>(p, isa);
  if (!PairPlanes<T>::takes(p, depthwise_table<T>(isa).kernels[0].lanes)) return nullptr;
  return std::make_unique<PairPlanes<T>>(p, isa);
}

}  // namespace

std::unique_ptr<Layer> plan_pair_planes(const LayerProblem& problem, Isa isa) {
  return problem.compute == Compute::f64 ? plan<double>(problem, isa) : plan<float>(problem, isa);
}

}  // namespace faltung
