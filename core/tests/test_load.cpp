// Every load of the conversion tables: any type, any steps.
#include <bit>
#include <cstring>
#include <initializer_list>

#include "core/kernels/select.h"
#include "core/tests/check.h"
#include "core/tests/heap.h"
#include "core/tests/lines.h"
#include "core/tests/random.h"

namespace faltung::tests {
namespace {

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
  const std::string where = std::string("load ") + type_names[int(type)] + " as " +
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

template <class T>
void check_all_loads() {
  for (const Isa isa : available_isas())
    for (int i = 0; i < kDTypes; ++i)
      with_type(static_cast<DType>(i), [&](auto example) {
        using S = decltype(example);
        constexpr bool possible = !(std::is_integral_v<T> && std::is_floating_point_v<S>);
        CHECK((convert_table<T>(isa).load[i] != nullptr) == possible);
        if constexpr (possible) check_loads<T, S>(isa, static_cast<DType>(i));
      });
}

}  // namespace

FALTUNG_TEST(loads_as_float) {
  check_all_loads<float>();
}
FALTUNG_TEST(loads_as_double) {
  check_all_loads<double>();
}
FALTUNG_TEST(loads_as_uint64) {
  check_all_loads<std::uint64_t>();
}

}  // namespace faltung::tests
