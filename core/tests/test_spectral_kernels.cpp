// Every spectral table against the definitions in long double: each function is a test of its own.
#include <algorithm>
#include <cmath>
#include <complex>
#include <deque>
#include <limits>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/kernels/select.h"
#include "core/ops/fourier.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

using Wide = std::complex<long double>;
constexpr long double kTurn = 6.283185307179586476925286766559005768L;

// Without the checks for infinities of std::complex.
Wide times(const Wide& a, const Wide& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

template <class T>
long double unit() {
  return std::ldexp(1.0L, std::is_same_v<T, float> ? -24 : -53);
}

template <class T>
void fill(Heap<T>& values, Random& random) {
  for (T& v : values) v = static_cast<T>(2 * random.unit() - 1);
}

// How a line lies in memory.
struct Layout {
  int64_t n, step, run, gap;
  int64_t at(int64_t i) const { return (i + i / run * gap) * step; }
  std::string text() const {
    return std::to_string(n) + " points, step " + std::to_string(step) + ", gap " + std::to_string(gap);
  }
};

template <class T>
Layout random_layout(const Fourier<T>& fourier, Random& random) {
  const int64_t n = fourier.n();
  const int64_t step = n > 2000 ? random.of<int64_t>({1, 1, 3}) : random.of<int64_t>({1, 1, 2, 3, 5, 17});
  return {n, step, fourier.run(), random.of<int64_t>({0, 1, 2, fourier.gap()})};
}

// A line of pairs in memory of exactly its length; what lies between its pairs is guarded.
template <class T>
struct Line {
  Layout layout;
  int64_t n, lanes;
  Heap<T> z;

  Line(const Layout& layout_, int64_t lanes_, Random& random)
      : layout(layout_), n(layout.n), lanes(lanes_), z((layout.at(n - 1) + 1) * 2 * lanes) {
    fill(z, random);
  }
  T* pair(int64_t i) { return z.data() + layout.at(i) * 2 * lanes; }
  const T* pair(int64_t i) const { return z.data() + layout.at(i) * 2 * lanes; }
  Wide at(int64_t i, int64_t lane) const { return {pair(i)[lane], pair(i)[lanes + lane]}; }
  std::vector<Wide> lane(int64_t l) const {
    std::vector<Wide> values;
    for (int64_t i = 0; i < n; ++i) values.push_back(at(i, l));
    return values;
  }
  bool same_between(const Heap<T>& before) const {
    std::vector<bool> own(static_cast<std::size_t>(z.size()));
    for (int64_t i = 0; i < n; ++i) std::fill_n(own.begin() + layout.at(i) * 2 * lanes, 2 * lanes, true);
    for (int64_t i = 0; i < z.size(); ++i)
      if (!own[static_cast<std::size_t>(i)] && z[i] != before[i]) return false;
    return true;
  }
  Heap<T> copy() const {
    Heap<T> other(z.size());
    std::copy(z.begin(), z.end(), other.begin());
    return other;
  }
};

// Root mean square of the error, of the exact values, and the largest error.
struct Errors {
  long double squares = 0, exact = 0, largest = 0;
  void add(const Wide& value, const Wide& right) {
    squares += std::norm(value - right);
    exact += std::norm(right);
    largest = std::max(largest, std::abs(value - right));
  }
  long double rms() const { return std::sqrt(squares / exact); }
};

struct Circle {
  std::vector<Wide> roots;  // exp(-2 pi i k / n)
  explicit Circle(int64_t n) {
    for (int64_t k = 0; k < n; ++k) {
      const long double angle = -kTurn * static_cast<long double>(k) / static_cast<long double>(n);
      roots.emplace_back(std::cos(angle), std::sin(angle));
    }
  }
  Wide transform(const std::vector<Wide>& x, int64_t k) const {
    const int64_t n = static_cast<int64_t>(roots.size());
    Wide sum = 0;
    for (int64_t j = 0, at = 0; j < n; ++j, at = (at + k) % n) sum += times(x[j], roots[at]);
    return sum;
  }
};

std::vector<int64_t> sizes() {
  std::vector<int64_t> found;
  for (int64_t n = 1; n <= 512; ++n) {
    int64_t rest = n;
    for (const int factor : {2, 3, 5})
      while (rest % factor == 0) rest /= factor;
    if (rest == 1) found.push_back(n);
  }
  found.insert(found.end(),
               {1000, 1024, 1536, 2048, 2500, 3125, 4096, 4374, 6144, 8192, 10000, 16384, 20000});
  return found;
}

// A sample of positions: all of them in short lines.
std::vector<int64_t> sample(int64_t n, int64_t most, Random& random) {
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < std::min(n, most); ++i) chosen.push_back(n <= most ? i : random.between(0, n - 1));
  return chosen;
}

template <class T>
long double bound(int64_t n) {
  return (0.6L * std::log2(static_cast<long double>(n)) + 0.4L) * unit<T>();
}

template <class T>
void test_forward(const SpectralTable<T>& table) {
  Random random(1);
  for (const int64_t n : sizes()) {
    const Fourier<T> fourier(n, table.radix);
    const std::vector<int64_t> order = fourier.order();
    const Circle circle(n);
    const Layout layout = random_layout(fourier, random);
    const std::string where = layout.text();
    Line<T> line(layout, table.lanes, random), in(layout, table.lanes, random);
    std::copy(in.z.begin(), in.z.end(), line.z.begin());
    table.forward(line.z.data(), layout.step, fourier.stages(layout.gap));
    REQUIRE(line.same_between(in.z), where + ": wrote between its pairs");
    Errors errors;
    for (int64_t l = 0; l < table.lanes; ++l) {
      const std::vector<Wide> x = in.lane(l);
      for (const int64_t p : sample(n, n > 2000 ? 8 : 32, random))
        errors.add(line.at(p, l), circle.transform(x, order[p]));
    }
    REQUIRE(errors.rms() <= bound<T>(n),
            where + ": rms error " + std::to_string(errors.rms() / unit<T>()) + " u");
  }
}

template <class T>
void test_inverse(const SpectralTable<T>& table) {
  Random random(2);
  for (const int64_t n : sizes()) {
    const Fourier<T> fourier(n, table.radix);
    const Layout layout = random_layout(fourier, random);
    const std::string where = layout.text();
    Line<T> line(layout, table.lanes, random);
    const Heap<T> in = line.copy();
    table.forward(line.z.data(), layout.step, fourier.stages(layout.gap));
    table.inverse(line.z.data(), layout.step, fourier.stages(layout.gap));
    REQUIRE(line.same_between(in), where + ": wrote between its pairs");
    Errors errors;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t l = 0; l < table.lanes; ++l) {
        const T* pair = in.data() + layout.at(i) * 2 * table.lanes;
        errors.add(line.at(i, l), Wide(pair[l], pair[table.lanes + l]) * static_cast<long double>(n));
      }
    REQUIRE(errors.rms() <= 2 * bound<T>(n),
            where + ": rms error " + std::to_string(errors.rms() / unit<T>()) + " u");
  }
}

// The convolution theorem against a circular convolution, by `convolve` and by the three calls it stands for.
template <class T>
void test_convolve(const SpectralTable<T>& table) {
  Random random(3);
  for (const int64_t n : sizes())
    for (const bool lanes : {false, true}) {
      const Fourier<T> fourier(n, table.radix);
      const Layout layout = random_layout(fourier, random), packed{n, 1, n, 0};
      Line<T> line(layout, table.lanes, random), taps(packed, table.lanes, random);
      const std::string where = layout.text() + (lanes ? ", a kernel for each lane" : "");
      for (int64_t l = 1; l < table.lanes && !lanes; ++l)
        for (int64_t i = 0; i < n; ++i) {
          taps.pair(i)[l] = taps.pair(i)[0];
          taps.pair(i)[table.lanes + l] = taps.pair(i)[table.lanes];
        }
      std::vector<std::vector<Wide>> x, h;
      for (int64_t l = 0; l < table.lanes; ++l) {
        x.push_back(line.lane(l));
        h.push_back(taps.lane(l));
      }
      table.forward(taps.z.data(), 1, fourier.stages());
      Heap<T> factors(lanes ? taps.z.size() : 2 * n);
      if (lanes) std::copy(taps.z.begin(), taps.z.end(), factors.begin());
      for (int64_t i = 0; i < n && !lanes; ++i) {
        factors[2 * i] = taps.pair(i)[0];
        factors[2 * i + 1] = taps.pair(i)[table.lanes];
      }
      Line<T> thrice(packed, table.lanes, random);
      for (int64_t i = 0; i < n; ++i) std::copy_n(line.pair(i), 2 * table.lanes, thrice.pair(i));
      const Heap<T> before = line.copy();
      table.convolve(line.z.data(), layout.step, fourier.stages(layout.gap), factors.data(), lanes);
      REQUIRE(line.same_between(before), where + ": wrote between its pairs");
      table.forward(thrice.z.data(), 1, fourier.stages());
      (lanes ? table.multiply_lanes : table.multiply)(thrice.z.data(), factors.data(), n);
      table.inverse(thrice.z.data(), 1, fourier.stages());
      Errors errors, errors_of_three;
      for (const int64_t i : sample(n, n > 2000 ? 3 : 16, random))
        for (int64_t l = 0; l < table.lanes; ++l) {
          Wide sum = 0;
          for (int64_t j = 0; j < n; ++j) sum += times(x[l][j], h[l][(i - j + n) % n]);
          sum *= static_cast<long double>(n);
          errors.add(line.at(i, l), sum);
          errors_of_three.add(thrice.at(i, l), sum);
        }
      const long double most = 3 * bound<T>(n) + 2 * unit<T>();
      REQUIRE(errors.rms() <= most, where + ": rms error " + std::to_string(errors.rms() / unit<T>()) + " u");
      REQUIRE(errors_of_three.rms() <= most,
              where + ": three calls, rms error " + std::to_string(errors_of_three.rms() / unit<T>()) + " u");
    }
}

template <class T>
void test_twist(const SpectralTable<T>& table) {
  Random random(4);
  for (int64_t n = 0; n < 40; ++n)
    for (const bool conjugate : {false, true}) {
      const int64_t width = 2 * table.lanes;
      Heap<T> z(n * width), base(2 * n), across(n * width);
      fill(z, random);
      fill(base, random);
      fill(across, random);
      Heap<T> out(z.size());
      std::copy(z.begin(), z.end(), out.begin());
      table.twist(out.data(), base.data(), across.data(), n, conjugate);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t l = 0; l < table.lanes; ++l) {
          const auto at = [&](const Heap<T>& values, int64_t first, int64_t apart) {
            return Wide(values[first], values[first + apart]);
          };
          Wide w = times(at(base, 2 * i, 1), at(across, i * width + l, table.lanes));
          if (conjugate) w = std::conj(w);
          const Wide right = times(at(z, i * width + l, table.lanes), w);
          const Wide got = at(out, i * width + l, table.lanes);
          REQUIRE(std::abs(got - right) <= 10 * unit<T>(), "twist of " + std::to_string(n));
        }
    }
}

template <class T>
void test_transposes(const SpectralTable<T>& table) {
  Random random(5);
  const int64_t lanes = table.lanes;
  for (int64_t n = 0; n <= 3 * lanes + 3; ++n)
    for (const int64_t step : {lanes, 2 * lanes, 2 * lanes + 3, 40 * lanes}) {
      const std::string where = std::to_string(n) + " vectors, step " + std::to_string(step);
      std::vector<Heap<T>> rows, back;
      std::vector<const T*> from;
      std::vector<T*> to;
      for (int64_t l = 0; l < lanes; ++l) {
        fill(rows.emplace_back(n), random);
        back.emplace_back(n);
        from.push_back(rows.back().data());
        to.push_back(back.back().data());
      }
      Heap<T> z(n == 0 ? 0 : (n - 1) * step + lanes);
      fill(z, random);
      Heap<T> before(z.size());
      std::copy(z.begin(), z.end(), before.begin());
      table.gather(from.data(), n, z.data(), step);
      for (int64_t i = 0; i < z.size(); ++i) {
        const int64_t vector = i / step, lane = i % step;
        REQUIRE(z[i] == (lane < lanes ? rows[lane][vector] : before[i]), where + ": gathered wrongly");
      }
      table.scatter(z.data(), step, n, to.data());
      for (int64_t l = 0; l < lanes; ++l) REQUIRE(back[l].same_bytes(rows[l]), where + ": scattered wrongly");
    }
}

// take and give of one kind: rows of S, complex or not, with guards around what is written.
template <class T, class S>
void test_columns_of(const SpectralTable<T>& table, int kind, bool complex) {
  Random random(8);
  const int64_t lanes = table.lanes, numbers = complex ? 2 * lanes : lanes, ahead = 3;
  for (int64_t n = 0; n <= 9; ++n) {
    const std::string where =
        std::to_string(n) + " rows of kind " + std::to_string(kind) + (complex ? ", complex" : "");
    std::vector<Heap<S>> rows, back;
    std::vector<const char*> from;
    std::vector<char*> to;
    std::vector<int64_t> at;
    for (int64_t i = 0; i < n; ++i) {
      fill(rows.emplace_back(ahead + numbers), random);
      back.emplace_back(ahead + numbers + 1);
      back.back().fill_bytes(0x5a);
      from.push_back(reinterpret_cast<const char*>(rows.back().data()));
      to.push_back(i % 3 == 1 ? nullptr : reinterpret_cast<char*>(back.back().data()));
      at.push_back((n - 1 - i) * (numbers + 5) + 2);
    }
    const int64_t broken = n > 0 && random.one_in(2) ? random.between(0, n - 1) : -1;
    if (broken >= 0) rows[size_t(broken)][ahead] = std::numeric_limits<S>::quiet_NaN();
    Heap<T> z(n * (numbers + 5) + 2), largest(lanes), squares(lanes);
    std::fill(z.begin(), z.end(), T(77));
    std::fill(largest.begin(), largest.end(), T(0));
    std::fill(squares.begin(), squares.end(), T(0));
    const auto& take = complex ? table.take_complex : table.take;
    const auto& give = complex ? table.give_complex : table.give;
    take[kind](from.data(), ahead * int64_t(sizeof(S)), at.data(), n, z.data(), largest.data(),
               squares.data());
    int64_t guards = 0;
    for (const T v : z) guards += v == T(77);
    REQUIRE(guards == z.size() - n * numbers, where + ": something else was written");
    for (int64_t l = 0; l < lanes; ++l) {
      T most = 0;
      long double sum = 0;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t half = 0; half < numbers / lanes; ++half) {
          const S sample = rows[size_t(i)][ahead + (complex ? 2 * l + half : l)];
          const T taken = z[at[size_t(i)] + half * lanes + l];
          REQUIRE(std::isnan(sample) ? std::isnan(taken) : taken == T(sample), where + ": taken wrongly");
          most = std::isnan(sample) ? std::numeric_limits<T>::infinity() : std::max(most, std::abs(taken));
          sum += static_cast<long double>(taken) * taken;
        }
      REQUIRE(largest[l] == most, where + ": the largest is wrong");
      REQUIRE(std::isnan(sum) ? !std::isfinite(squares[l])
                              : std::abs(squares[l] - sum) <= (2 * n + 2) * unit<T>() * sum,
              where + ": the sum of squares is wrong");
    }
    give[kind](z.data(), at.data(), n, to.data(), ahead * int64_t(sizeof(S)));
    for (int64_t i = 0; i < n; ++i) {
      Heap<S> want(ahead + numbers + 1);
      want.fill_bytes(0x5a);
      if (to[size_t(i)])
        std::copy(rows[size_t(i)].begin() + ahead, rows[size_t(i)].end(), want.begin() + ahead);
      REQUIRE(back[size_t(i)].same_bytes(want), where + ": given wrongly");
    }
  }
}

template <class T>
void test_columns(const SpectralTable<T>& table) {
  for (const bool complex : {false, true}) {
    test_columns_of<T, T>(table, 0, complex);
    test_columns_of<T, float>(table, 1, complex);
  }
}

template <class T>
void test_measure(const SpectralTable<T>& table) {
  Random random(6);
  const int64_t lanes = table.lanes;
  for (int64_t n = 0; n <= 40; ++n)
    for (const int64_t step : {lanes, 2 * lanes, 3 * lanes + 1}) {
      Heap<T> z(n == 0 ? 0 : (n - 1) * step + lanes), largest(lanes), squares(lanes);
      for (T& v : z) v = static_cast<T>(std::ldexp(2 * random.unit() - 1, int(random.between(-9, 9))));
      std::vector<T> most;
      std::vector<long double> sums;
      for (int64_t l = 0; l < lanes; ++l) {
        if (n > 0 && random.one_in(4))
          z[random.between(0, n - 1) * step + l] =
              random.of({std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                         std::numeric_limits<T>::quiet_NaN()});
        most.push_back(largest[l] = random.of({T(0), T(0.5), T(1000), std::numeric_limits<T>::infinity()}));
        sums.push_back(squares[l] = static_cast<T>(random.unit()));
        for (int64_t i = 0; i < n; ++i) {
          const T size = std::abs(z[i * step + l]);
          most[l] = std::max(most[l], std::isnan(size) ? std::numeric_limits<T>::infinity() : size);
          sums[l] += static_cast<long double>(size) * size;
        }
      }
      table.measure(z.data(), step, n, largest.data(), squares.data());
      for (int64_t l = 0; l < lanes; ++l) {
        const std::string where = std::to_string(n) + " vectors, step " + std::to_string(step);
        REQUIRE(largest[l] == most[l], where + ": the largest is wrong");
        const long double error = std::abs(squares[l] - sums[l]);
        REQUIRE(std::isfinite(sums[l]) ? error <= (n + 2) * unit<T>() * sums[l] : !std::isfinite(squares[l]),
                where + ": the sum of squares is wrong");
      }
    }
}

template <class T>
void test_scale(const SpectralTable<T>& table) {
  Random random(7);
  const int64_t lanes = table.lanes;
  for (int64_t n = 0; n <= 20; ++n)
    for (const int64_t step : {lanes, 2 * lanes, 3 * lanes + 1}) {
      Heap<T> z(n == 0 ? 0 : (n - 1) * step + lanes), factors(lanes);
      fill(z, random);
      fill(factors, random);
      Heap<T> out(z.size());
      std::copy(z.begin(), z.end(), out.begin());
      table.scale(out.data(), step, n, factors.data());
      for (int64_t i = 0; i < z.size(); ++i)
        REQUIRE(out[i] == (i % step < lanes ? z[i] * factors[i % step] : z[i]), "scaled wrongly");
    }
}

std::deque<std::string> names;  // of the tests, which keep pointers

template <class T>
void register_table(Isa isa, const char* type) {
  const SpectralTable<T>& table = spectral_table<T>(isa);
  const auto add = [&](const char* what, void (*test)(const SpectralTable<T>&)) {
    names.push_back("spectral_" + std::string(type) + "_" + what + "_" + isa_name(vector_isa(isa)));
    registry().push_back({names.back().c_str(), [&table, test] { test(table); }, true});
  };
  add("forward", test_forward<T>);
  add("inverse", test_inverse<T>);
  add("convolve", test_convolve<T>);
  add("twist", test_twist<T>);
  add("transposes", test_transposes<T>);
  add("columns", test_columns<T>);
  add("measure", test_measure<T>);
  add("scale", test_scale<T>);
}

const bool rows_registered = [] {
  for (const Isa isa : available_isas()) {
    register_table<float>(isa, "f32");
    register_table<double>(isa, "f64");
  }
  return true;
}();

}  // namespace

FALTUNG_TEST(spectral_tables_say_what_they_are) {
  for (const Isa isa : available_isas()) {
    CHECK(spectral_table<float>(isa).name == "spectral_f32_" + std::string(isa_name(vector_isa(isa))));
    CHECK(spectral_table<double>(isa).name == "spectral_f64_" + std::string(isa_name(vector_isa(isa))));
    CHECK(spectral_table<float>(isa).lanes == 2 * spectral_table<double>(isa).lanes);
  }
}

}  // namespace faltung::tests
