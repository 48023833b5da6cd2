// faltung_core_bench_grouped [regular expression] [threads]: named layers of several groups, both layouts.
//
// Microseconds, GFLOP/s of useful multiply-adds, and the share of the multiply-add ceiling of so many cores.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <regex>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/bench/ceiling.h"
#include "core/ops/grouped_run.h"

namespace faltung::bench {
namespace {

struct Named {
  const char* name;
  int rank;
  std::int64_t groups, channels, filters, size, taps, stride, dilation;
};

constexpr Named kLayers[] = {
    {"resnext_3x3_g32_128_128_at_56", 2, 32, 128, 128, 56, 3, 1, 1},
    {"resnext_3x3_s2_g32_256_256_at_56", 2, 32, 256, 256, 56, 3, 2, 1},
    {"resnext_3x3_g32_256_256_at_28", 2, 32, 256, 256, 28, 3, 1, 1},
    {"resnext_3x3_s2_g32_512_512_at_28", 2, 32, 512, 512, 28, 3, 2, 1},
    {"resnext_3x3_g32_512_512_at_14", 2, 32, 512, 512, 14, 3, 1, 1},
    {"resnext_3x3_s2_g32_1024_1024_at_14", 2, 32, 1024, 1024, 14, 3, 2, 1},
    {"resnext_3x3_g32_1024_1024_at_7", 2, 32, 1024, 1024, 7, 3, 1, 1},
    {"alexnet_5x5_g2_96_256_at_27", 2, 2, 96, 256, 27, 5, 1, 1},
    {"alexnet_3x3_g2_384_384_at_13", 2, 2, 384, 384, 13, 3, 1, 1},
    {"shufflenet_1x1_g3_240_240_at_28", 2, 3, 240, 240, 28, 1, 1, 1},
    {"shufflenet_1x1_g8_384_384_at_28", 2, 8, 384, 384, 28, 1, 1, 1},
    {"regnet_3x3_g4_64_64_at_56", 2, 4, 64, 64, 56, 3, 1, 1},
    {"regnet_3x3_g9_216_216_at_28", 2, 9, 216, 216, 28, 3, 1, 1},
    {"regnet_3x3_g16_256_256_at_14", 2, 16, 256, 256, 14, 3, 1, 1},
    {"regnet_3x3_g20_320_320_at_14", 2, 20, 320, 320, 14, 3, 1, 1},
    {"pairs_3x3_g32_64_64_at_56", 2, 32, 64, 64, 56, 3, 1, 1},
    {"threes_3x3_g32_96_96_at_28", 2, 32, 96, 96, 28, 3, 1, 1},
    {"fives_3x3_g32_160_160_at_28", 2, 32, 160, 160, 28, 3, 1, 1},
    {"two_to_four_3x3_g32_64_128_at_28", 2, 32, 64, 128, 28, 3, 1, 1},
    {"eight_to_four_3x3_g32_256_128_at_28", 2, 32, 256, 128, 28, 3, 1, 1},
    {"line_2_d64_g16_64_128_at_16000", 1, 16, 64, 128, 16000, 2, 1, 64},
    {"line_3_g32_128_128_at_4000", 1, 32, 128, 128, 4000, 3, 1, 1},
    {"wav2vec2_128_g16_768_768_at_99", 1, 16, 768, 768, 99, 128, 1, 1},
    {"volume_3x3x3_g16_64_64_at_28", 3, 16, 64, 64, 28, 3, 1, 1},
    {"volume_3x3x3_g32_128_128_at_14", 3, 32, 128, 128, 14, 3, 1, 1},
};

std::int64_t power(std::int64_t size, int rank) {
  return rank == 0 ? 1 : size * power(size, rank - 1);
}

template <class T>
LayerProblem problem_of(const Named& l, bool last) {
  constexpr std::int64_t item = sizeof(T);
  const std::int64_t pad = l.dilation * (l.taps - 1) / 2;
  const std::int64_t out = (l.size + 2 * pad - (l.taps - 1) * l.dilation - 1) / l.stride + 1;
  LayerProblem p;
  p.groups = l.groups, p.in_channels = l.channels, p.out_channels = l.filters;
  p.in = p.weight = p.out = item == 4 ? DType::f32 : DType::f64;
  p.compute = item == 4 ? Compute::f32 : Compute::f64;
  p.activation = Activation::clip;
  p.lo = 0, p.hi = HUGE_VAL;
  p.bias = true;
  p.weight_in_step = power(l.taps, l.rank) * item;
  p.weight_out_step = l.channels / l.groups * p.weight_in_step;
  p.in_channel_step = last ? item : power(l.size, l.rank) * item;
  p.out_channel_step = last ? item : power(out, l.rank) * item;
  p.in_batch_step = power(l.size, l.rank) * l.channels * item;
  p.out_batch_step = power(out, l.rank) * l.filters * item;
  for (int a = l.rank - 1; a >= 0; --a)
    p.axes.push_back({l.size, out, l.taps, l.stride, l.dilation, pad, Boundary::constant,
                      power(l.size, a) * (last ? l.channels : 1) * item, power(l.taps, a) * item,
                      power(out, a) * (last ? l.filters : 1) * item, 0});
  return p;
}

template <class T>
void bench_layer(const LayerProblem& p, Isa isa, int threads, double ceiling, const std::string& name) {
  const auto plan = plan_grouped(p, isa);
  const auto filled = [](std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(double(i * 37 % 101) / 50 - 1);
    return values;
  };
  const std::vector<T> in = filled(p.in_batch_step / std::int64_t(sizeof(T))),
                       weights = filled(p.out_channels * p.terms()), bias = filled(p.out_channels);
  std::vector<T> out(static_cast<std::size_t>(p.outputs()));
  Scratch packed(static_cast<std::size_t>(plan->packed_bytes()));
  plan->pack(weights.data(), packed.data(), threads);
  const LayerArrays arrays{in.data(), packed.data(), bias.data(), nullptr, out.data()};
  const double time = seconds([&] { plan->run(arrays, threads, {}); });
  const double rate = 2e-9 * static_cast<double>(p.outputs() * p.terms()) / time;
  const LayerSummary& s = plan->summary();
  std::printf("%-58s %9.1f us %7.1f GFLOP/s %4.0f %%  %s, strip %lld, %lld units, %lld KB\n", name.c_str(),
              time * 1e6, rate, 100 * rate / ceiling, s.kernel.c_str(), static_cast<long long>(s.strip),
              static_cast<long long>(s.units), static_cast<long long>(s.scratch >> 10));
}

template <class T>
void bench_type(Isa isa, const char* type, int threads, const std::regex& wanted) {
  double ceiling = 0;
  for (const Named& l : kLayers)
    for (const bool last : {false, true}) {
      const std::string name =
          std::string(l.name) + (last ? "_last_" : "_first_") + type + "_" + isa_name(isa);
      if (!std::regex_search(name, wanted)) continue;
      if (ceiling == 0) {
        ceiling = multiply_add_ceiling<T>(isa) * threads;
        std::printf("ceiling %.1f GFLOP/s\n", ceiling);
      }
      bench_layer<T>(problem_of<T>(l, last), isa, threads, ceiling, name);
    }
}

}  // namespace
}  // namespace faltung::bench

int main(int argc, char** argv) {
  using namespace faltung;
  try {
    const std::regex wanted(argc > 1 ? argv[1] : "");
    const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
    for (const Isa isa : available_isas()) {
      bench::bench_type<float>(isa, "f32", threads, wanted);
      bench::bench_type<double>(isa, "f64", threads, wanted);
    }
  } catch (const std::regex_error& error) {
    std::fprintf(stderr, "faltung_core_bench_grouped: '%s' is no regular expression: %s\n", argv[1],
                 error.what());
    return 2;
  }
  return 0;
}
