#include "core/tests/promise.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/kernels/select.h"
#include "core/tests/check.h"

namespace faltung::tests {
namespace {

constexpr int kUntouched = 0xa5;

// The definition in double of the same data, or of their magnitudes.
Heap<double> in_double(const Case& c, bool magnitudes, bool conjugate) {
  Case m = in_c_order(c);
  Problem& p = m.problem;
  const auto clear_signs = [](std::byte* data, std::int64_t bytes, std::int64_t item) {
    for (std::int64_t at = item - 1; at < bytes; at += item) data[at] &= std::byte{0x7f};
  };
  if (magnitudes) {
    clear_signs(m.in.memory.data(), m.in.memory.size(), kItemSize[int(p.in)]);
    clear_signs(m.kernel.memory.data(), m.kernel.memory.size(), kItemSize[int(p.kernel)]);
    clear_signs(p.fill, sizeof p.fill, kItemSize[int(p.in)]);
  }
  const std::int64_t scale = kItemSize[int(DType::f64)], old = kItemSize[int(p.out)];
  for (ConvAxis& a : p.axes) a.out_step = a.out_step / old * scale;
  for (BatchAxis& b : p.batch) b.out_step = b.out_step / old * scale;
  p.out = DType::f64;
  p.compute = Compute::f64;
  p.conjugate = conjugate;
  Heap<double> results(p.outputs() * p.parts());
  run_reference(p, whole(p), m.in.at(), m.kernel.at(), results.data(), 1, {});
  return results;
}

}  // namespace

double real(const std::byte* p, DType type) {
  double x;
  convert_table<double>(Isa::baseline).load[int(type)](p, {1, 1, 0, 0}, &x);
  return x;
}

Array blank(const Array& like) {
  Array a{Heap<std::byte>(like.memory.size()), like.origin};
  a.memory.fill_bytes(kUntouched);
  return a;
}

Heap<std::byte> take_results(const Problem& p, Array& out, const std::string& where) {
  const std::int64_t size = kItemSize[int(p.out)] * p.parts();
  Heap<std::byte> results(p.outputs() * size);
  std::int64_t n = 0;
  for (const std::int64_t offset : output_offsets(p)) {
    std::memcpy(results.data() + n++ * size, out.at(offset), static_cast<std::size_t>(size));
    std::memset(out.at(offset), kUntouched, static_cast<std::size_t>(size));
  }
  const bool clean = std::all_of(out.memory.begin(), out.memory.end(),
                                 [](std::byte b) { return b == std::byte{kUntouched}; });
  if (!clean) report(__FILE__, __LINE__, where + "\n  wrote beside the results");
  return results;
}

std::int64_t first_difference(const Problem& p, const Heap<std::byte>& a, const Heap<std::byte>& b) {
  const std::int64_t item = kItemSize[int(p.out)];
  const bool is_float = p.out >= DType::f16;
  for (std::int64_t i = 0; i * item < a.size(); ++i) {
    const std::byte *x = a.data() + i * item, *y = b.data() + i * item;
    if (std::memcmp(x, y, static_cast<std::size_t>(item)) == 0) continue;
    if (!is_float || !std::isnan(real(x, p.out)) || !std::isnan(real(y, p.out))) return i;
  }
  return -1;
}

Exact exact_results(const Case& c) {
  const Problem& p = c.problem;
  // With magnitudes the conjugated product's real part and the plain one's imaginary part have no minus.
  Exact exact{in_double(c, false, p.conjugate), in_double(c, true, true)};
  if (p.complex_kernel) {
    const Heap<double> imaginary = in_double(c, true, false);
    for (std::int64_t i = 1; i < imaginary.size(); i += 2) exact.sums[i] = imaginary[i];
  }
  return exact;
}

double direct_units(const Case& c) {
  const double n = static_cast<double>(c.samples_per_output());
  return 1.1 * std::min(n, 256.0) + std::ceil(n / 256) + 20;
}

std::string broken_promise(const Case& c, const Exact& exact, double units, const Heap<std::byte>& results) {
  const Problem& p = c.problem;
  const double n = static_cast<double>(c.samples_per_output());
  const bool single = p.compute == Compute::f32;
  const double u = single ? 0x1p-24 : 0x1p-53, tiny = n * (single ? 0x1p-150 : 0x1p-1074);
  for (std::int64_t i = 0; i < exact.values.size(); ++i) {
    const double y = exact.values[i], sum = exact.sums[i];
    const double got = real(results.data() + i * kItemSize[int(p.out)], p.out);
    double bound = units * u * sum + tiny;
    if (p.out == DType::f32 && !single) bound += 0x1p-24 * (sum + bound) + 0x1p-150;
    if (p.out == DType::f16) bound += 0x1p-11 * (sum + bound) + 0x1p-25;
    if (p.out == DType::bf16) bound += 0x1p-8 * (sum + bound) + 0x1p-134;
    const bool same = std::isnan(y) ? std::isnan(got) : std::isinf(y) ? got == y : std::abs(got - y) <= bound;
    const bool overflow = p.out == DType::f16 && std::abs(y) + bound >= 65520 && std::isinf(got);
    if (!same && !overflow) {
      char text[160];
      std::snprintf(text, sizeof text, "output %lld is %.17g, not %.17g; the bound is %.3g",
                    static_cast<long long>(i), got, y, bound);
      return text;
    }
  }
  return "";
}

}  // namespace faltung::tests
