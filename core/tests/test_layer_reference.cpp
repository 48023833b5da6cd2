// The definition of a layer against cases that are worked out by hand.
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/reference/layer.h"
#include "core/tests/check.h"

namespace faltung::tests {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// Contiguous arrays, channels first, of one item type.
template <class T>
void contiguous(LayerProblem& p) {
  const auto lay_out = [&](std::int64_t LayerAxis::*size, std::int64_t LayerAxis::*step) {
    std::int64_t s = static_cast<std::int64_t>(sizeof(T)) * p.parts();
    for (std::size_t a = p.axes.size(); a-- > 0;) p.axes[a].*step = s, s *= p.axes[a].*size;
    return s;
  };
  p.in_channel_step = lay_out(&LayerAxis::in, &LayerAxis::in_step);
  p.in_batch_step = p.in_channel_step * p.in_channels;
  p.weight_in_step = lay_out(&LayerAxis::taps, &LayerAxis::weight_step);
  p.weight_out_step = p.weight_in_step * p.group_in();
  p.out_channel_step = p.residual_channel_step = lay_out(&LayerAxis::out, &LayerAxis::out_step);
  p.out_batch_step = p.residual_batch_step = p.out_channel_step * p.out_channels;
  for (LayerAxis& a : p.axes) a.residual_step = a.out_step;
}

LayerAxis axis(std::int64_t in, std::int64_t taps, std::int64_t stride = 1, std::int64_t pad = 0,
               std::int64_t dilation = 1, Boundary boundary = Boundary::constant) {
  return {in,       (in + 2 * pad - dilation * (taps - 1) - 1) / stride + 1,
          taps,     stride,
          dilation, pad,
          boundary, 0,
          0,        0,
          0};
}

template <class T, class U = T, class W = T>
std::vector<U> run(const LayerProblem& p, const std::vector<T>& x, const std::vector<W>& w,
                   const std::vector<U>& b = {}, const std::vector<U>& r = {}) {
  std::vector<U> y(static_cast<std::size_t>(p.outputs()));
  for (const int threads : {1, 3}) {
    std::fill(y.begin(), y.end(), U{});
    const Outcome o = run_layer_reference(p, {x.data(), w.data(), b.data(), r.data(), y.data()}, threads, {});
    CHECK(o.finished && !o.reported);
  }
  return y;
}

using Floats = std::vector<float>;

}  // namespace

FALTUNG_TEST(layer_reference_1x1) {
  LayerProblem p;  // two pixels, three channels to two
  p.in_channels = 3, p.out_channels = 2, p.axes = {axis(2, 1)};
  contiguous<float>(p);
  const Floats x{1, 2, /**/ 3, 4, /**/ 5, 6}, w{1, 10, 100, /**/ -1, 0, 2};
  CHECK(run(p, x, w) == Floats{531, 642, 9, 10});
  p.bias = p.residual = true;
  CHECK(run(p, x, w, Floats{1000, -9}, Floats{0.5f, 0, 0, 0.25f}) == Floats{1531.5f, 1642, 0, 1.25f});
}

FALTUNG_TEST(layer_reference_3x3_with_padding_and_stride) {
  LayerProblem p;
  p.axes = {axis(3, 3, 2, 1), axis(3, 3, 2, 1)};
  contiguous<float>(p);
  const Floats x{1, 2, 3, 4, 5, 6, 7, 8, 9}, ones(9, 1);
  CHECK(run(p, x, ones) == Floats{12, 16, 24, 28});  // the quarters: 1 2 4 5, 2 3 5 6, 4 5 7 8, 5 6 8 9
  Floats corner(9, 0);
  corner[8] = 1;  // a correlation: the last tap sees what is below and to the right
  CHECK(run(p, x, corner) == Floats{5, 0, 0, 0});
  corner = Floats(9, 0);
  corner[0] = 1;
  CHECK(run(p, x, corner) == Floats{0, 0, 0, 5});
}

FALTUNG_TEST(layer_reference_omits_what_is_outside) {
  LayerProblem p;
  p.axes = {axis(2, 3, 1, 1)};
  contiguous<float>(p);
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(run(p, Floats{1, 2}, Floats{inf, 1, 1}) == Floats{3, inf});  // not Inf * 0
  const std::vector<float> y = run(p, Floats{0, 2}, Floats{inf, 1, 1});
  CHECK(y[0] == 2 && std::isnan(y[1]));
}

FALTUNG_TEST(layer_reference_of_all_boundaries) {
  LayerProblem p;
  p.axes = {axis(3, 1, 1, 2)};
  const Floats expected[] = {{0, 0, 1, 2, 3, 0, 0},
                             {1, 1, 1, 2, 3, 3, 3},
                             {3, 2, 1, 2, 3, 2, 1},
                             {2, 1, 1, 2, 3, 3, 2},
                             {2, 3, 1, 2, 3, 1, 2}};
  for (int b = 0; b < 5; ++b) {
    p.axes[0].boundary = static_cast<Boundary>(b);
    contiguous<float>(p);
    CHECK(run(p, Floats{1, 2, 3}, Floats{1}) == expected[b]);
  }
}

FALTUNG_TEST(layer_reference_of_groups) {
  LayerProblem p;  // channels 0 and 1 to output 0, channels 2 and 3 to output 1
  p.groups = 2, p.in_channels = 4, p.out_channels = 2, p.axes = {axis(1, 1)};
  contiguous<float>(p);
  CHECK(run(p, Floats{1, 2, 3, 4}, Floats{1, 10, 100, 1000}) == Floats{21, 4300});
  p.in_channels = 2, p.out_channels = 4;  // one channel a group, two outputs of each
  contiguous<float>(p);
  CHECK(run(p, Floats{5, 7}, Floats{1, 2, 3, 4}) == Floats{5, 10, 21, 28});
}

FALTUNG_TEST(layer_reference_of_steps) {
  LayerProblem p;  // dilation 2, kernel backwards, two items of a batch, channels last
  p.batch = 2, p.in_channels = 2, p.axes = {axis(5, 2, 1, 0, 2)};
  contiguous<float>(p);
  p.axes[0].in_step = 8, p.in_channel_step = 4, p.in_batch_step = 40;
  const Floats x{1, 0, 2, 0, 3, 0, 4, 0, 5, 1, /**/ 0, 1, 0, 2, 0, 3, 0, 4, 0, 5}, w{1, 10, /**/ 100, 1000};
  CHECK(run(p, x, w) == Floats{31, 42, 1053, 3100, 4200, 5300});
  p.axes[0].weight_step = -4;  // tap 0 is the last one
  std::vector<float> y(6);
  run_layer_reference(p, {x.data(), w.data() + 1, nullptr, nullptr, y.data()}, 1, {});
  CHECK(y == Floats{13, 24, 135, 1300, 2400, 3500});
  p.batch = 0;
  CHECK(run_layer_reference(p, {x.data(), w.data(), nullptr, nullptr, nullptr}, 1, {}).finished);
}

FALTUNG_TEST(layer_reference_of_activations) {
  struct Function {
    Activation activation;
    double (*f)(double);
  };
  const Function functions[] = {
      {Activation::clip, [](double x) { return std::fmin(std::fmax(x, -0.5), 2.0); }},
      {Activation::leaky_relu, [](double x) { return x < 0 ? -0.5 * x : x; }},
      {Activation::hardsigmoid, [](double x) { return std::fmin(std::fmax(x / 6 + 0.5, 0.0), 1.0); }},
      {Activation::hardswish, [](double x) { return x * std::fmin(std::fmax(x / 6 + 0.5, 0.0), 1.0); }},
      {Activation::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {Activation::silu, [](double x) { return x / (1 + std::exp(-x)); }},
      {Activation::tanh, [](double x) { return std::tanh(x); }},
      {Activation::gelu, [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; }},
      {Activation::gelu_tanh, [](double x) {
         return x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))) / 2;
       }}};
  const std::vector<double> x{-20, -5, -3, -1, -0.25, -1e-9, 0, 1e-9, 0.25, 1, 2.5, 3, 7, 20};
  LayerProblem p;
  p.axes = {axis(static_cast<std::int64_t>(x.size()), 1)};
  p.in = p.weight = p.out = DType::f64, p.compute = Compute::f64;
  p.lo = -0.5, p.hi = 2;
  contiguous<double>(p);
  for (const Function& f : functions) {
    p.activation = f.activation;
    const std::vector<double> y = run(p, x, std::vector<double>{1});
    for (std::size_t i = 0; i < x.size(); ++i)
      REQUIRE(std::abs(y[i] - f.f(x[i])) <= 4e-15 * std::abs(x[i]) + 2e-16 * std::abs(y[i]),
              "activation " + std::to_string(int(f.activation)) + " of " + std::to_string(x[i]) + " is " +
                  std::to_string(y[i]));
    const double nan = std::nan("");
    CHECK(std::isnan(run(p, std::vector<double>(x.size(), nan), std::vector<double>{1})[0]));
  }
  p.activation = Activation::clip, p.lo = 0, p.hi = kInf;  // relu
  CHECK(run(p, x, std::vector<double>{1})[0] == 0 && run(p, x, std::vector<double>{1})[13] == 20);
}

FALTUNG_TEST(layer_reference_of_integers) {
  LayerProblem p;  // one output of two samples: (200 - 128) (-3 - 5) + (0 - 128) (7 - 5)
  p.axes = {axis(2, 2)};
  p.in = DType::u8, p.weight = DType::i8, p.out = DType::i32, p.store = Store::check;
  contiguous<std::uint8_t>(p);
  p.axes[0].out_step = 4;
  p.in_zero = 128, p.weight_zero = {5};
  using Words = std::vector<std::int32_t>;
  const std::vector<std::uint8_t> x{200, 0};
  const std::vector<std::int8_t> w{-3, 7};
  CHECK(run(p, x, w, Words{}) == Words{-832});
  p.bias = true;
  CHECK(run(p, x, w, Words{1000}) == Words{168});
  p.activation = Activation::clip, p.lo = 0, p.hi = 100;
  CHECK(run(p, x, w, Words{1000}) == Words{100});
  CHECK(run(p, x, w, Words{-1000}) == Words{0});

  p.activation = Activation::none, p.bias = false;
  p.axes = {axis(3, 3, 1, 1)};  // what is outside is omitted: the ends have two terms
  contiguous<std::uint8_t>(p);
  for (LayerAxis& a : p.axes) a.out_step = 4;
  p.in_zero = 10, p.weight_zero = {0};
  CHECK(run(p, std::vector<std::uint8_t>{11, 12, 13}, std::vector<std::int8_t>{1, 1, 1}, Words{}) ==
        Words{3, 6, 5});

  p.out_channels = 2, p.weight_zero = {0, 1};  // one of every output channel
  contiguous<std::uint8_t>(p);
  for (LayerAxis& a : p.axes) a.out_step = 4;
  p.out_channel_step = 12;
  CHECK(run(p, std::vector<std::uint8_t>{11, 12, 13}, std::vector<std::int8_t>{1, 1, 1, 2, 2, 2}, Words{}) ==
        Words{3, 6, 5, 3, 6, 5});
}

FALTUNG_TEST(layer_reference_of_integers_out_of_range) {
  LayerProblem p;
  p.axes = {axis(1, 1)};
  p.in = p.weight = p.out = DType::i8, p.compute = Compute::f64;
  contiguous<std::int8_t>(p);
  const std::int8_t x = 100, w = 3;
  const auto stored = [&](Store how, bool reported) {
    std::int8_t y = 0;
    p.store = how;
    CHECK(run_layer_reference(p, {&x, &w, nullptr, nullptr, &y}, 1, {}).reported == reported);
    return y;
  };
  stored(Store::check, true);
  CHECK(stored(Store::saturate, false) == 127);
  CHECK(stored(Store::wrap, false) == 300 - 256);
}

FALTUNG_TEST(layer_reference_of_complex_numbers) {
  using Number = std::complex<double>;
  LayerProblem p;
  p.in_channels = 2, p.axes = {axis(1, 1)};
  p.in = p.weight = p.out = DType::f64, p.compute = Compute::f64, p.complex_numbers = true, p.bias = true;
  contiguous<double>(p);
  const std::vector<Number> x{{1, 2}, {0, 1}}, w{{3, 4}, {5, -6}}, b{{100, 1000}};
  // Nothing is conjugated: (1 + 2i) (3 + 4i) + i (5 - 6i) = -5 + 10i + 6 + 5i
  CHECK(run(p, x, w, b) == std::vector<Number>{{101, 1015}});
}

}  // namespace faltung::tests
