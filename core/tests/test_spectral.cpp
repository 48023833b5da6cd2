// The spectral method against the definition, on random problems and hostile data; the same bits from any number of threads.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "core/ops/correlate.h"
#include "core/ops/spectral_grid.h"
#include "core/tests/check.h"
#include "core/tests/promise.h"

namespace faltung::tests {
namespace {

bool is_float(DType t) {
  return t >= DType::f16;
}

bool smooth(std::int64_t n) {
  for (const std::int64_t r : {2, 3, 5})
    while (n % r == 0) n /= r;
  return n == 1;
}

// Blocks from the smallest that holds the kernel to some that outgrow the array.
std::vector<std::int64_t> random_block(Random& random, const Problem& p) {
  std::vector<std::int64_t> block;
  for (const ConvAxis& a : p.axes) {
    const std::int64_t reach = a.dilation * (a.taps - 1) + 1;
    std::int64_t n = reach + random.of<std::int64_t>({0, 1, 3, 10, 30, p.axes.size() == 1 ? 200 : 12});
    while (!smooth(n)) ++n;
    block.push_back(n);
  }
  return block;
}

enum class Data { as_it_is, constant, alternating, spike, decades, tiny, broken, kinds };

void set(std::byte* at, DType type, double x) {
  if (type == DType::f32) {
    const float f = static_cast<float>(x);
    std::memcpy(at, &f, 4);
  } else {
    std::memcpy(at, &x, 8);
  }
}

void make_hostile(Random& random, Case& c, Data data) {
  Problem& p = c.problem;
  if (p.in != DType::f32 && p.in != DType::f64) return;
  if (data == Data::tiny && p.in != (p.compute == Compute::f32 ? DType::f32 : DType::f64)) return;
  const std::int64_t item = kItemSize[int(p.in)], n = c.in.memory.size() / item;
  const double level = random.of({1.0, 3e-20, 7e15}), tiny = p.compute == Compute::f32 ? 1e-42 : 1e-310;
  for (std::int64_t i = 0; i < n; ++i) {
    std::byte* at = c.in.memory.data() + i * item;
    const double x = 2 * random.unit() - 1;
    switch (data) {
      case Data::constant:
        set(at, p.in, level);
        break;
      case Data::alternating:
        set(at, p.in, i % 2 == 0 ? level : -level);
        break;
      case Data::spike:
        set(at, p.in, random.one_in(300) ? random.of({1e8, -1e30}) : x);
        break;
      case Data::decades:
        set(at, p.in, x * std::pow(10, 40 * random.unit() - 20));
        break;
      case Data::tiny:
        set(at, p.in, x * tiny);
        break;
      case Data::broken:
        set(at, p.in, random.one_in(60) ? random.of({double(INFINITY), -double(INFINITY), double(NAN)}) : x);
        break;
      default:
        break;
    }
  }
}

// For every output, by its offset: the largest finite |x| of its block times the sum of |w|.
using Scales = std::unordered_map<std::int64_t, double>;

double magnitude(const std::byte* at, DType type, bool complex) {
  const double re = real(at, type), im = complex ? real(at + kItemSize[int(type)], type) : 0;
  const double size = std::hypot(re, im);
  return std::isfinite(size) ? size : 0;
}

template <class F>
void for_box(const std::vector<std::int64_t>& sizes, F f) {
  std::vector<std::int64_t> at(sizes.size(), 0);
  for (;;) {
    f(at);
    std::size_t a = sizes.size();
    while (a > 0 && ++at[a - 1] == sizes[a - 1]) at[--a] = 0;
    if (a == 0) return;
  }
}

Scales scales_of(const Case& c, const std::vector<std::int64_t>& block) {
  const Problem& p = c.problem;
  const BlockGrid grid(p, block);
  Scales scales;
  for (std::int64_t k = 0; k < grid.kernels; ++k)
    for (std::int64_t i = 0; i < grid.items(); ++i) {
      BlockItem item;
      grid.locate(k, i, item);
      std::vector<std::int64_t> taps, needed, outputs;
      for (std::size_t a = 0; a < grid.axes.size(); ++a) {
        taps.push_back(grid.axes[a].axis.taps);
        needed.push_back(item.spans[a].needed);
        outputs.push_back(item.spans[a].outputs);
      }
      double sum = 0, largest = 0;
      for_box(taps, [&](const std::vector<std::int64_t>& t) {
        std::int64_t offset = item.kernel;
        for (std::size_t a = 0; a < t.size(); ++a) offset += t[a] * grid.axes[a].axis.kernel_step;
        sum += magnitude(c.kernel.at(offset), p.kernel, p.complex_kernel);
      });
      for_box(needed, [&](const std::vector<std::int64_t>& at) {
        std::int64_t offset = item.in;
        bool constant = false;
        for (std::size_t a = 0; a < at.size(); ++a) {
          const ConvAxis& axis = grid.axes[a].axis;
          const std::int64_t from = boundary_index(item.spans[a].window + at[a], axis.in, axis.boundary);
          constant |= from < 0;
          offset += from * axis.in_step;
        }
        if (constant && p.zero_fill) return;
        largest = std::max(largest, magnitude(constant ? p.fill : c.in.at(offset), p.in, p.complex_samples));
      });
      for_box(outputs, [&](const std::vector<std::int64_t>& at) {
        std::int64_t offset = item.out;
        for (std::size_t a = 0; a < at.size(); ++a)
          offset += (item.spans[a].first + at[a]) * grid.axes[a].axis.out_step;
        scales[offset] = largest * sum;
      });
    }
  return scales;
}

// |error| <= the direct method's bound + 2^-14 X sum |w| (2^-44 in float64), and the rounding of the store.
// Integers are those of the definition where no error can reach one half.
std::string broken_bound(const Case& c, const Scales& scales, const Exact& exact,
                         const Heap<std::byte>& right, const Heap<std::byte>& results) {
  const Problem& p = c.problem;
  const bool single = p.compute == Compute::f32;
  const double u = single ? 0x1p-24 : 0x1p-53, n = static_cast<double>(c.samples_per_output());
  const std::vector<std::int64_t> offsets = output_offsets(p);
  for (std::int64_t i = 0; i < exact.values.size(); ++i) {
    const double y = exact.values[i], sum = exact.sums[i];
    const double got = real(results.data() + i * kItemSize[int(p.out)], p.out);
    double bound = direct_units(c) * u * sum + n * (single ? 0x1p-149 : 0x1p-1074);
    bound += (single ? 0x1p-14 : 0x1p-44) * scales.at(offsets[static_cast<std::size_t>(i / p.parts())]);
    const double size = std::abs(y) + bound;
    if (p.out == DType::f32) bound += 0x1p-24 * size + 0x1p-150;
    if (p.out == DType::f64) bound += 0x1p-53 * size + 0x1p-1074;
    if (p.out == DType::f16) bound += 0x1p-11 * size + 0x1p-25;
    if (p.out == DType::bf16) bound += 0x1p-8 * size + 0x1p-134;
    if (!is_float(p.out)) {
      const double integer = real(right.data() + i * kItemSize[int(p.out)], p.out);
      const bool other = got != integer && std::abs(std::abs(y - std::rint(y)) - 0.5) > bound;
      if (!(bound < 0.49) || !other) continue;
    }
    const bool same = is_float(p.out) && (std::isnan(y)   ? std::isnan(got)
                                          : std::isinf(y) ? got == y
                                                          : std::abs(got - y) <= bound);
    const bool overflow = p.out == DType::f16 && size >= 65520 && std::isinf(got);
    if (!same && !overflow) {
      char text[200];
      std::snprintf(text, sizeof text, "output %lld is %.17g, not %.17g; the bound is %.3g",
                    static_cast<long long>(i), got, y, bound);
      return text;
    }
  }
  return "";
}

std::string words_of(const std::vector<std::int64_t>& block) {
  std::string text = "; block";
  for (const std::int64_t n : block) (text += ' ') += std::to_string(n);
  return text;
}

void check_case(Case& c, const SpectralOptions& options, Isa isa, const std::string& name) {
  Problem& p = c.problem;
  Array definition = blank(c.out);
  const Outcome expected = run_reference(p, whole(p), c.in.at(), c.kernel.at(), definition.at(), 1, {});
  const std::unique_ptr<Correlation> plan = plan_spectral(p, options, isa);
  const std::string where = name + ", " + plan->summary().kernel + (options.local ? " local" : "") + ": " +
                            describe(p) + words_of(options.block);
  const Heap<std::byte> right = take_results(p, definition, where);
  const bool loose = is_float(p.in) && !is_float(p.out);  // halves may round either way, out of range even
  Heap<std::byte> first;
  bool reported = false;
  for (const int threads : {1, 2, 3}) {
    Array out = blank(c.out);
    const Outcome outcome = plan->run(c.in.at(), c.kernel.at(), out.at(), threads, {});
    REQUIRE(outcome.finished, where + "\n  did not finish");
    Heap<std::byte> results = take_results(p, out, where);
    if (threads == 1) {
      first = std::move(results);
      reported = outcome.reported;
      if (expected.reported || reported) {
        REQUIRE(loose || expected.reported, where + "\n  reported for nothing");
        continue;
      }
      const std::string broken = broken_bound(c, scales_of(c, options.block), exact_results(c), right, first);
      REQUIRE(broken.empty(), where + "\n  " + broken);
    } else {
      REQUIRE(outcome.reported == reported, where + "\n  other reports on several threads");
      REQUIRE(results.same_bytes(first), where + "\n  other bits on " + std::to_string(threads) + " threads");
    }
  }
}

// FALTUNG_TEST_SEED=n runs that seed alone.
void check_family(Family family, const char* name, int count, Data data) {
  const std::vector<Isa> isas = available_isas();
  const char* only = std::getenv("FALTUNG_TEST_SEED");
  const std::uint64_t begin = only ? std::strtoull(only, nullptr, 10) : 0;
  const std::uint64_t end = only ? begin + 1 : static_cast<std::uint64_t>(repeated(count));
  for (std::uint64_t seed = begin; seed < end; ++seed) {
    Case c = random_case(family, seed);
    if (c.problem.compute == Compute::u64) continue;
    Random random(seed);
    make_hostile(random, c, data);
    const SpectralOptions options{random_block(random, c.problem), random.one_in(2), random.one_in(3), false};
    check_case(c, options, isas[seed % isas.size()], std::string(name) + ", seed " + std::to_string(seed));
  }
}

}  // namespace

FALTUNG_TEST(spectral_of_any_problem) {
  check_family(Family::any, "any", 600, Data::as_it_is);
}
FALTUNG_TEST(spectral_along_a_line) {
  check_family(Family::line, "line", 300, Data::as_it_is);
}
FALTUNG_TEST(spectral_on_images) {
  check_family(Family::image, "image", 200, Data::as_it_is);
}
FALTUNG_TEST(spectral_of_many_taps) {
  check_family(Family::many_taps, "many taps", 150, Data::as_it_is);
}
FALTUNG_TEST(spectral_of_far_taps) {
  check_family(Family::far_taps, "far taps", 100, Data::as_it_is);
}
FALTUNG_TEST(spectral_of_hostile_data) {
  constexpr const char* names[] = {"as it is", "constant", "alternating", "spike",
                                   "decades",  "tiny",     "broken"};
  for (int data = 1; data < int(Data::kinds); ++data)
    for (const Family family : {Family::any, Family::line, Family::image, Family::many_taps})
      check_family(family, names[data], 60, Data(data));
}

}  // namespace faltung::tests
