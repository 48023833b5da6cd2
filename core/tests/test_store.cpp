// Every store of the conversion tables: any type, any steps, every policy at its edges.
#include <cstring>
#include <limits>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/lines.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

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
void check_all_stores(const char* name) {
  for (const Isa isa : available_isas())
    for (int i = 0; i < kDTypes; ++i)
      with_type(static_cast<DType>(i), [&](auto example) {
        using S = decltype(example);
        constexpr bool possible = !(std::is_integral_v<T> && std::is_floating_point_v<S>);
        const auto store = convert_table<T>(isa).store[i];
        CHECK((store != nullptr) == (possible && i != int(DType::b8)));
        if constexpr (possible)
          for (const Store how : {Store::cast, Store::fits, Store::check, Store::saturate, Store::wrap}) {
            if (store == nullptr || (how == Store::cast) != std::is_floating_point_v<S>) continue;
            const std::string where = std::string("store ") + name + " as " + type_names[i] + ", " +
                                      isa_name(isa) + ", policy " + std::to_string(int(how));
            StoreTest<T, S>{where, store, how}.run_all();
          }
      });
}

}  // namespace

FALTUNG_TEST(stores_of_float) {
  check_all_stores<float>("f32");
}
FALTUNG_TEST(stores_of_double) {
  check_all_stores<double>("f64");
}
FALTUNG_TEST(stores_of_uint64) {
  check_all_stores<std::uint64_t>("u64");
}

}  // namespace faltung::tests
