// faltung_core_bench_layers [regular expression] [threads]: named layers by the dense method, both layouts.
//
// Microseconds, GFLOP/s of useful multiply-adds, and the share of the multiply-add ceiling of so many cores.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <regex>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/bench/ceiling.h"
#include "core/ops/dense.h"

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
  int64_t batch, channels, size, filters, taps, stride, pad, dilation;
};

constexpr Named kLayers[] = {
    {"conv1_7x7_s2_3_64_at_224", 1, 3, 224, 64, 7, 2, 3, 1},
    {"1x1_64_64_at_56", 1, 64, 56, 64, 1, 1, 0, 1},
    {"3x3_64_64_at_56", 1, 64, 56, 64, 3, 1, 1, 1},
    {"1x1_64_256_at_56", 1, 64, 56, 256, 1, 1, 0, 1},
    {"1x1_256_64_at_56", 1, 256, 56, 64, 1, 1, 0, 1},
    {"3x3_s2_128_128_at_56", 1, 128, 56, 128, 3, 2, 1, 1},
    {"1x1_s2_256_512_at_56", 1, 256, 56, 512, 1, 2, 0, 1},
    {"3x3_128_128_at_28", 1, 128, 28, 128, 3, 1, 1, 1},
    {"1x1_128_512_at_28", 1, 128, 28, 512, 1, 1, 0, 1},
    {"1x1_512_128_at_28", 1, 512, 28, 128, 1, 1, 0, 1},
    {"3x3_256_256_at_14", 1, 256, 14, 256, 3, 1, 1, 1},
    {"1x1_256_1024_at_14", 1, 256, 14, 1024, 1, 1, 0, 1},
    {"1x1_1024_256_at_14", 1, 1024, 14, 256, 1, 1, 0, 1},
    {"1x1_512_512_at_14", 1, 512, 14, 512, 1, 1, 0, 1},
    {"1x1_s2_1024_512_at_14", 1, 1024, 14, 512, 1, 2, 0, 1},
    {"3x3_512_512_at_7", 1, 512, 7, 512, 3, 1, 1, 1},
    {"1x1_512_2048_at_7", 1, 512, 7, 2048, 1, 1, 0, 1},
    {"1x1_2048_512_at_7", 1, 2048, 7, 512, 1, 1, 0, 1},
    {"3x3_256_256_at_56", 1, 256, 56, 256, 3, 1, 1, 1},
    {"3x3_512_512_at_4", 1, 512, 4, 512, 3, 1, 1, 1},
    {"3x3_512_512_at_7_batch_8", 8, 512, 7, 512, 3, 1, 1, 1},
    {"small_3x3_3_64_at_32", 1, 3, 32, 64, 3, 1, 1, 1},
    {"3x3_d4_256_256_at_28", 1, 256, 28, 256, 3, 1, 4, 4},
    {"5x5_32_96_at_28", 1, 32, 28, 96, 5, 1, 2, 1},
    {"3x3_32_64_at_112", 1, 32, 112, 64, 3, 1, 1, 1},
    {"1x1_32_16_at_112", 1, 32, 112, 16, 1, 1, 0, 1},
    {"1x1_144_24_at_56", 1, 144, 56, 24, 1, 1, 0, 1},
    {"3x3_s2_3_32_at_224", 1, 3, 224, 32, 3, 2, 1, 1},
    {"fc_2048_1000", 1, 2048, 1, 1000, 1, 1, 0, 1},
};

template <class T>
LayerProblem problem_of(const Named& l, bool last) {
  constexpr int64_t item = int64_t(sizeof(T));
  const int64_t out = (l.size + 2 * l.pad - (l.taps - 1) * l.dilation - 1) / l.stride + 1;
  LayerProblem p;
  p.batch = l.batch, p.in_channels = l.channels, p.out_channels = l.filters;
  p.in = p.weight = p.out = item == 4 ? DType::f32 : DType::f64;
  p.compute = item == 4 ? Compute::f32 : Compute::f64;
  p.activation = Activation::clip;
  p.lo = 0, p.hi = HUGE_VAL;
  p.bias = true;
  p.weight_in_step = l.taps * l.taps * item;
  p.weight_out_step = l.channels * p.weight_in_step;
  p.in_channel_step = last ? item : l.size * l.size * item;
  p.out_channel_step = last ? item : out * out * item;
  p.in_batch_step = l.size * l.size * l.channels * item;
  p.out_batch_step = out * out * l.filters * item;
  for (int a = 0; a < 2; ++a)
    p.axes.push_back({l.size, out, l.taps, l.stride, l.dilation, l.pad, Boundary::constant,
                      (a == 0 ? l.size : 1) * (last ? l.channels : 1) * item, (a == 0 ? l.taps : 1) * item,
                      (a == 0 ? out : 1) * (last ? l.filters : 1) * item, 0});
  return p;
}

template <class T>
void bench_layer(const Named& l, bool last, Isa isa, int threads, double ceiling, const std::string& name) {
  const LayerProblem p = problem_of<T>(l, last);
  const auto plan = plan_dense(p, isa);
  const auto filled = [](int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(double(i * 37 % 101) / 50 - 1);
    return values;
  };
  const std::vector<T> in = filled(p.batch * p.in_channels * p.axes[0].in * p.axes[1].in),
                       weights = filled(p.out_channels * p.terms()), bias = filled(p.out_channels);
  std::vector<T> out(static_cast<std::size_t>(p.outputs()));
  Scratch packed(static_cast<std::size_t>(plan->packed_bytes()));
  const double packing = fastest(threads, [&] { plan->pack(weights.data(), packed.data(), threads); });
  const LayerArrays arrays{in.data(), packed.data(), bias.data(), nullptr, out.data()};
  const double time = fastest(threads, [&] { plan->run(arrays, threads, {}); });
  const double rate = 2e-9 * double(p.outputs()) * double(p.terms()) / time;
  const LayerSummary& s = plan->summary();
  std::printf("%-44s %9.1f us %7.1f GFLOP/s %4.0f %%  %s, strip %lld, pack %.0f us\n", name.c_str(),
              time * 1e6, rate, 100 * rate / ceiling, s.kernel.c_str(), static_cast<long long>(s.strip),
              packing * 1e6);
}

template <class T>
void bench_type(Isa isa, const char* type, int threads, const std::regex& wanted) {
  double ceiling = 0;
  for (const Named& l : kLayers)
    for (const bool last : {true, false}) {
      const std::string name =
          std::string(l.name) + (last ? "_last_" : "_first_") + type + "_" + isa_name(isa);
      if (!std::regex_search(name, wanted)) continue;
      if (ceiling == 0) {
        ceiling = multiply_add_ceiling<T>(isa) * threads;
        std::printf("ceiling %.1f GFLOP/s\n", ceiling);
      }
      bench_layer<T>(l, last, isa, threads, ceiling, name);
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
