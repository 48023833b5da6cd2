// Every row of the conversion tables: loads and stores of every type, any steps, every policy at the edges.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

const char* const kNames[kDTypes] = {"b8",  "u8",  "i8",  "u16",  "i16", "u32", "i32",
                                     "u64", "i64", "f16", "bf16", "f32", "f64"};

template <class T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
  else
    return a == b;
}

template <class T>
std::string text(T x) {
  if constexpr (std::is_integral_v<T>) return std::to_string(x);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%a", static_cast<double>(x));
  return buffer;
}

// ---- where a line stands in memory ----------------------------------------------------------------------------------

struct Placed {
  StridedLine line;
  std::int64_t bytes, origin;  // of the exact block of memory, and of the first element in it

  std::int64_t at(std::int64_t element) const {
    return origin + element / line.group * line.step + element % line.group * line.inner;
  }
};

Placed place(StridedLine line, std::int64_t item) {
  const std::int64_t far = (line.groups - 1) * line.step, wide = (line.group - 1) * line.inner;
  const std::int64_t low = std::min<std::int64_t>(far, 0) + std::min<std::int64_t>(wide, 0);
  const std::int64_t high = std::max<std::int64_t>(far, 0) + std::max<std::int64_t>(wide, 0);
  return {line, high - low + item, -low};
}

// Contiguous, stepped, reversed; groups inside and interleaved ones. Elements never overlap.
std::vector<Placed> places(std::int64_t item) {
  std::vector<Placed> found;
  for (const std::int64_t n : {1, 2, 3, 15, 16, 17, 33, 64, 100, 255, 256, 257, 300, 1000})
    for (const std::int64_t step : {1, 2, 3, -1, -2, 7}) found.push_back(place({n, 1, step * item, 0}, item));
  for (const std::int64_t groups : {1, 2, 5, 100, 200})
    for (const std::int64_t group : {2, 3, 4, 16}) {
      found.push_back(place({groups, group, group * item, item}, item));
      found.push_back(place({groups, group, (group + 1) * item, item}, item));
      found.push_back(place({groups, group, -group * item, item}, item));
      found.push_back(place({groups, group, group * item, -item}, item));
      found.push_back(place({groups, group, item, groups * item}, item));
      found.push_back(place({groups, group, -3 * item, -3 * groups * item}, item));
    }
  return found;
}

// Calls f with a value of the type that stands for each DType but the halves.
template <class F>
void with_type(DType type, F f) {
  switch (type) {
    case DType::b8:
    case DType::u8:
      return f(std::uint8_t{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::u16:
      return f(std::uint16_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::u32:
      return f(std::uint32_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u64:
      return f(std::uint64_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::f16:
    case DType::bf16:
      return;
  }
}

// ---- loads ----------------------------------------------------------------------------------------------------------

// Bits of any kind, and those around the ends and around the largest exact integers of float and double.
template <class S>
S sample(Random& random) {
  if (!random.one_in(3))
    return std::bit_cast<S>(
        static_cast<std::conditional_t<
            sizeof(S) == 8, std::uint64_t,
            std::conditional_t<sizeof(S) == 4, std::uint32_t,
                               std::conditional_t<sizeof(S) == 2, std::uint16_t, std::uint8_t>>>>(
            random.word()));
  if constexpr (std::is_floating_point_v<S>) {
    return static_cast<S>(
        random.of({0.0, -0.0, 1.0, -1.5, 0x1p24 + 1, 0x1p53, 0x1p-149, 1e300, 3.4028235677973366e38}));
  } else {
    const auto near =
        random.of<std::uint64_t>({0, 1ull << 24, 1ull << 25, 1ull << 53, 1ull << 54, 1ull << 63, ~0ull});
    return static_cast<S>(near + static_cast<std::uint64_t>(random.between(-9, 9)));
  }
}

template <class T, class S>
void check_loads(Isa isa, DType type) {
  const std::string where = std::string("load ") + kNames[int(type)] + " as " +
                            (std::is_integral_v<T> ? "u64"
                             : sizeof(T) == 4      ? "f32"
                                                   : "f64") +
                            ", " + isa_name(isa);
  const auto load = convert_table<T>(isa).load[int(type)];
  Random random(static_cast<std::uint64_t>(type));
  for (const Placed& place : places(sizeof(S))) {
    Heap<std::byte> memory(place.bytes);
    const std::int64_t n = place.line.groups * place.line.group;
    std::vector<S> values;
    for (std::int64_t i = 0; i < n; ++i) {
      values.push_back(sample<S>(random));
      std::memcpy(memory.data() + place.at(i), &values.back(), sizeof(S));
    }
    Heap<T> loaded(n);
    load(memory.data() + place.origin, place.line, loaded.data());
    for (std::int64_t i = 0; i < n; ++i) {
      const S s = values[static_cast<std::size_t>(i)];
      const T expected = type == DType::b8 ? T(s != 0) : static_cast<T>(s);
      REQUIRE(same(loaded[i], expected), where + ": " + text(s) + " became " + text(loaded[i]) + " at " +
                                             std::to_string(i) + " of " + std::to_string(n));
    }
  }
}

// ---- stores ---------------------------------------------------------------------------------------------------------

template <class D>
struct Stored {
  D value = 0;
  bool known = true;  // the policy says what is written
  bool reported = false;
};

// What the policies say, for floating point; doubles hold every float.
template <class D>
Stored<D> policy(double x, Store how) {
  const double lowest = static_cast<double>(std::numeric_limits<D>::min());
  const double above = std::ldexp(1.0, std::numeric_limits<D>::digits);
  const double r = std::nearbyint(x);
  if (std::isnan(x)) return {0, false, true};
  if (r >= lowest && r < above) return {static_cast<D>(r), true, false};
  if (how == Store::saturate)
    return {r < 0 ? std::numeric_limits<D>::min() : std::numeric_limits<D>::max(), true, false};
  if (how == Store::wrap && std::isfinite(x)) {
    const auto low = static_cast<std::uint64_t>(std::fmod(std::abs(r), 0x1p64));  // exact
    return {static_cast<D>(r < 0 ? std::uint64_t{0} - low : low), true, false};
  }
  return {0, false, true};
}

// For integers: the word is signed, but for an unsigned 64-bit result.
template <class D>
Stored<D> policy(std::uint64_t word, Store how) {
  using Wide = std::conditional_t<std::is_same_v<D, std::uint64_t>, std::uint64_t, std::int64_t>;
  const Wide x = static_cast<Wide>(word);
  const Wide low = static_cast<Wide>(std::numeric_limits<D>::min()),
             high = static_cast<Wide>(std::numeric_limits<D>::max());
  if (how == Store::saturate) return {static_cast<D>(std::clamp(x, low, high)), true, false};
  return {static_cast<D>(x), true, how == Store::check && (x < low || x > high)};
}

// Everything around which a rule changes: halves, the ends of all types, the precisions.
template <class T>
std::vector<T> edges() {
  std::vector<T> found;
  if constexpr (std::is_integral_v<T>) {
    for (int bit = 0; bit < 64; ++bit)
      for (int d = -2; d <= 2; ++d)
        for (const T sign : {T(1), ~T(0)}) found.push_back(sign * (T(1) << bit) + static_cast<T>(d));
  } else {
    for (int bit = 0; bit <= 65; ++bit)
      for (const double d : {-2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5})
        for (const T sign : {T(1), T(-1)}) {
          const T x = sign * static_cast<T>(std::ldexp(1.0, bit) + d);
          const T inf = std::numeric_limits<T>::infinity();
          found.insert(found.end(), {x, std::nextafter(x, inf), std::nextafter(x, -inf)});
        }
    const T inf = std::numeric_limits<T>::infinity(), most = std::numeric_limits<T>::max();
    const T least = std::numeric_limits<T>::denorm_min();
    found.insert(found.end(),
                 {T(0), -T(0), least, -least, most, -most, inf, -inf, -std::numeric_limits<T>::quiet_NaN(),
                  std::numeric_limits<T>::quiet_NaN(), T(1e30), T(-1e30)});
  }
  return found;
}

template <class T>
T ordinary(Random& random) {
  if constexpr (std::is_integral_v<T>)
    return random.word() >> random.between(0, 63);
  else
    return static_cast<T>(std::ldexp(2 * random.unit() - 1, static_cast<int>(random.between(-2, 66))));
}

template <class T, class D>
struct StoreTest {
  std::string where;
  bool (*store)(const T*, void*, const StridedLine&, Store);
  Store how;

  Stored<D> expected(T x) const {
    if constexpr (std::is_floating_point_v<D>)
      return {static_cast<D>(x), true, false};
    else if constexpr (std::is_integral_v<T>)
      return policy<D>(static_cast<std::uint64_t>(x), how);
    else
      return policy<D>(static_cast<double>(x), how);
  }
  // `fits` is for values that do; what else it gets is nobody's promise.
  bool allowed(T x) const {
    if (how != Store::fits || std::is_floating_point_v<D>) return true;
    StoreTest strict = *this;
    strict.how = Store::check;
    return !strict.expected(x).reported;
  }

  void run(const Placed& place, const std::vector<T>& values) const {
    Heap<T> source(static_cast<std::int64_t>(values.size()));
    std::copy(values.begin(), values.end(), source.begin());
    Heap<std::byte> memory(place.bytes);
    memory.fill_bytes(0xa5);
    const bool reported = store(source.data(), memory.data() + place.origin, place.line, how);
    bool any = false;
    for (std::int64_t i = 0; i < source.size(); ++i) {
      const Stored<D> e = expected(source[i]);
      any |= e.reported;
      D y;
      std::memcpy(&y, memory.data() + place.at(i), sizeof(D));
      std::memset(static_cast<void*>(memory.data() + place.at(i)), 0xa5, sizeof(D));
      REQUIRE(!e.known || same(y, e.value),
              where + ": " + text(source[i]) + " became " + text(y) + ", not " + text(e.value));
    }
    REQUIRE(reported == any,
            where + (any ? ": not reported" : ": reported for nothing") + ", first value " + text(source[0]));
    REQUIRE(std::all_of(memory.begin(), memory.end(), [](std::byte b) { return b == std::byte{0xa5}; }),
            where + ": wrote beside the line");
  }

  void run_all() const {
    Random random(static_cast<std::uint64_t>(how));
    std::vector<T> all, one(1);
    for (const T x : edges<T>()) {
      if (!allowed(x)) continue;
      one[0] = x;
      run(place({1, 1, 0, 0}, sizeof(D)), one);
      all.push_back(x);
    }
    for (const Placed& place : places(sizeof(D))) {
      std::vector<T> values;
      while (static_cast<std::int64_t>(values.size()) < place.line.groups * place.line.group) {
        const T x =
            random.one_in(2)
                ? all[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(all.size()) - 1))]
                : ordinary<T>(random);
        // One line in two holds nothing to report.
        if (allowed(x) && (place.bytes % 2 != 0 || !expected(x).reported)) values.push_back(x);
      }
      run(place, values);
    }
  }
};

template <class T>
void check_conversions(const char* name) {
  for (const Isa isa : available_isas())
    for (int i = 0; i < kDTypes; ++i) {
      const DType type = static_cast<DType>(i);
      with_type(type, [&](auto example) {
        using S = decltype(example);
        const ConvertTable<T>& table = convert_table<T>(isa);
        const bool loads = !(std::is_integral_v<T> && std::is_floating_point_v<S>);
        CHECK((table.load[i] != nullptr) == loads);
        CHECK((table.store[i] != nullptr) == (loads && type != DType::b8));
        if constexpr (!(std::is_integral_v<T> && std::is_floating_point_v<S>)) {
          check_loads<T, S>(isa, type);
          if (type == DType::b8) return;
          for (const Store how : {Store::cast, Store::fits, Store::check, Store::saturate, Store::wrap}) {
            if ((how == Store::cast) != std::is_floating_point_v<S>) continue;
            StoreTest<T, S>{std::string("store ") + name + " as " + kNames[i] + ", " + isa_name(isa) +
                                ", policy " + std::to_string(int(how)),
                            table.store[i], how}
                .run_all();
          }
        }
      });
    }
}

}  // namespace

FALTUNG_TEST(conversions_of_float) {
  check_conversions<float>("f32");
}
FALTUNG_TEST(conversions_of_double) {
  check_conversions<double>("f64");
}
FALTUNG_TEST(conversions_of_uint64) {
  check_conversions<std::uint64_t>("u64");
}

}  // namespace faltung::tests
