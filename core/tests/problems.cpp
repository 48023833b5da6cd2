#include "core/tests/problems.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <sstream>

#include "core/kernels/select.h"

namespace faltung::tests {
namespace {

// ---- arrays in memory -----------------------------------------------------------------------------------

// Steps for axes of these sizes, index by index; size 0 marks an axis that the array lacks.
struct Layout {
  std::vector<std::int64_t> steps;
  std::int64_t bytes = 0, origin = 0;
};

Layout lay_out(Random& random, const std::vector<std::int64_t>& sizes, std::int64_t item, std::int64_t parts,
               bool plain) {
  Layout layout;
  layout.steps.assign(sizes.size(), 0);
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});  // C: the last axis is the finest
  const bool wild = !plain && random.one_in(2);
  if (wild) {
    if (random.one_in(2))
      std::reverse(order.begin(), order.end());
    else
      for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1],
                  order[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(i) - 1))]);
  }
  std::int64_t step = parts * item, high = 0;
  if (wild && random.one_in(3)) step += item * random.between(1, 3);
  for (const std::size_t axis : order) {
    if (sizes[axis] == 0) continue;
    if (!plain && random.one_in(12) && step < 5000)
      step = (step + 1023) / 1024 * 1024;  // rows that share cache sets
    const bool back = !plain && random.one_in(wild ? 3 : 12);
    layout.steps[axis] = back ? -step : step;
    (back ? layout.origin : high) += (sizes[axis] - 1) * step;
    step *= sizes[axis];
    if (wild && random.one_in(6)) step += item * random.between(1, 5);
  }
  // Arrays begin anywhere, not only where the allocator likes it.
  if (!plain) layout.origin += item * random.between(0, 3);
  layout.bytes = layout.origin + high + parts * item;
  return layout;
}

Array allocate(const Layout& layout) {
  return {Heap<std::byte>(layout.bytes), layout.origin};
}

// Takes the steps from the layouts, whose axes are those of the result.
void set_steps(Problem& p, const std::vector<bool>& convolved, const Layout& in, const Layout& kernel,
               const Layout& out) {
  std::size_t c = 0, b = 0;
  for (std::size_t a = 0; a < convolved.size(); ++a) {
    if (convolved[a]) {
      ConvAxis& axis = p.axes[c++];
      axis.in_step = in.steps[a], axis.kernel_step = kernel.steps[a], axis.out_step = out.steps[a];
    } else {
      BatchAxis& axis = p.batch[b++];
      axis.in_step = in.steps[a], axis.kernel_step = kernel.steps[a], axis.out_step = out.steps[a];
    }
  }
}

// ---- types and values -----------------------------------------------------------------------------------

bool is_float(DType t) {
  return t >= DType::f16;
}
bool is_signed(DType t) {
  return is_float(t) || t == DType::i8 || t == DType::i16 || t == DType::i32 || t == DType::i64;
}

// Fills every slot of an array, gaps included: with integers of at most `bits` bits, over `scale`; where that
// is 0 with random mantissas, where it is 64 with random words.
void fill(Random& random, std::byte* data, std::int64_t bytes, DType type, int bits, double scale,
          bool not_finite) {
  const std::int64_t item = kItemSize[int(type)];
  for (std::int64_t at = 0; at + item <= bytes; at += item) {
    if (bits == 64) {
      const std::uint64_t word = random.word();
      std::memcpy(data + at, &word, static_cast<std::size_t>(item));
      continue;
    }
    double x = std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-6, 6)));
    if (bits > 0) {
      const std::int64_t most = (std::int64_t{1} << bits) - 1;
      x = static_cast<double>(random.between(is_signed(type) ? -most : 0, most)) / scale;
    }
    if (not_finite && is_float(type) && random.one_in(40))
      x = random.of({double(INFINITY), -double(INFINITY), double(NAN)});
    if (is_float(type)) {
      convert_table<double>(Isa::baseline).store[int(type)](&x, data + at, {1, 1, 0, 0}, Store::cast);
    } else {
      const std::int64_t word = static_cast<std::int64_t>(x);  // little-endian: the low bytes come first
      if constexpr (std::endian::native == std::endian::little)
        std::memcpy(data + at, &word, static_cast<std::size_t>(item));
      else
        std::memcpy(data + at, reinterpret_cast<const char*>(&word) + 8 - item,
                    static_cast<std::size_t>(item));
    }
  }
}

// Bits that values of the type may have, without the sign.
int width(DType type) {
  if (type == DType::b8) return 1;
  if (is_float(type)) return type == DType::bf16 ? 8 : type == DType::f16 ? 11 : 20;
  return static_cast<int>(kItemSize[int(type)]) * 8 - is_signed(type);
}

struct Values {
  int in_bits = 0, kernel_bits = 0;
  double scale = 1;
};

// Chooses the types, and values whose sums the computing type holds as the problem wants them held.
Values choose_types(Random& random, Case& c) {
  Problem& p = c.problem;
  const auto integer = [&] {
    return random.of(
        {DType::u8, DType::i8, DType::u16, DType::i16, DType::u32, DType::i32, DType::u64, DType::i64});
  };
  const auto number = [&] { return random.one_in(9) ? DType::b8 : integer(); };
  const auto floating = [&] {
    return random.of({DType::f32, DType::f32, DType::f32, DType::f64, DType::f16, DType::bf16});
  };
  p.compute = random.of({Compute::f32, Compute::f32, Compute::f32, Compute::f64, Compute::f64, Compute::u64});
  p.complex_samples = p.compute != Compute::u64 && random.one_in(4);
  p.complex_kernel = p.complex_samples && random.one_in(2);
  p.conjugate = p.complex_kernel && random.one_in(2);
  c.exact = p.compute == Compute::u64 || random.one_in(2);
  if (!c.exact) {
    const DType wide = p.compute == Compute::f32 ? DType::f32 : DType::f64;
    const auto part = [&] { return random.of({wide, wide, wide, DType::f32, DType::f16, DType::bf16}); };
    p.in = part(), p.kernel = part(), p.out = part();
    return {};
  }
  const bool whole = p.compute == Compute::u64 || random.one_in(2);  // of integers
  p.in = whole ? number() : floating();
  p.kernel = whole ? number() : floating();
  const bool to_integer = p.compute == Compute::u64 || (!p.complex_samples && random.one_in(2));
  p.out = to_integer ? integer() : floating();
  p.store = to_integer ? random.of({Store::check, Store::saturate, Store::wrap}) : Store::cast;
  int digits = p.compute == Compute::f32 ? 24 : p.compute == Compute::f64 ? 53 : 62;
  if (p.compute == Compute::u64) {
    if (p.store == Store::wrap && random.one_in(2)) return {64, 64, 1};
    if (p.out == DType::u64) p.in = DType::u16, p.kernel = DType::u32;  // sums are known to be in range
  }
  digits -= static_cast<int>(std::bit_width(static_cast<std::uint64_t>(c.samples_per_output())));
  const int in_bits = std::clamp(static_cast<int>(random.between(1, digits - 1)), 1, width(p.in));
  const int kernel_bits = std::clamp(digits - in_bits, 1, width(p.kernel));
  return {in_bits, kernel_bits, is_float(p.in) ? 4.0 : 1.0};
}

Case build(Family family, Random& random) {
  const std::vector<Axis> axes = random_axes(random, family);
  Case c;
  Problem& p = c.problem;
  std::vector<std::int64_t> in_sizes, kernel_sizes, out_sizes;
  std::vector<bool> convolved;
  std::int64_t order = 1;
  for (const Axis& a : axes) order *= a.out();
  for (const Axis& a : axes) {
    order /= a.out();
    convolved.push_back(a.convolved);
    out_sizes.push_back(a.out());
    if (a.convolved) {
      in_sizes.push_back(a.in);
      kernel_sizes.push_back(a.taps);
      p.axes.push_back({a.in, a.out(), a.taps, a.stride, a.dilation, a.low, a.boundary, 0, 0, 0, order});
    } else {
      in_sizes.push_back(a.broadcast ? 0 : a.in);
      kernel_sizes.push_back(a.own_kernels && a.in > 1 ? a.in : 0);
      p.batch.push_back({a.in, 0, 0, 0, order});
    }
  }
  const Values values = choose_types(random, c);
  const std::int64_t item = kItemSize[int(p.in)], kernel_item = kItemSize[int(p.kernel)],
                     out_item = kItemSize[int(p.out)];
  const bool not_finite = values.in_bits != 64 && random.one_in(8);
  const Layout in = lay_out(random, in_sizes, item, p.parts(), false);
  const Layout kernel = lay_out(random, kernel_sizes, kernel_item, p.complex_kernel ? 2 : 1, false);
  const Layout out = lay_out(random, out_sizes, out_item, p.parts(), false);
  set_steps(p, convolved, in, kernel, out);
  c.in = allocate(in), c.kernel = allocate(kernel), c.out = allocate(out);
  fill(random, c.in.memory.data(), in.bytes, p.in, values.in_bits, values.scale,
       not_finite && random.one_in(2));
  fill(random, c.kernel.memory.data(), kernel.bytes, p.kernel, values.kernel_bits, values.scale,
       not_finite && random.one_in(2));
  p.zero_fill = random.one_in(2);
  if (!p.zero_fill) fill(random, p.fill, p.parts() * item, p.in, values.in_bits, values.scale, false);
  return c;
}

}  // namespace

Case random_case(Family family, std::uint64_t seed) {
  const std::int64_t most =
      family == Family::strips ? 400000 : 120000;  // multiplications: the definition is slow
  for (std::uint64_t attempt = 0;; ++attempt) {
    Random random(seed * 1000 + attempt);
    Case c = build(family, random);
    if (c.problem.outputs() * c.problem.taps() <= most) return c;
  }
}

std::vector<std::int64_t> output_offsets(const Problem& p) {
  struct Part {
    std::int64_t order, size, step;
  };
  std::vector<Part> parts;
  for (const ConvAxis& a : p.axes) parts.push_back({a.order, a.out, a.out_step});
  for (const BatchAxis& b : p.batch) parts.push_back({b.order, b.size, b.out_step});
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(p.outputs()));
  for (const Part& part : parts)
    for (std::size_t i = 0; i < offsets.size(); ++i)
      offsets[i] += static_cast<std::int64_t>(i) / part.order % part.size * part.step;
  return offsets;
}

Case in_c_order(const Case& original) {
  Case c;
  c.problem = original.problem;
  c.exact = original.exact;
  Problem& p = c.problem;
  const std::int64_t item = kItemSize[int(p.in)] * p.parts(),
                     kernel_item = kItemSize[int(p.kernel)] * (p.complex_kernel ? 2 : 1);
  const std::int64_t out_item = kItemSize[int(p.out)] * p.parts();
  // Axes from the finest to the coarsest, with what they mean to each of the arrays.
  struct Part {
    std::int64_t order, in, kernel, out;
    std::int64_t *in_step, *kernel_step, *out_step;
  };
  std::vector<Part> parts;
  for (ConvAxis& a : p.axes)
    parts.push_back({a.order, a.in, a.taps, a.out, &a.in_step, &a.kernel_step, &a.out_step});
  for (BatchAxis& b : p.batch)
    parts.push_back({b.order, b.in_step == 0 ? 1 : b.size, b.kernel_step == 0 ? 1 : b.size, b.size,
                     &b.in_step, &b.kernel_step, &b.out_step});
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.order < b.order; });
  const auto copy = [&](const Array& from, std::int64_t size, std::int64_t Part::*count,
                        std::int64_t* Part::*step) {
    std::int64_t n = 1;
    for (const Part& part : parts) n *= part.*count;
    Array to{Heap<std::byte>(n * size), 0};
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t rest = i, offset = 0;
      for (const Part& part : parts) offset += rest % (part.*count) * *(part.*step), rest /= part.*count;
      std::memcpy(to.at(i * size), from.at(offset), static_cast<std::size_t>(size));
    }
    std::int64_t next = size;
    for (const Part& part : parts) {
      *(part.*step) = *(part.*step) == 0 ? 0 : next;
      next *= part.*count;
    }
    return to;
  };
  c.in = copy(original.in, item, &Part::in, &Part::in_step);
  c.kernel = copy(original.kernel, kernel_item, &Part::kernel, &Part::kernel_step);
  c.out = copy(original.out, out_item, &Part::out, &Part::out_step);
  return c;
}

std::string describe(const Problem& p) {
  constexpr const char* types[] = {"b8",  "u8",  "i8",  "u16",  "i16", "u32", "i32",
                                   "u64", "i64", "f16", "bf16", "f32", "f64"};
  constexpr const char* boundaries[] = {"constant", "edge", "reflect", "symmetric", "wrap"};
  std::ostringstream s;
  s << types[int(p.in)] << " * " << types[int(p.kernel)] << " -> " << types[int(p.out)] << ", compute "
    << int(p.compute) << ", store " << int(p.store) << (p.complex_samples ? ", complex" : "")
    << (p.complex_kernel ? " kernel" : "") << (p.conjugate ? " conjugated" : "")
    << (p.zero_fill ? ", zeros" : ", fill");
  for (const ConvAxis& a : p.axes)
    s << "; in " << a.in << " out " << a.out << " taps " << a.taps << " stride " << a.stride << " dilation "
      << a.dilation << " pad " << a.pad << " " << boundaries[int(a.boundary)] << " steps " << a.in_step << " "
      << a.kernel_step << " " << a.out_step << " order " << a.order;
  for (const BatchAxis& b : p.batch)
    s << "; batch " << b.size << " steps " << b.in_step << " " << b.kernel_step << " " << b.out_step
      << " order " << b.order;
  return s.str();
}

}  // namespace faltung::tests
