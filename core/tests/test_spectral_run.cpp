// How a planned spectral correlation runs: large blocks, data of very different size, spikes, kept spectra, threads, forks.
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/ops/correlate.h"
#include "core/ops/spectral_cache.h"
#include "core/tests/check.h"
#include "core/tests/child.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class T>
constexpr DType type_of = std::is_same_v<T, float> ? DType::f32 : DType::f64;

// Axes of T, mode same, in C order; complex ones count double in every step.
template <class T>
Problem same_mode(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& taps,
                  Boundary boundary = Boundary::constant, std::int64_t stride = 1, bool complex = false) {
  Problem p;
  p.in = p.kernel = p.out = type_of<T>;
  p.compute = sizeof(T) == 4 ? Compute::f32 : Compute::f64;
  p.complex_samples = p.complex_kernel = complex;
  const std::int64_t size = std::int64_t(sizeof(T)) * (complex ? 2 : 1);
  std::int64_t in = size, kernel = size, out = size, order = 1;
  for (std::size_t a = sizes.size(); a-- > 0;) {
    const std::int64_t outputs = (sizes[a] - 1) / stride + 1;
    p.axes.insert(p.axes.begin(),
                  {sizes[a], outputs, taps[a], stride, 1, taps[a] / 2, boundary, in, kernel, out, order});
    in *= sizes[a], kernel *= taps[a], out *= outputs, order *= outputs;
  }
  return p;
}

template <class T>
Heap<T> noise(std::int64_t n, std::uint64_t seed) {
  Random random(seed);
  Heap<T> values(n);
  for (T& v : values) v = static_cast<T>(2 * random.unit() - 1);
  return values;
}

template <class T>
double sum_of_sizes(const Heap<T>& kernel) {
  double sum = 0;
  for (const T w : kernel) sum += std::abs(static_cast<double>(w));
  return sum;
}

// Some outputs against the definition: |error| <= 2^-18 (2^-47 in float64) * X sum |w|, a sixteenth of what is promised.
template <class T>
void check_samples(const Problem& p, const SpectralOptions& options, Isa isa, Random& random) {
  std::int64_t in_size = p.parts(), taps = p.taps() * (p.complex_kernel ? 2 : 1);
  for (const ConvAxis& a : p.axes) in_size *= a.in;
  const Heap<T> in = noise<T>(in_size, 1), kernel = noise<T>(taps, 2);
  Heap<T> out(p.outputs() * p.parts()), right(out.size());
  const std::unique_ptr<Correlation> plan = plan_spectral(p, options, isa);
  plan->run(in.data(), kernel.data(), out.data(), 2, {});
  const double bound =
      (sizeof(T) == 4 ? 0x1p-18 : 0x1p-47) * (p.complex_samples ? 2 : 1) * sum_of_sizes(kernel);
  for (int i = 0; i < 60; ++i) {
    Box one;
    std::int64_t at = 0;
    for (const ConvAxis& a : p.axes) {
      const std::int64_t o =
          random.one_in(4) ? random.of<std::int64_t>({0, a.out - 1}) : random.between(0, a.out - 1);
      one.begin.push_back(o);
      one.end.push_back(o + 1);
      at += o * a.out_step / std::int64_t(sizeof(T));
    }
    run_reference(p, one, in.data(), kernel.data(), right.data(), 1, {});
    for (std::int64_t part = 0; part < p.parts(); ++part) {
      const double error =
          std::abs(static_cast<double>(out[at + part]) - static_cast<double>(right[at + part]));
      REQUIRE(error <= bound, plan->summary().kernel + ", " + std::to_string(options.block[0]) +
                                  " points: off by " + std::to_string(error / bound) + " bounds");
    }
  }
}

template <class T>
void check_large_blocks() {
  Random random(3);
  for (const Isa isa : available_isas()) {
    for (const auto& [taps, block, folded] :
         std::vector<std::tuple<std::int64_t, std::int64_t, bool>>{{300, 2048, false},
                                                                   {1000, 5000, false},
                                                                   {1024, 4096, false},
                                                                   {2000, 8192, false},
                                                                   {2000, 6561, false},
                                                                   {3000, 8192, true},
                                                                   {7000, 20736, true},
                                                                   {16384, 65536, true},
                                                                   {9000, 50000, true}})
      for (const Boundary boundary : {Boundary::constant, Boundary::reflect}) {
        check_samples<T>(same_mode<T>({200000}, {taps}, boundary), {{block}, folded}, isa, random);
        check_samples<T>(same_mode<T>({200000}, {taps}, boundary, 3, true), {{block}, folded}, isa, random);
      }
    check_samples<T>(same_mode<T>({700, 900}, {63, 45}), {{540, 640}}, isa, random);
    check_samples<T>(same_mode<T>({900, 300}, {101, 7}, Boundary::wrap), {{1024, 30}}, isa, random);
    check_samples<T>(same_mode<T>({60, 2500}, {9, 300}, Boundary::edge, 2), {{45, 2048}}, isa, random);
    check_samples<T>(same_mode<T>({300, 400}, {20, 33}, Boundary::symmetric, 1, true), {{256, 243}}, isa,
                     random);
    check_samples<T>(same_mode<T>({50, 60, 70}, {7, 9, 11}, Boundary::edge), {{36, 40, 81}}, isa, random);
  }
}

template <class T>
Heap<double> definition(const Problem& p, const Heap<T>& in, const Heap<T>& kernel) {
  Problem wide = p;
  wide.out = DType::f64;
  for (ConvAxis& a : wide.axes) a.out_step = a.out_step / std::int64_t(sizeof(T)) * 8;
  Heap<double> right(p.outputs() * p.parts());
  run_reference(wide, whole(wide), in.data(), kernel.data(), right.data(), 1, {});
  return right;
}

bool count_and_stop(void* count) {
  ++*static_cast<int*>(count);
  return true;
}

}  // namespace

FALTUNG_TEST(spectral_blocks_that_are_large_f32) {
  check_large_blocks<float>();
}
FALTUNG_TEST(spectral_blocks_that_are_large_f64) {
  check_large_blocks<double>();
}

// Neighbouring blocks share a transform, and neither sees how large the other is.
FALTUNG_TEST(spectral_blocks_of_very_different_size) {
  constexpr std::int64_t n = 3000, taps = 20, block = 100;
  for (const Isa isa : available_isas())
    for (const bool folded : {false, true}) {
      const Problem p = same_mode<float>({n}, {taps});
      Heap<float> in = noise<float>(n, 1), out(n);
      // Silence, then tiny, usual and huge samples, each longer than a block.
      constexpr float levels[] = {0, 1e-44f, 1e-30f, 1, 1e30f, 2.9e38f};
      for (std::int64_t i = 0; i < n; ++i) in[i] *= levels[i / 500];
      for (const float size : {1e-38f, 1.0f}) {
        Heap<float> kernel = noise<float>(taps, 2);
        for (float& w : kernel) w *= size * 0.1f;
        const Heap<double> right = definition(p, in, kernel);
        plan_spectral(p, {{block}, folded}, isa)->run(in.data(), kernel.data(), out.data(), 1, {});
        for (std::int64_t i = 0; i < n; ++i) {
          double largest = 0;
          for (std::int64_t j = std::max<std::int64_t>(0, i - block); j < std::min(n, i + block); ++j)
            largest = std::max(largest, std::abs(static_cast<double>(in[j])));
          const double bound = 0x1p-18 * largest * sum_of_sizes(kernel) + taps * 0x1p-149;
          REQUIRE(std::abs(out[i] - right[i]) <= bound, "output " + std::to_string(i) + " is " +
                                                            std::to_string(out[i] / right[i]) +
                                                            " times the right one");
          if (largest == 0) CHECK(out[i] == 0);
        }
      }
    }
}

// With `local` a spike is lifted out of its block: what does not see it is as exact as without it.
FALTUNG_TEST(spectral_spikes_spoil_nothing) {
  for (const Isa isa : available_isas())
    for (const double spike : {1e8, -1e30, 1e200})
      for (const int way : {0, 1, 2}) {
        const Problem p = way == 2 ? same_mode<double>({60, 70}, {5, 7}) : same_mode<double>({4200}, {35});
        const std::vector<std::int64_t> block =
            way == 2 ? std::vector<std::int64_t>{24, 30} : std::vector<std::int64_t>{120};
        Heap<double> in = noise<double>(4200, 1), kernel = noise<double>(35, 2), out(4200);
        in[2000] = spike;
        const Heap<double> right = definition(p, in, kernel);
        const std::unique_ptr<Correlation> plan = plan_spectral(p, {block, way == 1, true}, isa);
        Heap<double> first(4200);
        for (const int threads : {1, 2, 3}) {
          plan->run(in.data(), kernel.data(), out.data(), threads, {});
          if (threads == 1) std::copy(out.begin(), out.end(), first.begin());
          CHECK(out.same_bytes(first));
        }
        for (std::int64_t i = 0; i < 4200; ++i) {
          const double own = std::abs(right[i]) > 100 ? std::abs(right[i]) : 0;
          REQUIRE(std::abs(out[i] - right[i]) <= 0x1p-44 * 35 + 0x1p-48 * own,
                  plan->summary().kernel + ": output " + std::to_string(i) + " is off by " +
                      std::to_string(std::abs(out[i] - right[i])));
        }
      }
}

// Threads that share a block, one pair and three: as many as they are, the same bits; samples that are lifted included.
template <class T>
void check_team(const Problem& p, const SpectralOptions& options, Isa isa, int broken) {
  std::int64_t samples = 1;
  for (const ConvAxis& a : p.axes) samples *= a.in;
  Heap<T> in = noise<T>(samples, 1), kernel = noise<T>(p.taps(), 2), out(p.outputs()), first(p.outputs());
  Random random(3);
  for (int i = 0; i < broken; ++i)
    in[random.between(0, samples - 1)] = static_cast<T>(random.of({infinity, -infinity, 1e30, -1e20}));
  const std::unique_ptr<Correlation> plan = plan_spectral(p, options, isa);
  REQUIRE(plan->run(in.data(), kernel.data(), first.data(), 1, {}).finished, "stopped");
  for (const int threads : {2, 3, 5, 64}) {
    std::fill(out.begin(), out.end(), T(7));
    plan->run(in.data(), kernel.data(), out.data(), threads, {});
    REQUIRE(out.same_bytes(first), plan->summary().kernel + ": other bits on " + std::to_string(threads) +
                                       " threads, " + std::to_string(broken) + " broken samples");
  }
}

FALTUNG_TEST(spectral_teams_leave_the_bits_alone) {
  for (const Isa isa : available_isas())
    for (const int broken : {0, 5, 4000})
      for (const bool local : {false, true}) {
        check_team<double>(same_mode<double>({40, 36, 30}, {3, 5, 4}, Boundary::reflect),
                           {{48, 40, 36}, false, local}, isa, broken);
        check_team<float>(same_mode<float>({300, 100}, {9, 4}), {{160, 120}, false, local}, isa, broken);
        check_team<double>(same_mode<double>({60000}, {700}), {{1 << 15}, true, local}, isa, broken);
        check_team<float>(same_mode<float>({150, 200}, {3, 3}, Boundary::wrap, 2), {{160, 240}, false, local},
                          isa, broken);
      }
}

FALTUNG_TEST(spectral_broken_samples_reach_their_windows_only) {
  constexpr std::int64_t n = 5000, taps = 64;
  for (const Isa isa : available_isas())
    for (const bool folded : {false, true})
      for (const int count : {1, 3, 400}) {
        const Problem p = same_mode<float>({n}, {taps}, Boundary::wrap);
        Heap<float> in = noise<float>(n, 1), kernel = noise<float>(taps, 2), out(n);
        Random random(static_cast<std::uint64_t>(count));
        kernel[5] = 0;
        for (int i = 0; i < count; ++i)
          in[random.between(0, n - 1)] =
              static_cast<float>(random.of({infinity, -infinity, infinity - infinity}));
        const Heap<double> right = definition(p, in, kernel);
        plan_spectral(p, {{1024}, folded}, isa)->run(in.data(), kernel.data(), out.data(), 1, {});
        for (std::int64_t i = 0; i < n; ++i) {
          const bool same = std::isnan(right[i])   ? std::isnan(out[i])
                            : std::isinf(right[i]) ? out[i] == right[i]
                                                   : std::abs(out[i] - right[i]) <= 0x1p-18 * taps;
          REQUIRE(same, "output " + std::to_string(i) + " is " + std::to_string(out[i]) + ", not " +
                            std::to_string(right[i]));
        }
      }
}

// Lanes that each have a kernel of their own; one signal or one for each kernel; a lane with a sample that is lifted.
FALTUNG_TEST(spectral_of_many_kernels) {
  constexpr std::int64_t kernels = 37, n = 300, taps = 21;
  for (const Isa isa : available_isas())
    for (const bool complex : {false, true})
      for (const bool one_signal : {false, true}) {
        const std::int64_t parts = complex ? 2 : 1, size = 4 * parts;
        Problem p = same_mode<float>({n}, {taps}, Boundary::reflect, 1, complex);
        p.batch = {{kernels, one_signal ? 0 : n * size, taps * size, n * size, n}};
        Heap<float> in = noise<float>(kernels * n * parts, 1),
                    kernel = noise<float>(kernels * taps * parts, 2);
        Heap<float> out(in.size());
        in[100 * parts] = static_cast<float>(infinity);
        kernel[5 * taps * parts] = 0;
        Problem wide = p;
        wide.out = DType::f64;
        wide.axes[0].out_step *= 2;
        wide.batch[0].out_step *= 2;
        Heap<double> right(in.size());
        run_reference(wide, whole(wide), in.data(), kernel.data(), right.data(), 1, {});
        const std::unique_ptr<Correlation> plan = plan_spectral(p, {{128}}, isa);
        plan->run(in.data(), kernel.data(), out.data(), 2, {});
        for (std::int64_t i = 0; i < out.size(); ++i) {
          const bool same = std::isfinite(right[i]) ? std::abs(out[i] - right[i]) <= 0x1p-18 * taps * parts
                            : std::isnan(right[i])  ? std::isnan(out[i])
                                                    : out[i] == right[i];
          REQUIRE(same, plan->summary().kernel + ": output " + std::to_string(i) + " is " +
                            std::to_string(out[i]) + ", not " + std::to_string(right[i]));
        }
      }
}

FALTUNG_TEST(spectral_stops_when_asked) {
  const Problem p = same_mode<double>({2000, 2000}, {15, 15});
  const Heap<double> in = noise<double>(4000000, 1), kernel = noise<double>(225, 2);
  Heap<double> out(4000000);
  const std::unique_ptr<Correlation> plan = plan_spectral(p, {{64, 64}}, Isa::baseline);
  for (const int threads : {1, 2, 3}) {
    int asked = 0;
    const Outcome outcome =
        plan->run(in.data(), kernel.data(), out.data(), threads, {count_and_stop, &asked});
    CHECK(asked <= 1);
    CHECK(outcome.finished == (asked == 0));
  }
}

FALTUNG_TEST(spectral_plan_serves_many_threads) {
  const Problem p = same_mode<float>({50, 60}, {5, 5});
  const Heap<float> in = noise<float>(3000, 1);
  for (const Isa isa : available_isas()) {
    const std::unique_ptr<Correlation> plan = plan_spectral(p, {{32, 40}}, isa);
    std::vector<Heap<float>> kernels, rights;
    for (std::uint64_t k = 0; k < 3; ++k) {
      kernels.push_back(noise<float>(25, 10 + k));
      rights.emplace_back(3000);
      plan_spectral(p, {{32, 40}}, isa)->run(in.data(), kernels.back().data(), rights.back().data(), 1, {});
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (std::size_t caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] {
        for (std::size_t job = 0; job < 30; ++job) {
          Heap<float> out(3000);
          const std::size_t k = (caller + job) % 3;
          plan->run(in.data(), kernels[k].data(), out.data(), static_cast<int>(1 + job % 3), {});
          if (!out.same_bytes(rights[k])) ++wrong;
        }
      });
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0);
  }
}

FALTUNG_TEST(spectral_refuses_what_it_cannot) {
  const Problem p = same_mode<float>({100}, {9});
  CHECK_THROWS(std::invalid_argument, "shorter than the kernel's reach of 9",
               plan_spectral(p, {{8}}, Isa::baseline));
  CHECK_THROWS(std::invalid_argument, "2^a 3^b 5^c", plan_spectral(p, {{14}}, Isa::baseline));
  CHECK_THROWS(std::invalid_argument, "one number of points", plan_spectral(p, {{16, 16}}, Isa::baseline));
  Problem integers = p;
  integers.compute = Compute::u64;
  CHECK_THROWS(std::invalid_argument, "float32 or float64", plan_spectral(integers, {{16}}, Isa::baseline));
}

// ---- kept spectra ----

namespace {

std::vector<std::byte> bytes_of(int value) {
  return std::vector<std::byte>(static_cast<std::size_t>(value % 7 + 1), static_cast<std::byte>(value));
}

std::shared_ptr<const Spectrum> spectrum_of(std::size_t bytes, char mark) {
  auto made = std::make_shared<Spectrum>(bytes);
  *static_cast<char*>(made->data()) = mark;
  return made;
}

char mark_of(const std::shared_ptr<const Spectrum>& spectrum) {
  return spectrum ? *static_cast<const char*>(spectrum->data()) : '-';
}

}  // namespace

FALTUNG_TEST(spectra_are_found_by_owner_and_content) {
  const std::uint64_t a = new_spectrum_owner(), b = new_spectrum_owner();
  keep_spectrum(a, bytes_of(1), spectrum_of(1000, 11));
  keep_spectrum(a, bytes_of(2), spectrum_of(1000, 12));
  keep_spectrum(b, bytes_of(1), spectrum_of(1000, 21));
  CHECK(mark_of(find_spectrum(a, bytes_of(1))) == 11);
  CHECK(mark_of(find_spectrum(a, bytes_of(2))) == 12);
  CHECK(mark_of(find_spectrum(b, bytes_of(1))) == 21);
  CHECK(find_spectrum(b, bytes_of(2)) == nullptr);
  keep_spectrum(a, bytes_of(1), spectrum_of(1000, 99));  // made twice at once: the first stays
  CHECK(mark_of(find_spectrum(a, bytes_of(1))) == 11);
  forget_spectra(a);
  CHECK(find_spectrum(a, bytes_of(1)) == nullptr && find_spectrum(a, bytes_of(2)) == nullptr);
  CHECK(mark_of(find_spectrum(b, bytes_of(1))) == 21);
  forget_spectra(b);
}

FALTUNG_TEST(spectra_leave_when_there_are_too_many) {
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  const std::uint64_t owner = new_spectrum_owner();
  const std::shared_ptr<const Spectrum> held = spectrum_of(10 * mebibyte, 0);
  keep_spectrum(owner, bytes_of(0), held);
  for (int i = 1; i < 6; ++i) keep_spectrum(owner, bytes_of(i), spectrum_of(10 * mebibyte, 'x'));
  CHECK(find_spectrum(owner, bytes_of(0)) == held);  // used: now 1 is the oldest
  keep_spectrum(owner, bytes_of(6), spectrum_of(10 * mebibyte, 6));
  CHECK(find_spectrum(owner, bytes_of(1)) == nullptr);
  CHECK(find_spectrum(owner, bytes_of(0)) == held && find_spectrum(owner, bytes_of(2)) != nullptr);
  keep_spectrum(owner, bytes_of(7), spectrum_of(65 * mebibyte, 7));  // alone more than all may be
  CHECK(find_spectrum(owner, bytes_of(7)) == nullptr && find_spectrum(owner, bytes_of(2)) != nullptr);
  forget_spectra(owner);
  CHECK(held.use_count() == 1);
}

FALTUNG_TEST(spectral_plan_keeps_spectra_of_small_kernels) {
  const Problem p = same_mode<float>({4000}, {100}), large = same_mode<float>({9000}, {2000});
  const Heap<float> in = noise<float>(9000, 1), out_of_date = noise<float>(2000, 2);
  Heap<float> kernel = noise<float>(2000, 3), out(9000), fresh(9000);
  for (const auto& [problem, block, keep] : {std::tuple(p, 512, false), std::tuple(large, 4096, true)}) {
    const std::unique_ptr<Correlation> plan =
        plan_spectral(problem, {{block}, false, false, keep}, available_isas().back());
    plan->run(in.data(), out_of_date.data(), out.data(), 1, {});
    kernel[0] += 1;
    for (int round = 0; round < 3; ++round) {
      out.fill_bytes(0), fresh.fill_bytes(0);
      plan->run(in.data(), kernel.data(), out.data(), 1, {});
      plan_spectral(problem, {{block}}, available_isas().back())
          ->run(in.data(), kernel.data(), fresh.data(), 1, {});
      CHECK(out.same_bytes(fresh));
    }
  }
}

#ifdef FALTUNG_HAVE_FORK
FALTUNG_TEST(spectral_children_forked_amid_lookups_run) {
  const Problem p = same_mode<float>({400}, {30});
  const Heap<float> in = noise<float>(400, 1), kernel = noise<float>(30, 2);
  const std::unique_ptr<Correlation> plan = plan_spectral(p, {{128}}, Isa::baseline);
  Heap<float> right(400);
  plan->run(in.data(), kernel.data(), right.data(), 1, {});
  std::atomic<bool> done{false};
  const std::uint64_t owner = new_spectrum_owner();
  std::thread busy([&] {
    for (int i = 0; !done; i = (i + 1) % 100) {
      keep_spectrum(owner, bytes_of(i), spectrum_of(1 << 20, 'x'));
      find_spectrum(owner, bytes_of(i));
    }
  });
  for (int child = 0; child < 30; ++child)
    CHECK(in_child([&] {
      Heap<float> out(400);
      plan->run(in.data(), kernel.data(), out.data(), 2, {});
      return out.same_bytes(right);
    }));
  done = true;
  busy.join();
  forget_spectra(owner);
}
#endif

}  // namespace faltung::tests
