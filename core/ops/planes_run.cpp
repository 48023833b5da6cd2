#include <algorithm>
#include <atomic>
#include <limits>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/kernels/select.h"
#include "core/ops/planes_plan.h"

namespace faltung {
namespace {

template <class T>
class PlanesLayer final : public Layer {
 public:
  PlanesLayer(const LayerProblem& problem, Isa isa, const SpectralOptions* spectral)
      : p_(problem),
        plan_(problem, isa, spectral),
        weights_(plan_layer_reference(problem)),
        convert_(convert_table<T>(isa)),
        finish_(depthwise_table<T>(isa).finish) {
    const bool clip = p_.activation == Activation::clip;
    if (!clip) activate_ = epilogue_table<T>(isa).activate[int(p_.activation)];
    if (clip) lo_ = T(p_.lo), hi_ = T(p_.hi);
    more_ = p_.bias || p_.residual || p_.activation != Activation::none;
    const Summary& s = plan_.pieces[0].plan->summary();
    summary_.kernel = s.kernel;
    summary_.tile_positions = s.tile_rows * s.tile_columns;
    summary_.tile_channels = 1;
    summary_.strip = plan_.pieces[0].end - plan_.pieces[0].begin;
    summary_.chunk = 256;
    summary_.units = p_.batch / plan_.items * plan_.channel_units * int64_t(plan_.pieces.size());
    summary_.scratch = s.scratch + plan_.aside_elements * int64_t(sizeof(T)) + 2 * columns_bytes();
    summary_.packs_input = !s.reads_in_place;
  }

  int64_t packed_bytes() const override { return weights_->packed_bytes(); }
  void pack(const void* weights, void* packed, int threads) const override {
    weights_->pack(weights, packed, threads);
  }
  const LayerSummary& summary() const override { return summary_; }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    std::atomic<bool> reported{false};
    const int64_t pieces = int64_t(plan_.pieces.size());
    const bool finished = parallel_for(
        summary_.units, threads,
        [&](int64_t unit, int) {
          const int64_t piece = unit % pieces, channels = unit / pieces % plan_.channel_units;
          if (run_unit(arrays, unit / pieces / plan_.channel_units, channels, size_t(piece))) reported = true;
        },
        poll);
    return {finished, reported};
  }

 private:
  struct Line {
    const char* residual;
    char* out;
    T* aside;  // or null
    T bias;
  };

  int64_t columns_bytes() const { return (p_.axes.back().out * int64_t(sizeof(T)) + 63) / 64 * 64; }

  bool run_unit(const LayerArrays& arrays, int64_t item, int64_t unit, size_t index) const {
    const int64_t first = unit * plan_.channels;
    const bool last = unit + 1 == plan_.channel_units && plan_.last_channels != plan_.channels;
    const int64_t channels = last ? plan_.last_channels : plan_.channels;
    const PlanesPiece& piece = (last ? plan_.last_pieces : plan_.pieces)[index];
    const char* in = static_cast<const char*>(arrays.in) + item * p_.in_batch_step +
                     first / p_.group_out() * p_.in_channel_step;
    const char* weights =
        static_cast<const char*>(arrays.weight) + first * p_.taps() * kItemSize[int(p_.weight)];
    char* out = static_cast<char*>(arrays.out) + item * p_.out_batch_step + first * p_.out_channel_step;
    Scratch aside(plan_.aside ? size_t(plan_.aside_elements) * sizeof(T) : 0);
    char* to = plan_.aside ? static_cast<char*>(aside.data()) : out;
    bool reported = piece.plan->run(in + piece.in, weights, to + piece.out, 1, {}).reported;
    if (!more_) return reported;
    const ScratchLease lease(size_t(2 * columns_bytes()));
    for (int64_t n = 0; n < plan_.items; ++n)
      for (int64_t c = 0; c < channels; ++c) {
        Line line{nullptr, out + n * p_.out_batch_step + c * p_.out_channel_step, nullptr, T(0)};
        if (p_.residual)
          line.residual = static_cast<const char*>(arrays.residual) + (item + n) * p_.residual_batch_step +
                          (first + c) * p_.residual_channel_step;
        if (plan_.aside)
          line.aside =
              reinterpret_cast<T*>(to + n * plan_.target.out_batch_step + c * plan_.target.out_channel_step);
        if (p_.bias)
          convert_.load[int(p_.out)](
              static_cast<const char*>(arrays.bias) + (first + c) * kItemSize[int(p_.out)], {1, 1, 0, 0},
              &line.bias);
        reported |= finish_plane(line, piece, reinterpret_cast<T*>(lease.data()));
      }
    return reported;
  }

  // All lines of one plane's piece.
  bool finish_plane(const Line& plane, const PlanesPiece& piece, T* scratch) const {
    const bool one = p_.axes.size() == 1;
    int64_t lines = 1;
    for (size_t a = 0; a + 1 < p_.axes.size(); ++a)
      lines *= a == 0 ? piece.end - piece.begin : p_.axes[a].out;
    const int64_t begin = one ? piece.begin : 0, end = one ? piece.end : p_.axes.back().out;
    bool reported = false;
    for (int64_t i = 0; i < lines; ++i) {
      Line line = plane;
      int64_t rest = i, aside = 0;
      for (size_t a = p_.axes.size() - 1; a-- > 0;) {
        const int64_t size = a == 0 ? piece.end - piece.begin : p_.axes[a].out;
        const int64_t at = rest % size + (a == 0 ? piece.begin : 0);
        rest /= size;
        line.out += at * p_.axes[a].out_step;
        if (line.residual) line.residual += at * p_.axes[a].residual_step;
        aside += at * plan_.target.axes[a].out_step;
      }
      if (line.aside) line.aside += aside / int64_t(sizeof(T));
      reported |= finish_line(line, begin, end, scratch);
    }
    return reported;
  }

  bool finish_line(const Line& line, int64_t begin, int64_t end, T* scratch) const {
    const LayerAxis& c = p_.axes.back();
    const int64_t n = end - begin, item = kItemSize[int(p_.out)];
    constexpr DType own = sizeof(T) == 4 ? DType::f32 : DType::f64;
    T* y = scratch;
    char* out = line.out + begin * c.out_step;
    const bool in_place = !line.aside && (c.out_step == item || n == 1);
    if (line.aside)
      y = line.aside + begin;
    else if (in_place)
      y = reinterpret_cast<T*>(out);
    else
      convert_.load[int(p_.out)](out, {n, 1, c.out_step, 0}, y);
    const T* residual = nullptr;
    if (p_.residual) {
      const char* r = line.residual + begin * c.residual_step;
      residual = reinterpret_cast<const T*>(r);
      if (p_.out != own || (c.residual_step != item && n > 1)) {
        T* converted = scratch + columns_bytes() / int64_t(sizeof(T));
        convert_.load[int(p_.out)](r, {n, 1, c.residual_step, 0}, converted);
        residual = converted;
      }
    }
    finish_(y, n, line.bias, residual, lo_, hi_);
    if (activate_) activate_(y, n, T(p_.lo), T(p_.hi));
    return !in_place && convert_.store[int(p_.out)](y, out, {n, 1, c.out_step, 0}, p_.store);
  }

  LayerProblem p_;
  PlanesPlan plan_;
  std::unique_ptr<Layer> weights_;
  const ConvertTable<T>& convert_;
  void (*finish_)(T*, int64_t, T, const T*, T, T);
  void (*activate_)(T*, int64_t, T, T) = nullptr;
  T lo_ = -std::numeric_limits<T>::infinity(), hi_ = std::numeric_limits<T>::infinity();
  bool more_;
  LayerSummary summary_;
};

}  // namespace

std::unique_ptr<Layer> plan_planes(const LayerProblem& problem, Isa isa, const SpectralOptions* spectral) {
  if (problem.compute == Compute::f64) return std::make_unique<PlanesLayer<double>>(problem, isa, spectral);
  return std::make_unique<PlanesLayer<float>>(problem, isa, spectral);
}

}  // namespace faltung
