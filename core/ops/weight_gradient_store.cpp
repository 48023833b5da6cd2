#include "core/ops/weight_gradient_store.h"

#include <algorithm>
#include <type_traits>

namespace faltung {
namespace {

template <class T>
constexpr DType own_type() {
  return std::is_same_v<T, float> ? DType::f32 : DType::f64;
}

// Bytes from tap 0 to a tap.
int64_t tap_place(const LayerProblem& p, int64_t tap) {
  int64_t at = 0;
  for (size_t a = p.axes.size(); a-- > 0;) {
    at += tap % p.axes[a].taps * p.axes[a].weight_step;
    tap /= p.axes[a].taps;
  }
  return at;
}

// Taps in one piece.
bool taps_together(const LayerProblem& p) {
  int64_t step = kItemSize[int(p.weight)];
  for (size_t a = p.axes.size(); a-- > 0;) {
    if (p.axes[a].taps > 1 && p.axes[a].weight_step != step) return false;
    step *= p.axes[a].taps;
  }
  return true;
}

// Channels of the input behind them, as in channels first.
bool taps_last(const LayerProblem& p) {
  return taps_together(p) && p.weight_in_step == p.taps() * kItemSize[int(p.weight)];
}

// One number by the definition, in chunks of the same length.
template <class T>
struct Definition {
  const LayerProblem& p;
  const ConvertTable<T>& convert;
  const char *x, *g;  // of the channels
  const int64_t* taps;

  // Real and imaginary part; stops where they are NaN for good.
  void sum(T (&total)[2]) const {
    int64_t positions = p.batch;
    for (const LayerAxis& a : p.axes) positions *= a.out;
    total[0] = total[1] = 0;
    T chunk[2] = {0, 0};
    for (int64_t n = 0; n < positions; ++n) {
      term(n, chunk);
      if (n % 256 != 255 && n + 1 != positions) continue;
      for (int i = 0; i < 2; ++i) total[i] += chunk[i], chunk[i] = 0;
      if (total[0] != total[0] && (p.parts() == 1 || total[1] != total[1])) return;
    }
  }

 private:
  void term(int64_t position, T (&sum)[2]) const {
    const char *sample = x, *given = g;
    for (size_t a = p.axes.size(); a-- > 0;) {
      const LayerAxis& axis = p.axes[a];
      const int64_t o = position % axis.out;
      position /= axis.out;
      const int64_t i =
          boundary_index(o * axis.stride + taps[a] * axis.dilation - axis.pad, axis.in, axis.boundary);
      if (i < 0) return;
      sample += i * axis.in_step;
      given += o * axis.out_step;
    }
    T a[2] = {0, 0}, b[2] = {0, 0};
    const int64_t parts = p.parts(), item = kItemSize[int(p.in)];
    convert.load[int(p.in)](sample + position * p.in_batch_step, {1, parts, 0, item}, a);
    convert.load[int(p.out)](given + position * p.out_batch_step, {1, parts, 0, item}, b);
    sum[0] += a[0] * b[0];
    if (parts == 1) return;
    sum[0] += a[1] * b[1];
    sum[1] += a[0] * b[1];
    sum[1] -= a[1] * b[0];
  }
};

// Whether some position has no sample under a tap.
bool reaches_outside(const LayerProblem& p, const int64_t* taps) {
  for (size_t a = 0; a < p.axes.size(); ++a) {
    const LayerAxis& axis = p.axes[a];
    const int64_t first = taps[a] * axis.dilation - axis.pad;
    if (axis.boundary == Boundary::constant && (first < 0 || first + (axis.out - 1) * axis.stride >= axis.in))
      return true;
  }
  return false;
}

}  // namespace

GradientRows gradient_rows(const GradientPlan& plan, const GradientBlock& block) {
  const int64_t width = plan.width(block.outs), taps = plan.outer_taps * plan.taps;
  if (plan.folded || !taps_last(plan.p)) return {width, block.ins * width, width};
  return {taps * width, width, width};
}

template <class T>
void store_gradient(const GradientPlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                    const GradientBlock& block, const T* sums, T* line, char* dw) {
  const LayerProblem& p = plan.p;
  const GradientRows rows = gradient_rows(plan, block);
  const int64_t taps = plan.outer_taps * plan.taps, parts = p.parts(), item = kItemSize[int(p.weight)];
  const int64_t ins = block.ins / parts, outs = block.outs / parts;
  char* to = dw + (block.group * p.group_out() + block.out / parts) * p.weight_out_step +
             block.in / parts * p.weight_in_step;
  const auto store = convert.store[int(p.weight)];
  if (parts == 1 && taps_last(p) && p.weight_out_step % item == 0) {
    // One row of dw after the other: (channel, tap) behind each other.
    const bool own = p.weight == own_type<T>(), whole = rows.channel == taps * rows.tap;
    const int64_t pieces = whole ? 1 : ins, n = whole ? ins * taps : taps;
    for (int64_t c = 0; c < pieces; ++c) {
      const T* from = sums + c * rows.channel;
      char* at = to + c * p.weight_in_step;
      if (own) {
        turn.turn(from, rows.tap, 1, reinterpret_cast<T*>(at), p.weight_out_step / item, n, outs);
        continue;
      }
      constexpr int64_t kAtOnce = 2;
      for (int64_t o = 0; o < outs; o += kAtOnce) {
        const int64_t count = std::min(kAtOnce, outs - o);
        turn.turn(from + o, rows.tap, 1, line, n, n, count);
        for (int64_t k = 0; k < count; ++k)
          store(line + k * n, at + (o + k) * p.weight_out_step, {n, 1, item, item}, p.store);
      }
    }
    return;
  }
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t c = 0; c < ins; ++c) {
      const T* from = sums + tap * rows.tap + c * parts * rows.channel;
      char* at = to + tap_place(p, tap) + c * p.weight_in_step;
      if (parts == 2) {  // conj(x) g from the four products of parts
        const T* im = from + rows.channel;
        for (int64_t o = 0; o < outs; ++o) {
          line[2 * o] = from[2 * o] + im[2 * o + 1];
          line[2 * o + 1] = from[2 * o + 1] - im[2 * o];
        }
        from = line;
      }
      store(from, at, {outs, parts, p.weight_out_step, item}, p.store);
    }
}

template <class T>
void repair_gradient(const GradientPlan& plan, const ConvertTable<T>& convert, const GradientBlock& block,
                     const T* sums, const WeightGradientArrays& arrays) {
  const LayerProblem& p = plan.p;
  const bool lanes = plan.whole_vectors;  // [tap][channels]
  const GradientRows rows =
      lanes ? GradientRows{0, plan.width(block.outs), plan.width(block.outs)} : gradient_rows(plan, block);
  const int64_t parts = p.parts(), ins = lanes ? 1 : block.ins / parts;
  int64_t taps[DenseBox::kMostAxes];
  for (int64_t tap = 0; tap < plan.outer_taps * plan.taps; ++tap) {
    for (int64_t rest = tap, a = int64_t(p.axes.size()); a-- > 0;) {
      taps[a] = rest % p.axes[size_t(a)].taps;
      rest /= p.axes[size_t(a)].taps;
    }
    if (!reaches_outside(p, taps)) continue;
    for (int64_t c = 0; c < ins; ++c) {
      const T* row = sums + tap * rows.tap + c * parts * rows.channel;
      T zero = 0;  // NaN where the row has a number that is not finite
      for (int64_t k = 0; k < parts; ++k)
        for (int64_t o = 0; o < block.outs; ++o) zero += (row + k * rows.channel)[o] * 0;
      if (zero == 0) continue;
      for (int64_t o = 0; o < block.outs / parts; ++o) {
        T alone = 0;
        for (int64_t k = 0; k < parts; ++k)
          for (int64_t l = 0; l < parts; ++l) alone += (row + k * rows.channel)[o * parts + l] * 0;
        if (alone == 0) continue;
        const int64_t out = block.group * p.group_out() + block.out / parts + o;
        const int64_t in = lanes ? out : block.in / parts + c;  // of dw; x's are those of all groups
        const char* x =
            static_cast<const char*>(arrays.x) + (block.group * p.group_in() + in) * p.in_channel_step;
        const char* g = static_cast<const char*>(arrays.g) + out * p.out_channel_step;
        T total[2];
        Definition<T>{p, convert, x, g, taps}.sum(total);
        char* to = static_cast<char*>(arrays.dw) + out * p.weight_out_step + tap_place(p, tap) +
                   (lanes ? 0 : in * p.weight_in_step);
        convert.store[int(p.weight)](total, to, {1, parts, 0, kItemSize[int(p.weight)]}, p.store);
      }
    }
  }
}

template <class T>
void store_lanes(const GradientPlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                 const GradientBlock& block, const T* sums, char* dw) {
  const LayerProblem& p = plan.p;
  const int64_t width = plan.width(block.outs), taps = plan.outer_taps * plan.taps;
  const int64_t item = kItemSize[int(p.weight)];
  char* to = dw + block.out * p.weight_out_step;
  if (p.weight == own_type<T>() && taps_together(p) && p.weight_out_step % item == 0) {
    turn.turn(sums, width, 1, reinterpret_cast<T*>(to), p.weight_out_step / item, taps, block.outs);
    return;
  }
  for (int64_t tap = 0; tap < taps; ++tap)
    convert.store[int(p.weight)](sums + tap * width, to + tap_place(p, tap),
                                 {block.outs, 1, p.weight_out_step, item}, p.store);
}

#define FALTUNG_INSTANCES(T)                                                                          \
  template void store_gradient<T>(const GradientPlan&, const ConvertTable<T>&, const TurnTable<T>&,   \
                                  const GradientBlock&, const T*, T*, char*);                         \
  template void store_lanes<T>(const GradientPlan&, const ConvertTable<T>&, const TurnTable<T>&,      \
                               const GradientBlock&, const T*, char*);                                \
  template void repair_gradient<T>(const GradientPlan&, const ConvertTable<T>&, const GradientBlock&, \
                                   const T*, const WeightGradientArrays&);
FALTUNG_INSTANCES(float)
FALTUNG_INSTANCES(double)

}  // namespace faltung
