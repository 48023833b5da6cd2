// faltung_core_bench_depthwise [regular expression] [threads]: named depthwise layers, both layouts.
//
// Microseconds, GFLOP/s of useful multiply-adds, and how many times a copy of as many bytes as input and output takes as long.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/bench/clock.h"
#include "core/ops/depthwise.h"
#include "core/ops/planes.h"

namespace faltung::bench {
namespace {

struct Named {
  const char* name;
  int64_t rank, channels, multiplier, size, taps, stride, dilation;
};

constexpr Named kLayers[] = {
    {"3x3_32_at_112", 2, 32, 1, 112, 3, 1, 1},
    {"3x3_s2_64_at_112", 2, 64, 1, 112, 3, 2, 1},
    {"3x3_128_at_56", 2, 128, 1, 56, 3, 1, 1},
    {"3x3_s2_128_at_56", 2, 128, 1, 56, 3, 2, 1},
    {"3x3_256_at_28", 2, 256, 1, 28, 3, 1, 1},
    {"3x3_s2_256_at_28", 2, 256, 1, 28, 3, 2, 1},
    {"3x3_512_at_14", 2, 512, 1, 14, 3, 1, 1},
    {"3x3_s2_512_at_14", 2, 512, 1, 14, 3, 2, 1},
    {"3x3_1024_at_7", 2, 1024, 1, 7, 3, 1, 1},
    {"3x3_144_at_56", 2, 144, 1, 56, 3, 1, 1},
    {"3x3_m2_64_at_56", 2, 64, 2, 56, 3, 1, 1},
    {"5x5_240_at_14", 2, 240, 1, 14, 5, 1, 1},
    {"5x5_s2_144_at_56", 2, 144, 1, 56, 5, 2, 1},
    {"7x7_96_at_56", 2, 96, 1, 56, 7, 1, 1},
    {"7x7_192_at_28", 2, 192, 1, 28, 7, 1, 1},
    {"7x7_384_at_14", 2, 384, 1, 14, 7, 1, 1},
    {"7x7_768_at_7", 2, 768, 1, 7, 7, 1, 1},
    {"7x7_m2_64_at_56", 2, 64, 2, 56, 7, 1, 1},
    {"9x9_64_at_56", 2, 64, 1, 56, 9, 1, 1},
    {"13x13_512_at_14", 2, 512, 1, 14, 13, 1, 1},
    {"27x27_1024_at_14", 2, 256, 1, 14, 27, 1, 1},
    {"31x31_128_at_56", 2, 128, 1, 56, 31, 1, 1},
    {"51x51_64_at_56", 2, 64, 1, 56, 51, 1, 1},
    {"line_k31_512_at_1000", 1, 512, 1, 1000, 31, 1, 1},
    {"line_k3_d64_128_at_8000", 1, 128, 1, 8000, 3, 1, 64},
    {"cube_3_32_at_32", 3, 32, 1, 32, 3, 1, 1},
    {"cube_5_16_at_28", 3, 16, 1, 28, 5, 1, 1},
    {"3x3_3_at_512", 2, 3, 1, 512, 3, 1, 1},
};

template <class T>
LayerProblem problem_of(const Named& l, bool last) {
  constexpr int64_t item = int64_t(sizeof(T));
  const int64_t pad = l.taps / 2 * l.dilation, filters = l.channels * l.multiplier;
  const int64_t out = (l.size + 2 * pad - (l.taps - 1) * l.dilation - 1) / l.stride + 1;
  LayerProblem p;
  p.groups = p.in_channels = l.channels, p.out_channels = filters;
  p.in = p.weight = p.out = item == 4 ? DType::f32 : DType::f64;
  p.compute = item == 4 ? Compute::f32 : Compute::f64;
  p.bias = true;
  int64_t in_step = last ? l.channels * item : item, out_step = last ? filters * item : item, tap_step = item;
  for (int64_t a = 0; a < l.rank; ++a) {
    p.axes.insert(p.axes.begin(), {l.size, out, l.taps, l.stride, l.dilation, pad, Boundary::constant,
                                   in_step, tap_step, out_step, 0});
    in_step *= l.size, out_step *= out, tap_step *= l.taps;
  }
  p.weight_in_step = p.weight_out_step = tap_step;
  p.in_channel_step = last ? item : in_step;
  p.out_channel_step = last ? item : out_step;
  p.in_batch_step = in_step * (last ? 1 : l.channels);
  p.out_batch_step = out_step * (last ? 1 : filters);
  return p;
}

template <class T>
void bench_layer(const Named& l, bool last, bool planes, Isa isa, int threads, const std::string& name) {
  const LayerProblem p = problem_of<T>(l, last);
  const auto plan = planes ? plan_planes(p, isa, nullptr) : plan_depthwise(p, isa);
  const auto filled = [](int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(double(i * 37 % 101) / 50 - 1);
    return values;
  };
  int64_t samples = p.in_channels;
  for (const LayerAxis& a : p.axes) samples *= a.in;
  const std::vector<T> in = filled(samples), weights = filled(p.out_channels * p.terms()),
                       bias = filled(p.out_channels);
  std::vector<T> out(static_cast<std::size_t>(p.outputs()));
  Scratch packed(static_cast<std::size_t>(plan->packed_bytes()));
  plan->pack(weights.data(), packed.data(), threads);
  const LayerArrays arrays{in.data(), packed.data(), bias.data(), nullptr, out.data()};
  const double time = seconds([&] { plan->run(arrays, threads, {}); });
  const std::size_t bytes = (in.size() + out.size()) * sizeof(T) / 2;
  std::vector<char> from(bytes, 1), to(bytes);
  const double copy = seconds([&] { std::memcpy(to.data(), from.data(), bytes); });
  const LayerSummary& s = plan->summary();
  std::printf("%-40s %9.1f us %7.1f GFLOP/s  %5.2f copies  %s, %lld units, strip %lld\n", name.c_str(),
              time * 1e6, 2e-9 * double(p.outputs()) * double(p.terms()) / time, time / copy,
              s.kernel.c_str(), static_cast<long long>(s.units), static_cast<long long>(s.strip));
}

template <class T>
void bench_type(Isa isa, const char* type, int threads, const std::regex& wanted) {
  for (const Named& l : kLayers)
    for (const char* way : {"last", "first", "planes"}) {
      const std::string name = std::string(l.name) + "_" + way + "_" + type + "_" + isa_name(isa);
      if (std::regex_search(name, wanted))
        bench_layer<T>(l, way[0] == 'l', way[0] == 'p', isa, threads, name);
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
    std::fprintf(stderr, "faltung_core_bench_depthwise: '%s' is no regular expression: %s\n", argv[1],
                 error.what());
    return 2;
  }
  return 0;
}
