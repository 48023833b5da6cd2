// faltung_core_bench_layers [regular expression] [threads]: named layers, both layouts, by every method that takes them.
//
// Microseconds, GFLOP/s of useful multiply-adds, the share of the multiply-add ceiling of so many cores, and how many times a
// copy of as many bytes as input and output takes as long.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/bench/ceiling.h"
#include "core/ops/dense.h"
#include "core/ops/depthwise.h"
#include "core/ops/grouped_run.h"
#include "core/ops/matrix.h"
#include "core/ops/planes.h"

namespace faltung::bench {
namespace {

// Seconds of one call: the fastest of many, in time of this thread alone where there is one, so that neighbours count less.
template <class Work>
double fastest(int threads, Work work) {
  const auto now = [&] {
    timespec t{};
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
  };
  double best = HUGE_VAL, spent = 0;
  for (int i = 0; i < 5 || (spent < 0.03 && i < 1000); ++i) {
    const double begin = now();
    work();
    const double time = now() - begin;
    best = std::min(best, time);
    spent += time;
  }
  return best;
}

struct Named {
  const char* name;
  int rank;
  int64_t batch, groups, channels, filters, size, taps, stride, dilation;
};

constexpr Named kLayers[] = {
    {"conv1_7x7_s2_3_64_at_224", 2, 1, 1, 3, 64, 224, 7, 2, 1},
    {"1x1_64_64_at_56", 2, 1, 1, 64, 64, 56, 1, 1, 1},
    {"3x3_64_64_at_56", 2, 1, 1, 64, 64, 56, 3, 1, 1},
    {"1x1_64_256_at_56", 2, 1, 1, 64, 256, 56, 1, 1, 1},
    {"1x1_256_64_at_56", 2, 1, 1, 256, 64, 56, 1, 1, 1},
    {"3x3_s2_128_128_at_56", 2, 1, 1, 128, 128, 56, 3, 2, 1},
    {"1x1_s2_256_512_at_56", 2, 1, 1, 256, 512, 56, 1, 2, 1},
    {"3x3_128_128_at_28", 2, 1, 1, 128, 128, 28, 3, 1, 1},
    {"1x1_128_512_at_28", 2, 1, 1, 128, 512, 28, 1, 1, 1},
    {"1x1_512_128_at_28", 2, 1, 1, 512, 128, 28, 1, 1, 1},
    {"3x3_256_256_at_14", 2, 1, 1, 256, 256, 14, 3, 1, 1},
    {"1x1_256_1024_at_14", 2, 1, 1, 256, 1024, 14, 1, 1, 1},
    {"1x1_1024_256_at_14", 2, 1, 1, 1024, 256, 14, 1, 1, 1},
    {"1x1_512_512_at_14", 2, 1, 1, 512, 512, 14, 1, 1, 1},
    {"1x1_s2_1024_512_at_14", 2, 1, 1, 1024, 512, 14, 1, 2, 1},
    {"3x3_512_512_at_7", 2, 1, 1, 512, 512, 7, 3, 1, 1},
    {"1x1_512_2048_at_7", 2, 1, 1, 512, 2048, 7, 1, 1, 1},
    {"1x1_2048_512_at_7", 2, 1, 1, 2048, 512, 7, 1, 1, 1},
    {"3x3_256_256_at_56", 2, 1, 1, 256, 256, 56, 3, 1, 1},
    {"3x3_512_512_at_4", 2, 1, 1, 512, 512, 4, 3, 1, 1},
    {"3x3_512_512_at_7_batch_8", 2, 8, 1, 512, 512, 7, 3, 1, 1},
    {"small_3x3_3_64_at_32", 2, 1, 1, 3, 64, 32, 3, 1, 1},
    {"3x3_d4_256_256_at_28", 2, 1, 1, 256, 256, 28, 3, 1, 4},
    {"5x5_32_96_at_28", 2, 1, 1, 32, 96, 28, 5, 1, 1},
    {"3x3_32_64_at_112", 2, 1, 1, 32, 64, 112, 3, 1, 1},
    {"1x1_32_16_at_112", 2, 1, 1, 32, 16, 112, 1, 1, 1},
    {"1x1_144_24_at_56", 2, 1, 1, 144, 24, 56, 1, 1, 1},
    {"3x3_s2_3_32_at_224", 2, 1, 1, 3, 32, 224, 3, 2, 1},
    {"fc_2048_1000", 2, 1, 1, 2048, 1000, 1, 1, 1, 1},
    {"resnext_3x3_g32_128_128_at_56", 2, 1, 32, 128, 128, 56, 3, 1, 1},
    {"resnext_3x3_s2_g32_256_256_at_56", 2, 1, 32, 256, 256, 56, 3, 2, 1},
    {"resnext_3x3_g32_256_256_at_28", 2, 1, 32, 256, 256, 28, 3, 1, 1},
    {"resnext_3x3_s2_g32_512_512_at_28", 2, 1, 32, 512, 512, 28, 3, 2, 1},
    {"resnext_3x3_g32_512_512_at_14", 2, 1, 32, 512, 512, 14, 3, 1, 1},
    {"resnext_3x3_s2_g32_1024_1024_at_14", 2, 1, 32, 1024, 1024, 14, 3, 2, 1},
    {"resnext_3x3_g32_1024_1024_at_7", 2, 1, 32, 1024, 1024, 7, 3, 1, 1},
    {"alexnet_5x5_g2_96_256_at_27", 2, 1, 2, 96, 256, 27, 5, 1, 1},
    {"alexnet_3x3_g2_384_384_at_13", 2, 1, 2, 384, 384, 13, 3, 1, 1},
    {"shufflenet_1x1_g3_240_240_at_28", 2, 1, 3, 240, 240, 28, 1, 1, 1},
    {"shufflenet_1x1_g8_384_384_at_28", 2, 1, 8, 384, 384, 28, 1, 1, 1},
    {"regnet_3x3_g4_64_64_at_56", 2, 1, 4, 64, 64, 56, 3, 1, 1},
    {"regnet_3x3_g9_216_216_at_28", 2, 1, 9, 216, 216, 28, 3, 1, 1},
    {"regnet_3x3_g16_256_256_at_14", 2, 1, 16, 256, 256, 14, 3, 1, 1},
    {"regnet_3x3_g20_320_320_at_14", 2, 1, 20, 320, 320, 14, 3, 1, 1},
    {"pairs_3x3_g32_64_64_at_56", 2, 1, 32, 64, 64, 56, 3, 1, 1},
    {"threes_3x3_g32_96_96_at_28", 2, 1, 32, 96, 96, 28, 3, 1, 1},
    {"fives_3x3_g32_160_160_at_28", 2, 1, 32, 160, 160, 28, 3, 1, 1},
    {"two_to_four_3x3_g32_64_128_at_28", 2, 1, 32, 64, 128, 28, 3, 1, 1},
    {"eight_to_four_3x3_g32_256_128_at_28", 2, 1, 32, 256, 128, 28, 3, 1, 1},
    {"line_2_d64_g16_64_128_at_16000", 1, 1, 16, 64, 128, 16000, 2, 1, 64},
    {"line_3_g32_128_128_at_4000", 1, 1, 32, 128, 128, 4000, 3, 1, 1},
    {"wav2vec2_128_g16_768_768_at_99", 1, 1, 16, 768, 768, 99, 128, 1, 1},
    {"volume_3x3x3_g16_64_64_at_28", 3, 1, 16, 64, 64, 28, 3, 1, 1},
    {"volume_3x3x3_g32_128_128_at_14", 3, 1, 32, 128, 128, 14, 3, 1, 1},
    {"depthwise_3x3_32_at_112", 2, 1, 32, 32, 32, 112, 3, 1, 1},
    {"depthwise_3x3_s2_64_at_112", 2, 1, 64, 64, 64, 112, 3, 2, 1},
    {"depthwise_3x3_128_at_56", 2, 1, 128, 128, 128, 56, 3, 1, 1},
    {"depthwise_3x3_s2_128_at_56", 2, 1, 128, 128, 128, 56, 3, 2, 1},
    {"depthwise_3x3_256_at_28", 2, 1, 256, 256, 256, 28, 3, 1, 1},
    {"depthwise_3x3_s2_256_at_28", 2, 1, 256, 256, 256, 28, 3, 2, 1},
    {"depthwise_3x3_512_at_14", 2, 1, 512, 512, 512, 14, 3, 1, 1},
    {"depthwise_3x3_s2_512_at_14", 2, 1, 512, 512, 512, 14, 3, 2, 1},
    {"depthwise_3x3_1024_at_7", 2, 1, 1024, 1024, 1024, 7, 3, 1, 1},
    {"depthwise_3x3_144_at_56", 2, 1, 144, 144, 144, 56, 3, 1, 1},
    {"depthwise_3x3_m2_64_at_56", 2, 1, 64, 64, 128, 56, 3, 1, 1},
    {"depthwise_5x5_240_at_14", 2, 1, 240, 240, 240, 14, 5, 1, 1},
    {"depthwise_5x5_s2_144_at_56", 2, 1, 144, 144, 144, 56, 5, 2, 1},
    {"depthwise_7x7_96_at_56", 2, 1, 96, 96, 96, 56, 7, 1, 1},
    {"depthwise_7x7_192_at_28", 2, 1, 192, 192, 192, 28, 7, 1, 1},
    {"depthwise_7x7_384_at_14", 2, 1, 384, 384, 384, 14, 7, 1, 1},
    {"depthwise_7x7_768_at_7", 2, 1, 768, 768, 768, 7, 7, 1, 1},
    {"depthwise_7x7_m2_64_at_56", 2, 1, 64, 64, 128, 56, 7, 1, 1},
    {"depthwise_9x9_64_at_56", 2, 1, 64, 64, 64, 56, 9, 1, 1},
    {"depthwise_13x13_512_at_14", 2, 1, 512, 512, 512, 14, 13, 1, 1},
    {"depthwise_27x27_1024_at_14", 2, 1, 256, 256, 256, 14, 27, 1, 1},
    {"depthwise_31x31_128_at_56", 2, 1, 128, 128, 128, 56, 31, 1, 1},
    {"depthwise_51x51_64_at_56", 2, 1, 64, 64, 64, 56, 51, 1, 1},
    {"depthwise_line_k31_512_at_1000", 1, 1, 512, 512, 512, 1000, 31, 1, 1},
    {"depthwise_line_k3_d64_128_at_8000", 1, 1, 128, 128, 128, 8000, 3, 1, 64},
    {"depthwise_cube_3_32_at_32", 3, 1, 32, 32, 32, 32, 3, 1, 1},
    {"depthwise_cube_5_16_at_28", 3, 1, 16, 16, 16, 28, 5, 1, 1},
    {"depthwise_3x3_3_at_512", 2, 1, 3, 3, 3, 512, 3, 1, 1},
};

struct Method {
  const char* name;
  std::unique_ptr<Layer> (*plan)(const LayerProblem&, Isa);
};

constexpr Method kMethods[] = {
    {"gemm", &plan_dense},
    {"matrix6", [](const LayerProblem& p, Isa isa) { return plan_matrix(p, 6, isa); }},
    {"matrix3", [](const LayerProblem& p, Isa isa) { return plan_matrix(p, 3, isa); }},
    {"matrix1", [](const LayerProblem& p, Isa isa) { return plan_matrix(p, 1, isa); }},
    {"grouped", &plan_grouped},
    {"depthwise", &plan_depthwise},
    {"planes", [](const LayerProblem& p, Isa isa) { return plan_planes(p, isa, nullptr); }},
};

// Null where the method does not take the problem.
std::unique_ptr<Layer> plan_by(const Method& method, const LayerProblem& p, Isa isa) {
  try {
    return method.plan(p, isa);
  } catch (const std::invalid_argument&) {
    return nullptr;
  }
}

int64_t power(int64_t size, int rank) {
  return rank == 0 ? 1 : size * power(size, rank - 1);
}

template <class T>
LayerProblem problem_of(const Named& l, bool last) {
  constexpr int64_t item = sizeof(T);
  const int64_t pad = l.dilation * (l.taps - 1) / 2;
  const int64_t out = (l.size + 2 * pad - (l.taps - 1) * l.dilation - 1) / l.stride + 1;
  LayerProblem p;
  p.batch = l.batch, p.groups = l.groups, p.in_channels = l.channels, p.out_channels = l.filters;
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
void bench_layer(const LayerProblem& p, const Layer& plan, int threads, double ceiling,
                 const std::string& name) {
  const auto filled = [](int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(double(i * 37 % 101) / 50 - 1);
    return values;
  };
  const std::vector<T> in = filled(p.batch * p.in_batch_step / int64_t(sizeof(T))),
                       weights = filled(p.out_channels * p.terms()), bias = filled(p.out_channels);
  std::vector<T> out(static_cast<std::size_t>(p.outputs()));
  Scratch packed(static_cast<std::size_t>(plan.packed_bytes()));
  const double packing = fastest(threads, [&] { plan.pack(weights.data(), packed.data(), threads); });
  const LayerArrays arrays{in.data(), packed.data(), bias.data(), nullptr, out.data()};
  const double time = fastest(threads, [&] { plan.run(arrays, threads, {}); });
  const double rate = 2e-9 * double(p.outputs()) * double(p.terms()) / time;
  const std::size_t bytes = (in.size() + out.size()) * sizeof(T) / 2;
  std::vector<char> from(bytes, 1), to(bytes);
  const double copy = fastest(threads, [&] { std::memcpy(to.data(), from.data(), bytes); });
  const LayerSummary& s = plan.summary();
  std::printf(
      "%-58s %9.1f us %7.1f GFLOP/s %4.0f %% %6.2f copies  %s, strip %lld, %lld units, pack %.0f us\n",
      name.c_str(), time * 1e6, rate, 100 * rate / ceiling, time / copy, s.kernel.c_str(),
      static_cast<long long>(s.strip), static_cast<long long>(s.units), packing * 1e6);
}

template <class T>
void bench_type(Isa isa, const char* type, int threads, const std::regex& wanted) {
  double ceiling = 0;
  for (const Named& l : kLayers)
    for (const bool last : {true, false})
      for (const Method& method : kMethods) {
        const std::string name = std::string(l.name) + (last ? "_last_" : "_first_") + type + "_" +
                                 isa_name(isa) + "_" + method.name;
        if (!std::regex_search(name, wanted)) continue;
        const LayerProblem p = problem_of<T>(l, last);
        const std::unique_ptr<Layer> plan = plan_by(method, p, isa);
        if (!plan) continue;
        if (ceiling == 0) {
          ceiling = multiply_add_ceiling<T>(isa) * threads;
          std::printf("ceiling %.1f GFLOP/s\n", ceiling);
        }
        bench_layer<T>(p, *plan, threads, ceiling, name);
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
    std::fprintf(stderr, "faltung_core_bench_layers: '%s' is no regular expression: %s\n", argv[1],
                 error.what());
    return 2;
  }
  return 0;
}
