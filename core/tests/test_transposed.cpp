// Transposed layers: residues against the definition, lines woven from them, and every way against the plain scatter.
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/base/memory.h"
#include "core/ops/dense.h"
#include "core/ops/transposed.h"
#include "core/ops/transposed_cut.h"
#include "core/ops/transposed_fill.h"
#include "core/tests/check.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

LayerAxis random_axis(Random& random, std::int64_t most) {
  LayerAxis a{};
  a.in = random.between(1, most), a.taps = random.between(1, 5);
  a.stride = random.between(1, 4), a.dilation = random.between(1, 4);
  const std::int64_t reach = (a.in - 1) * a.stride + (a.taps - 1) * a.dilation;
  a.pad = random.between(0, reach);
  a.out = random.between(1, reach + 1 - a.pad + std::max(a.stride, a.dilation) - 1);
  return a;
}

// Every sample and tap that meet in an output, by the definition.
std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> meetings(const LayerAxis& a) {
  std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> found(static_cast<std::size_t>(a.out));
  for (std::int64_t h = 0; h < a.taps; ++h)
    for (std::int64_t i = 0; i < a.in; ++i) {
      const std::int64_t r = i * a.stride + h * a.dilation - a.pad;
      if (r >= 0 && r < a.out) found[static_cast<std::size_t>(r)].push_back({i, h});
    }
  for (auto& one : found) std::sort(one.begin(), one.end());
  return found;
}

struct Arrays {
  std::vector<float> in, weight, bias, residual, out;
};

// A random problem of float32, on contiguous arrays of small whole numbers, whose sums are exact in any order.
LayerProblem random_problem(Random& random, Arrays& arrays) {
  LayerProblem p;
  const auto rank = static_cast<std::size_t>(random.between(1, 3));
  p.batch = random.between(1, 3), p.groups = random.between(1, 3);
  const std::int64_t in = random.between(1, 5), out = random.between(1, 5);
  p.in_channels = p.groups * in, p.out_channels = p.groups * out;
  for (std::size_t a = 0; a < rank; ++a) {
    p.axes.push_back(random_axis(random, rank == 3 ? 4 : 9));
    p.axes.back().boundary = Boundary::constant;
  }
  const bool last = random.between(0, 1) == 1;
  const auto steps = [&](std::int64_t LayerAxis::*size, std::int64_t LayerAxis::*step, std::int64_t channels,
                         std::int64_t& channel_step, std::int64_t& batch_step) {
    std::int64_t next = last ? 4 * channels : 4;
    for (std::size_t a = rank; a-- > 0;) p.axes[a].*step = next, next *= p.axes[a].*size;
    channel_step = last ? 4 : next;
    batch_step = last ? next : next * channels;
    return static_cast<std::size_t>(batch_step / 4 * p.batch);
  };
  const auto fill = [&](std::vector<float>& values, std::size_t count) {
    values.resize(count);
    for (float& v : values) v = static_cast<float>(random.between(-8, 8));
  };
  fill(arrays.in,
       steps(&LayerAxis::in, &LayerAxis::in_step, p.in_channels, p.in_channel_step, p.in_batch_step));
  const std::size_t results =
      steps(&LayerAxis::out, &LayerAxis::out_step, p.out_channels, p.out_channel_step, p.out_batch_step);
  arrays.out.assign(results, 99);
  fill(arrays.residual, results);
  for (LayerAxis& a : p.axes) a.residual_step = a.out_step;
  p.residual_channel_step = p.out_channel_step, p.residual_batch_step = p.out_batch_step;
  std::int64_t next = 4;
  for (std::size_t a = rank; a-- > 0;) p.axes[a].weight_step = next, next *= p.axes[a].taps;
  p.weight_out_step = next, p.weight_in_step = next * out;
  fill(arrays.weight, static_cast<std::size_t>(next / 4 * out * p.in_channels));
  fill(arrays.bias, static_cast<std::size_t>(p.out_channels));
  p.bias = random.between(0, 1) == 1, p.residual = random.between(0, 1) == 1;
  if (random.between(0, 1) == 1) p.activation = Activation::clip, p.lo = 0, p.hi = 500;
  return p;
}

// y[i stride + h dilation - pad] += x[i] w[h], as it is written.
std::vector<float> scattered(const LayerProblem& p, const Arrays& arrays) {
  std::vector<float> y(arrays.out.size(), 0);
  const auto at = [](const std::vector<float>& v, std::int64_t bytes) {
    return v[static_cast<std::size_t>(bytes / 4)];
  };
  const std::size_t rank = p.axes.size();
  std::int64_t samples = 1;
  for (const LayerAxis& a : p.axes) samples *= a.in;
  for (std::int64_t n = 0; n < p.batch; ++n)
    for (std::int64_t o = 0; o < p.out_channels; ++o) {
      const std::int64_t base = n * p.out_batch_step + o * p.out_channel_step;
      for (std::int64_t k = 0; k < p.positions(); ++k) {
        std::int64_t rest = k, place = base;
        for (std::size_t a = rank; a-- > 0;)
          place += rest % p.axes[a].out * p.axes[a].out_step, rest /= p.axes[a].out;
        y[static_cast<std::size_t>(place / 4)] += (p.bias ? arrays.bias[static_cast<std::size_t>(o)] : 0) +
                                                  (p.residual ? at(arrays.residual, place) : 0);
      }
      for (std::int64_t c = 0; c < p.group_in(); ++c)
        for (std::int64_t i = 0; i < samples; ++i)
          for (std::int64_t t = 0; t < p.taps(); ++t) {
            const std::int64_t channel = o / p.group_out() * p.group_in() + c;
            std::int64_t x = n * p.in_batch_step + channel * p.in_channel_step, place = base, is = i, ts = t;
            std::int64_t w = channel * p.weight_in_step + o % p.group_out() * p.weight_out_step;
            bool inside = true;
            for (std::size_t a = rank; a-- > 0;) {
              const LayerAxis& axis = p.axes[a];
              const std::int64_t r = is % axis.in * axis.stride + ts % axis.taps * axis.dilation - axis.pad;
              inside = inside && r >= 0 && r < axis.out;
              x += is % axis.in * axis.in_step, w += ts % axis.taps * axis.weight_step,
                  place += r * axis.out_step;
              is /= axis.in, ts /= axis.taps;
            }
            if (inside) y[static_cast<std::size_t>(place / 4)] += at(arrays.in, x) * at(arrays.weight, w);
          }
    }
  if (p.activation == Activation::clip)
    for (float& v : y) v = std::min(std::max(v, static_cast<float>(p.lo)), static_cast<float>(p.hi));
  return y;
}

}  // namespace

FALTUNG_TEST(residues_of_a_transposed_axis_meet_what_the_definition_says) {
  Random random(11);
  for (int n = 0; n < repeated(400); ++n) {
    const LayerAxis a = random_axis(random, 9);
    auto wanted = meetings(a);
    for (const bool together : {false, true})
      for (const TransposedSet& set : transposed_sets(a, together))
        for (const TransposedPhase& phase : set.phases)
          for (std::int64_t i = 0; i < phase.outs; ++i) {
            const std::int64_t r = phase.first + i * a.stride, window = phase.block - set.block + i;
            std::vector<std::pair<std::int64_t, std::int64_t>> found;
            for (std::int64_t t = 0; t < set.taps; ++t) {
              const std::int64_t x = window + t * set.dilation - set.pad;
              if (x >= 0 && x < a.in) found.push_back({x, phase.tap - t * set.tap_step});
            }
            std::sort(found.begin(), found.end());
            CHECK(found == wanted[static_cast<std::size_t>(r)]);
            if (together) wanted[static_cast<std::size_t>(r)].clear();
          }
    for (const auto& rest : wanted) CHECK(rest.empty());
  }
}

FALTUNG_TEST(transposed_layers_equal_the_scatter_in_every_way) {
  Random random(12);
  int woven = 0;
  for (int n = 0; n < repeated(300); ++n) {
    Arrays arrays;
    const LayerProblem p = random_problem(random, arrays);
    const std::vector<float> wanted = scattered(p, arrays);
    for (const Isa isa : available_isas())
      for (const TransposedWay way : {TransposedWay::apart, TransposedWay::woven, TransposedWay::together}) {
        const auto layer =
            plan_transposed(p, [&](const LayerProblem& one) { return plan_dense(one, isa); }, way, isa);
        Scratch packed(static_cast<std::size_t>(layer->packed_bytes() + 64));
        layer->pack(arrays.weight.data(), packed.data(), 1);
        for (const int threads : {1, 3}) {
          std::vector<float> out(arrays.out.size(), 99);
          const Outcome outcome = layer->run({arrays.in.data(), packed.data(), arrays.bias.data(),
                                              p.residual ? arrays.residual.data() : nullptr, out.data()},
                                             threads, {});
          CHECK(outcome.finished && !outcome.reported);
          CHECK(out == wanted);
        }
      }
    woven += needs_weaving(p, cut_transposed(p, true, 16));
  }
  CHECK(woven > 100);
}

}  // namespace faltung::tests
