#include "core/ops/transposed_fill.h"

#include <algorithm>
#include <atomic>

#include "core/kernels/select.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr int64_t kPiece = 512;  // numbers of a line that are made at once

struct Dim {
  int64_t size, out_step, residual_step;
};

// Lines run along the channels or the last axis, whichever lie closer together.
template <class T>
class Filler {
 public:
  Filler(const LayerProblem& p, const LayerArrays& arrays, Isa isa)
      : p_(p),
        arrays_(arrays),
        convert_(convert_table<T>(isa)),
        activate_(epilogue_table<T>(isa).activate[int(p.activation)]),
        item_(kItemSize[int(p.out)]) {
    const Dim channels{p.out_channels, p.out_channel_step, p.residual_channel_step};
    dims_.push_back({p.batch, p.out_batch_step, p.residual_batch_step});
    for (const LayerAxis& a : p.axes) dims_.push_back({a.out, a.out_step, a.residual_step});
    along_channels_ = p.axes.empty() || std::abs(p.out_channel_step) < std::abs(p.axes.back().out_step);
    if (along_channels_) {
      line_ = channels;
    } else {
      line_ = dims_.back();
      dims_.back() = channels;
    }
  }

  int64_t lines() const {
    int64_t n = 1;
    for (const Dim& d : dims_) n *= d.size;
    return n;
  }

  bool run(int64_t line) const {
    char* out = static_cast<char*>(arrays_.out);
    const char* residual = static_cast<const char*>(arrays_.residual);
    int64_t channel = 0;
    for (size_t i = dims_.size(); i-- > 0;) {
      const int64_t at = line % dims_[i].size;
      line /= dims_[i].size;
      out += at * dims_[i].out_step;
      if (residual) residual += at * dims_[i].residual_step;
      if (!along_channels_ && i + 1 == dims_.size()) channel = at;
    }
    bool reported = false;
    for (int64_t begin = 0; begin < line_.size; begin += kPiece) {
      const int64_t count = std::min(kPiece, line_.size - begin);
      reported |= run_piece(along_channels_ ? begin : channel, count, out + begin * line_.out_step,
                            residual ? residual + begin * line_.residual_step : nullptr);
    }
    return reported;
  }

 private:
  bool run_piece(int64_t channel, int64_t count, char* out, const char* residual) const {
    alignas(64) T values[2 * kPiece], more[2 * kPiece];
    const int64_t parts = p_.parts(), numbers = count * parts;
    const char* bias = static_cast<const char*>(arrays_.bias) + (p_.bias ? channel * item_ * parts : 0);
    const auto load = convert_.load[int(p_.out)];
    if (!p_.bias) {
      std::fill(values, values + numbers, T(0));
    } else if (along_channels_) {
      load(bias, {numbers, 1, item_, item_}, values);
    } else {
      load(bias, {parts, 1, item_, item_}, more);
      for (int64_t i = 0; i < numbers; ++i) values[i] = more[i % parts];
    }
    if (residual) {
      load(residual, {count, parts, line_.residual_step, item_}, more);
      for (int64_t i = 0; i < numbers; ++i) values[i] += more[i];
    }
    if (activate_) activate_(values, numbers, T(p_.lo), T(p_.hi));
    return convert_.store[int(p_.out)](values, out, {count, parts, line_.out_step, item_}, p_.store);
  }

  const LayerProblem& p_;
  const LayerArrays& arrays_;
  const ConvertTable<T>& convert_;
  void (*activate_)(T*, int64_t, T, T);
  int64_t item_;
  bool along_channels_;
  std::vector<Dim> dims_;
  Dim line_;
};

template <class T>
Outcome fill(const LayerProblem& p, const LayerArrays& arrays, Isa isa, int threads, Poll poll) {
  const Filler<T> filler(p, arrays, isa);
  std::atomic<bool> reported{false};
  const int64_t lines = filler.lines(), each = std::max<int64_t>(1, lines / (int64_t(threads) * 8));
  const bool finished =
      parallel_for((lines + each - 1) / each, threads,
                   [&](int64_t unit, int) {
                     for (int64_t n = unit * each; n < std::min(lines, (unit + 1) * each); ++n)
                       if (filler.run(n)) reported = true;
                   },
                   poll);
  return {finished, reported};
}

}  // namespace

Outcome fill_layer(const LayerProblem& problem, const LayerArrays& arrays, Isa isa, int threads, Poll poll) {
  if (problem.outputs() == 0) return {};
  if (problem.compute == Compute::wide || problem.compute == Compute::u64) {
    LayerProblem p = problem;
    for (LayerAxis& a : p.axes) a.taps = 0;
    return run_layer_reference(p, arrays, threads, poll);
  }
  if (problem.compute == Compute::f64 || is_integer(problem.out))
    return fill<double>(problem, arrays, isa, threads, poll);
  return fill<float>(problem, arrays, isa, threads, poll);
}

}  // namespace faltung
