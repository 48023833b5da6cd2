#include "core/tests/layer_problems.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <utility>

#include "core/kernels/select.h"
#include "core/reference/number.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ---- shapes ---------------------------------------------------------------------------------------------

// Counts around those of vectors and tiles, and odd ones.
std::int64_t channel_count(Random& random, std::int64_t most) {
  const std::int64_t n =
      random.one_in(3)
          ? random.between(1, 12)
          : random.of<std::int64_t>({1, 2, 3, 4, 8, 16, 24, 32, 48, 64, 96, 128}) + random.of({-1, 0, 0, 1});
  return std::clamp<std::int64_t>(n, 1, most);
}

void choose_channels(Random& random, const LayerOptions& o, LayerProblem& p) {
  LayerGroups groups = o.groups;
  if (groups == LayerGroups::any)
    groups = random.of({LayerGroups::one, LayerGroups::one, LayerGroups::each, LayerGroups::several});
  const std::int64_t most = o.most_channels;
  if (groups == LayerGroups::one) {
    p.in_channels = channel_count(random, most), p.out_channels = channel_count(random, most);
  } else if (groups == LayerGroups::each) {
    p.groups = p.in_channels = channel_count(random, most);
    const std::int64_t multiplier = random.one_in(2) ? 1 : random.between(1, o.most_multiplier);
    p.out_channels = p.groups * std::min(multiplier, std::max<std::int64_t>(1, most / p.groups));
  } else if (o.square_groups) {
    p.groups = random.between(2, 20);
    const std::int64_t each = std::min(random.of<std::int64_t>({2, 4, 8, 16, 32}), most / p.groups);
    p.in_channels = p.out_channels = p.groups * std::max<std::int64_t>(each, 1);
  } else {
    p.groups = random.between(2, std::clamp<std::int64_t>(most / 2, 2, 12));
    const std::int64_t each = std::max<std::int64_t>(2, most / p.groups);
    const std::int64_t in = std::min(random.of<std::int64_t>({1, 2, 3, 4, 5, 8, 16}), each);
    const std::int64_t out = random.of<std::int64_t>({1, 2, 3, 4, 6, 8, 16});
    p.in_channels = p.groups * in;
    p.out_channels = p.groups * std::min(in == 1 ? std::max<std::int64_t>(out, 2) : out, each);
  }
}

LayerAxis random_axis(Random& random, const LayerOptions& o, std::int64_t most, std::int64_t most_taps) {
  LayerAxis a{};
  a.in = random.between(1, most);
  a.taps = random.one_in(3) ? std::min<std::int64_t>(random.of({1, 3, 3}), most_taps)
                            : random.between(1, most_taps);
  a.stride = random.one_in(2) ? 1 : random.between(1, o.most_stride);
  a.dilation = random.one_in(2) ? 1 : random.between(1, o.most_dilation);
  a.boundary = Boundary::constant;
  if (o.boundaries && random.one_in(3))
    a.boundary = random.of({Boundary::edge, Boundary::reflect, Boundary::symmetric, Boundary::wrap});
  const std::int64_t reach = a.dilation * (a.taps - 1);
  std::int64_t high = 0;
  switch (random.between(0, 5)) {
    case 0:
      break;
    case 1:
      a.pad = high = reach;
      break;
    case 2:
      a.pad = random.between(0, 3), high = random.between(0, 3);
      break;
    case 3:  // windows that lie outside altogether
      a.pad = random.between(0, reach + 3), high = random.between(0, reach + 3);
      break;
    default:
      a.pad = reach / 2, high = reach - reach / 2;
  }
  high += std::max<std::int64_t>(0, reach + 1 - (a.in + a.pad + high));
  a.out = (a.in + a.pad + high - reach - 1) / a.stride + 1;
  return a;
}

void choose_shape(Random& random, const LayerOptions& o, LayerProblem& p) {
  choose_channels(random, o, p);
  p.batch = random.one_in(12) ? 0 : random.of<std::int64_t>({1, 1, 1, 2, 3});
  const int rank = static_cast<int>(random.between(o.least_rank, o.most_rank));
  constexpr std::int64_t taps_by_rank[] = {0, 64, 9, 4, 3};
  const std::int64_t most_taps = std::min(o.most_taps, taps_by_rank[rank]);
  // Sizes that leave room for the products; a first guess, the caller throws away what is too much.
  const double work = static_cast<double>(p.out_channels * p.group_in()) *
                      std::pow(0.6 * static_cast<double>(most_taps), rank);
  const double side = std::pow(static_cast<double>(o.most_products) / std::max(work, 1.0), 1.0 / rank);
  const auto most = static_cast<std::int64_t>(std::clamp(2 * side, 3.0, static_cast<double>(o.most_size)));
  for (int a = 0; a < rank; ++a) p.axes.push_back(random_axis(random, o, most, most_taps));
}

// ---- arrays in memory -----------------------------------------------------------------------------------

struct Dimension {
  std::int64_t size;
  std::int64_t* step;
};

enum class Order { first, last, any };  // where the channels stand

// Lays out dimensions given from the coarsest to the finest of a contiguous array. Bytes of nobody are around it, or it
// fills its memory exactly.
Array lay_out(Random& random, std::vector<Dimension> dimensions, std::int64_t item, bool view) {
  if (view && random.one_in(3))
    for (std::size_t i = dimensions.size(); i > 1; --i)
      std::swap(dimensions[i - 1],
                dimensions[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(i) - 1))]);
  std::int64_t step = item, low = 0, high = 0;
  if (view && random.one_in(3)) step += item * random.between(1, 3);
  for (std::size_t i = dimensions.size(); i-- > 0;) {
    const auto [size, to] = dimensions[i];
    const bool back = view && random.one_in(4);
    *to = back ? -step : step;
    (back ? low : high) += std::max<std::int64_t>(size - 1, 0) * step;
    step *= std::max<std::int64_t>(size, 1);
    if (view && random.one_in(5)) step += item * random.between(1, 5);
  }
  const std::int64_t guard = random.one_in(2) ? 0 : item * random.between(1, 40);
  return {Heap<std::byte>(guard + low + high + item + guard), guard + low};
}

void lay_out_case(Random& random, const LayerOptions& o, LayerCase& c) {
  LayerProblem& p = c.problem;
  const std::int64_t parts = p.parts();
  const bool last = random.one_in(2);
  const auto differs = [&] { return o.views && random.one_in(5); };
  // The order of a contiguous array with its channels first or last.
  const auto samples = [&](std::int64_t batch, std::int64_t channels, std::int64_t* batch_step,
                           std::int64_t* channel_step, std::int64_t LayerAxis::*size,
                           std::int64_t LayerAxis::*step, DType type) {
    const bool channels_last = last != differs();
    std::vector<Dimension> d{{batch, batch_step}};
    if (!channels_last) d.push_back({channels, channel_step});
    for (LayerAxis& a : p.axes) d.push_back({a.*size, &(a.*step)});
    if (channels_last) d.push_back({channels, channel_step});
    return lay_out(random, d, kItemSize[int(type)] * parts, differs());
  };
  c.in = samples(p.batch, p.in_channels, &p.in_batch_step, &p.in_channel_step, &LayerAxis::in,
                 &LayerAxis::in_step, p.in);
  c.out = samples(p.batch, p.out_channels, &p.out_batch_step, &p.out_channel_step, &LayerAxis::out,
                  &LayerAxis::out_step, p.out);
  if (p.residual)
    c.residual = samples(p.batch, p.out_channels, &p.residual_batch_step, &p.residual_channel_step,
                         &LayerAxis::out, &LayerAxis::residual_step, p.out);
  std::vector<Dimension> d;
  const bool weights_last = last != differs();
  if (!weights_last) d = {{p.out_channels, &p.weight_out_step}, {p.group_in(), &p.weight_in_step}};
  for (LayerAxis& a : p.axes) d.push_back({a.taps, &a.weight_step});
  if (weights_last) {
    d.push_back({p.group_in(), &p.weight_in_step});
    d.push_back({p.out_channels, &p.weight_out_step});
  }
  c.weight = lay_out(random, d, kItemSize[int(p.weight)] * parts, differs());
  if (o.flips && random.one_in(4))
    for (LayerAxis& a : p.axes) {
      c.weight.origin += (a.taps - 1) * a.weight_step;
      a.weight_step = -a.weight_step;
    }
  if (p.bias) c.bias = {Heap<std::byte>(p.out_channels * parts * kItemSize[int(p.out)]), 0};
}

// ---- types and values -----------------------------------------------------------------------------------

// Of numbers of a kind, in every slot of an array.
struct Values {
  std::int64_t least = 0, most = 0;  // integers
  double scale = 1;                  // else random mantissas about this size
  bool not_finite = false;
};

void fill(Random& random, Array& array, DType type, const Values& v) {
  const std::int64_t item = kItemSize[int(type)];
  const auto& convert = convert_table<double>(Isa::baseline);
  const auto& integers = convert_table<std::uint64_t>(Isa::baseline);
  for (std::int64_t at = 0; at + item <= array.memory.size(); at += item) {
    std::byte* to = array.memory.data() + at;
    if (is_integer(type)) {
      const auto word = static_cast<std::uint64_t>(random.between(v.least, v.most));
      integers.store[int(type)](&word, to, {1, 1, 0, 0}, Store::wrap);
      continue;
    }
    double x = v.scale * std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-4, 1)));
    if (random.one_in(20)) x = 0;
    if (v.not_finite && random.one_in(60)) x = random.of({kInfinity, -kInfinity, std::nan("")});
    convert.store[int(type)](&x, to, {1, 1, 0, 0}, Store::cast);
  }
}

// Marks the slots that are no element: NaN where the type has one, so that whoever uses one is seen.
void mark_gaps(Array& array, DType type, std::int64_t parts, const std::vector<Dimension>& dimensions) {
  const std::int64_t item = kItemSize[int(type)] * parts;
  Heap<std::byte> marked(array.memory.size());
  marked.fill_bytes(0xff);
  std::int64_t n = 1;
  for (const Dimension& d : dimensions) n *= d.size;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t rest = i, offset = array.origin;
    for (const Dimension& d : dimensions) offset += rest % d.size * *d.step, rest /= d.size;
    std::memcpy(marked.data() + offset, array.memory.data() + offset, static_cast<std::size_t>(item));
  }
  array.memory = std::move(marked);
}

void choose_types(Random& random, const LayerOptions& o, LayerProblem& p) {
  std::vector<DType> types = o.types;
  if (types.empty())
    types = {DType::f32, DType::f32, DType::f32, DType::f32, DType::f64, DType::f64, DType::f16, DType::bf16,
             DType::u8,  DType::i8,  DType::u16, DType::i16, DType::u32, DType::i32, DType::u64, DType::i64};
  p.in = p.weight = p.out =
      types[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(types.size()) - 1))];
  p.compute = p.in == DType::f32 || p.in == DType::f16 || p.in == DType::bf16 ? Compute::f32 : Compute::f64;
  p.complex_numbers = o.complex_numbers && (p.in == DType::f32 || p.in == DType::f64) && random.one_in(4);
  if (!is_integer(p.in)) return;
  p.store = random.of({Store::check, Store::saturate, Store::wrap});
  const bool bytes = p.in == DType::u8 || p.in == DType::i8;
  if (bytes && random.one_in(4)) return;  // into their own type, like all other integers
  if (bytes) {
    p.compute = Compute::f32;
    p.out = DType::i32;
    p.weight = random.of({DType::u8, DType::i8});
    const auto zero = [&](DType type) {
      return type == DType::u8 ? random.between(0, 255) : random.between(-128, 127);
    };
    if (random.one_in(2)) p.in_zero = zero(p.in);
    if (random.one_in(2))
      for (std::int64_t i = random.one_in(2) ? 1 : p.out_channels; i > 0; --i)
        p.weight_zero.push_back(zero(p.weight));
  }
}

void choose_extras(Random& random, LayerProblem& p) {
  p.bias = random.one_in(2), p.residual = random.one_in(3);
  if (p.complex_numbers || random.one_in(2)) return;
  if (is_integer(p.out)) {
    p.activation = Activation::clip;
    p.lo = is_signed(p.out) ? random.of({0.0, 0.0, -20.0, -kInfinity}) : random.of({0.0, 3.0});
    p.hi = random.of({kInfinity, 6.0, 100.0});
    return;
  }
  p.activation = static_cast<Activation>(random.between(1, kActivations - 1));
  if (p.activation == Activation::clip)
    std::tie(p.lo, p.hi) =
        random.of<std::pair<double, double>>({{0, kInfinity}, {0, kInfinity}, {0, 6}, {-1, 0.75}});
  if (p.activation == Activation::leaky_relu) p.lo = random.of({0.01, 0.25, -0.5, 1.5});
}

// Integers of at most `bits` bits that the type holds.
Values integers(DType type, int bits) {
  const int width = static_cast<int>(kItemSize[int(type)]) * 8 - is_signed(type);
  const std::int64_t most = (std::int64_t{1} << std::min({bits, width, 62})) - 1;
  return {is_signed(type) ? -most - (width <= bits) : 0, most, 1, false};
}

void fill_case(Random& random, const LayerOptions& o, LayerCase& c) {
  LayerProblem& p = c.problem;
  Values x, w, more;
  if (is_integer(p.in)) {
    const bool bytes = p.compute == Compute::f32;
    // Sums stay below 2^52, those of bytes far below 2^31.
    const int products = 51 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(p.terms() + 2)));
    const int bits = static_cast<int>(random.between(2, products - 2));
    x = integers(p.in, bits), w = integers(p.weight, products - std::min(bits, 48));
    more = integers(p.out, bytes ? 24 : 48);
  } else {
    const auto special = [&] { return o.not_finite && random.one_in(2); };
    x.not_finite = special(), w.not_finite = special(), more.not_finite = special() && random.one_in(2);
    if (o.subnormal && p.in != DType::f16) {
      std::tie(x.scale, w.scale, more.scale) =
          random.of<std::tuple<double, double, double>>({{0x1p-130, 1, 1},
                                                         {1, 0x1p-130, 1},
                                                         {0x1p-65, 0x1p-64, 0},
                                                         {0x1p40, 0x1p-128, 0x1p-100},
                                                         {1, 1, 0x1p-128}});
      if (p.compute == Compute::f64)
        x.scale *= x.scale < 0x1p-100 ? 0x1p-896 : 1, w.scale *= w.scale < 0x1p-100 ? 0x1p-896 : 1;
    } else {
      w.scale = 1 / std::sqrt(static_cast<double>(p.terms()));
    }
  }
  fill(random, c.in, p.in, x), fill(random, c.weight, p.weight, w);
  if (p.bias) fill(random, c.bias, p.out, more);
  if (p.residual) fill(random, c.residual, p.out, more);

  std::vector<Dimension> in{{p.batch, &p.in_batch_step}, {p.in_channels, &p.in_channel_step}}, weight,
      residual;
  weight = {{p.out_channels, &p.weight_out_step}, {p.group_in(), &p.weight_in_step}};
  residual = {{p.batch, &p.residual_batch_step}, {p.out_channels, &p.residual_channel_step}};
  for (LayerAxis& a : p.axes) {
    in.push_back({a.in, &a.in_step}), weight.push_back({a.taps, &a.weight_step});
    residual.push_back({a.out, &a.residual_step});
  }
  mark_gaps(c.in, p.in, p.parts(), in), mark_gaps(c.weight, p.weight, p.parts(), weight);
  if (p.residual) mark_gaps(c.residual, p.out, p.parts(), residual);
}

}  // namespace

LayerCase random_layer(const LayerOptions& options, std::uint64_t seed) {
  for (std::uint64_t attempt = 0;; ++attempt) {
    Random random(seed * 1000 + attempt);
    LayerCase c;
    c.seed = seed;
    choose_shape(random, options, c.problem);
    LayerProblem& p = c.problem;
    if (p.outputs() * p.terms() > options.most_products || p.outputs() > options.most_products) continue;
    choose_types(random, options, p);
    if (options.extras) choose_extras(random, p);
    lay_out_case(random, options, c);
    fill_case(random, options, c);
    return c;
  }
}

std::string describe(const LayerProblem& p) {
  constexpr const char* types[] = {"b8",  "u8",  "i8",  "u16",  "i16", "u32", "i32",
                                   "u64", "i64", "f16", "bf16", "f32", "f64"};
  constexpr const char* boundaries[] = {"constant", "edge", "reflect", "symmetric", "wrap"};
  constexpr const char* activations[] = {"none",    "clip", "leaky_relu", "hardsigmoid", "hardswish",
                                         "sigmoid", "silu", "tanh",       "gelu",        "gelu_tanh"};
  std::ostringstream s;
  s << types[int(p.in)] << " * " << types[int(p.weight)] << " -> " << types[int(p.out)] << ", compute "
    << int(p.compute) << ", store " << int(p.store) << (p.complex_numbers ? ", complex" : "") << "; batch "
    << p.batch << ", channels " << p.in_channels << " -> " << p.out_channels << " in " << p.groups
    << " groups; steps x " << p.in_batch_step << " " << p.in_channel_step << ", w " << p.weight_out_step
    << " " << p.weight_in_step << ", y " << p.out_batch_step << " " << p.out_channel_step;
  if (p.bias) s << ", bias";
  if (p.residual) s << ", residual " << p.residual_batch_step << " " << p.residual_channel_step;
  if (p.activation != Activation::none)
    s << ", " << activations[int(p.activation)] << " " << p.lo << " " << p.hi;
  if (p.in_zero != 0 || !p.weight_zero.empty())
    s << ", zero points " << p.in_zero << " and " << p.weight_zero.size();
  for (const LayerAxis& a : p.axes) {
    s << "; in " << a.in << " out " << a.out << " taps " << a.taps << " stride " << a.stride << " dilation "
      << a.dilation << " pad " << a.pad << " " << boundaries[int(a.boundary)] << " steps " << a.in_step << " "
      << a.weight_step << " " << a.out_step;
    if (p.residual) s << " " << a.residual_step;
  }
  return s.str();
}

}  // namespace faltung::tests
