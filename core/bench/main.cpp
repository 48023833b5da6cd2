// faltung_core_bench [regular expression]: one line for each row of the kernel tables whose name it finds.
//
// Operands lie in L1, unaligned by one element as in real use. Shares of the ceiling compare on any machine;
// absolute figures do not.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/memory.h"
#include "core/base/pool.h"
#include "core/bench/ceiling.h"
#include "core/kernels/select.h"
#include "core/ops/fourier.h"

namespace faltung::bench {
namespace {

constexpr std::int64_t kTaps = 9, kTiles = 4;

// Four tiles side by side, nine taps of every kernel row.
template <class T>
void bench_kernel(const StencilKernel<T>& k, double ceiling) {
  const std::int64_t parts = k.complex_weights ? 2 : 1, width = std::int64_t(k.vectors) * k.lanes;
  const std::int64_t columns = kTiles * width + kTaps * parts + 1, lines = k.rows + k.group - 1;
  const std::int64_t line = 64 / std::int64_t(sizeof(T));
  const std::int64_t spread =
      ((columns + line - 1) / line | 1) * line;  // an odd number of cache lines, as packed
  const std::vector<T> in(static_cast<std::size_t>(spread * lines + 1), T(1)),
      weights(static_cast<std::size_t>(kTaps * k.group * parts), T(1));
  std::vector<T> out(static_cast<std::size_t>(kTiles * width * k.rows + 1));
  std::vector<const T*> rows;
  for (std::int64_t r = 0; r < lines; ++r) rows.push_back(in.data() + r * spread + 1);
  const StencilRun<T> run{weights.data(), 0, 0, kTaps};
  StencilArgs<T> args{};
  args.rows = rows.data();
  args.runs = &run;
  args.run_count = 1;
  args.step = parts;
  args.tiles = kTiles;
  args.advance = width;
  args.c = out.data() + 1;
  args.ldc = kTiles * width;
  const double flops = 2.0 * static_cast<double>(kTiles * width * k.rows * k.group * kTaps * parts);
  const double rate = flops / seconds([&] { k.run(args); }) * 1e-9;
  std::printf("%-44s %8.1f GFLOP/s %5.0f %%\n", k.name, rate, 100 * rate / ceiling);
}

template <class T>
void bench_kernels(Isa isa, const char* type, const std::regex& wanted) {
  const StencilTable<T>& table = stencil_table<T>(isa);
  double ceiling = 0;
  for (int i = 0; i < table.count; ++i) {
    if (!std::regex_search(table.kernels[i].name, wanted)) continue;
    if (ceiling == 0) {
      ceiling = multiply_add_ceiling<T>(isa);
      std::printf("%-44s %8.1f GFLOP/s   100 %%\n",
                  ("ceiling_" + std::string(type) + "_" + isa_name(isa)).c_str(), ceiling);
    }
    bench_kernel(table.kernels[i], ceiling);
  }
}

constexpr const char* kTypes[kDTypes] = {"b8",  "u8",  "i8",  "u16",  "i16", "u32", "i32",
                                         "u64", "i64", "f16", "bf16", "f32", "f64"};
constexpr std::int64_t kSamples = 1000;

// A thousand samples, contiguous and every second one; zeros, whose type does not matter.
template <class T>
void bench_conversions(Isa isa, const char* type, const std::regex& wanted) {
  const ConvertTable<T>& table = convert_table<T>(isa);
  std::vector<std::uint64_t> samples(2 * kSamples);
  std::vector<T> values(kSamples + 1);
  const auto bench = [&](const std::string& what, auto work) {
    const std::string name = "convert_" + std::string(type) + "_" + what + "_" + isa_name(isa);
    if (!std::regex_search(name, wanted)) return;
    std::printf("%-44s %8.2f samples/ns\n", name.c_str(), kSamples / seconds(work) * 1e-9);
  };
  for (int i = 0; i < kDTypes; ++i)
    for (const std::int64_t step : {1, 2}) {
      const std::string suffix = std::string(kTypes[i]) + (step == 1 ? "" : "_step2");
      const StridedLine line{kSamples, 1, step * kItemSize[i], kItemSize[i]};
      if (table.load[i] != nullptr)
        bench("load_" + suffix, [&] { table.load[i](samples.data(), line, values.data() + 1); });
      if (table.store[i] == nullptr) continue;
      if (DType(i) >= DType::f16) {
        bench("store_" + suffix,
              [&] { table.store[i](values.data() + 1, samples.data(), line, Store::cast); });
        continue;
      }
      for (const auto& [how, word] : {std::pair{Store::fits, "fits_"},
                                      {Store::check, "check_"},
                                      {Store::saturate, "saturate_"},
                                      {Store::wrap, "wrap_"}})
        bench("store_" + std::string(word) + suffix,
              [&, policy = how] { table.store[i](values.data() + 1, samples.data(), line, policy); });
    }
}

// Lines of zeros from L1 to L2, as their transforms like them; GFLOP/s of 5 n log2 n operations a transform and lane, the
// usual count, whatever was really done.
template <class T>
void bench_transforms(Isa isa, const std::regex& wanted) {
  const SpectralTable<T>& table = spectral_table<T>(isa);
  const auto bench = [&](const std::string& what, double operations, const char* unit, auto work) {
    const std::string name = table.name + ("_" + what);
    if (std::regex_search(name, wanted))
      std::printf("%-44s %8.1f %s\n", name.c_str(), operations / seconds(work) * 1e-9, unit);
  };
  for (const std::int64_t n : {64, 80, 256, 1024, 4096, 16384}) {
    const Fourier<T> fourier(n, table.radix);
    const FourierStages<T> stages = fourier.stages(fourier.gap());
    const std::int64_t width = 2 * table.lanes, pairs = n + n / stages.run * stages.gap;
    Scratch line(static_cast<std::size_t>(pairs * width) * sizeof(T));
    T* z = static_cast<T*>(line.data());
    std::memset(line.data(), 0, line.size());
    const std::vector<T> h(static_cast<std::size_t>(n * width));
    const double points = static_cast<double>(n), operations = 5 * points * std::log2(points) * table.lanes;
    const std::string size = std::to_string(n);
    bench("forward_" + size, operations, "GFLOP/s", [&] { table.forward(z, 1, stages); });
    bench("inverse_" + size, operations, "GFLOP/s", [&] { table.inverse(z, 1, stages); });
    bench("convolve_" + size, 2 * operations, "GFLOP/s",
          [&] { table.convolve(z, 1, stages, h.data(), false); });
    bench("convolve_lanes_" + size, 2 * operations, "GFLOP/s",
          [&] { table.convolve(z, 1, stages, h.data(), true); });
  }
  constexpr std::int64_t samples = 250;
  const std::int64_t spread = samples + 3;
  std::vector<T> numbers(static_cast<std::size_t>(table.lanes * spread + 1)), largest(numbers),
      squares(numbers);
  std::vector<T> z(static_cast<std::size_t>(2 * table.lanes * samples));
  std::vector<T*> rows;
  for (int l = 0; l < table.lanes; ++l) rows.push_back(numbers.data() + l * spread + 1);
  const double count = static_cast<double>(samples * table.lanes);
  bench("gather", count, "samples/ns",
        [&] { table.gather(rows.data(), samples, z.data(), 2 * table.lanes); });
  bench("scatter", count, "samples/ns",
        [&] { table.scatter(z.data(), 2 * table.lanes, samples, rows.data()); });
  bench("measure", count, "samples/ns",
        [&] { table.measure(z.data(), 2 * table.lanes, samples, largest.data(), squares.data()); });
}

// Two halves of 100 microseconds each, the worker asleep between jobs: 200 alone, 100 and the wake-up on two.
void bench_pool(const std::regex& wanted) {
  using Clock = std::chrono::steady_clock;
  for (const int threads : {1, 2}) {
    const std::string name = "pool_two_units_of_100_us_on_" + std::to_string(threads);
    if (!std::regex_search(name, wanted)) continue;
    double best = 1;
    for (int job = 0; job < 300; ++job) {
      std::this_thread::sleep_for(std::chrono::microseconds(300));
      const Clock::time_point begin = Clock::now();
      parallel_for(2, threads, [](std::int64_t, int) {
        const Clock::time_point end = Clock::now() + std::chrono::microseconds(100);
        while (Clock::now() < end) {
        }
      });
      best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
    }
    std::printf("%-44s %8.1f us\n", name.c_str(), best * 1e6);
  }
}

void bench_all(const std::regex& wanted) {
  for (const Isa isa : available_isas()) {
    bench_kernels<float>(isa, "f32", wanted);
    bench_kernels<double>(isa, "f64", wanted);
    bench_kernels<std::uint64_t>(isa, "u64", wanted);
    bench_conversions<float>(isa, "f32", wanted);
    bench_conversions<double>(isa, "f64", wanted);
    bench_conversions<std::uint64_t>(isa, "u64", wanted);
    bench_transforms<float>(isa, wanted);
    bench_transforms<double>(isa, wanted);
  }
  bench_pool(wanted);
}

}  // namespace
}  // namespace faltung::bench

int main(int argc, char** argv) {
  try {
    faltung::bench::bench_all(std::regex(argc > 1 ? argv[1] : ""));
  } catch (const std::regex_error& error) {
    std::fprintf(stderr, "faltung_core_bench: '%s' is no regular expression: %s\n", argv[1], error.what());
    return 2;
  }
  return 0;
}
