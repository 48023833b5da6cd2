#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "core/base/memory.h"
#include "core/tests/check.h"

using faltung::Scratch;

static bool aligned(const void* data) {
  return reinterpret_cast<std::uintptr_t>(data) % Scratch::alignment == 0;
}

FALTUNG_TEST(scratch_begins_empty) {
  Scratch scratch;
  CHECK(scratch.data() == nullptr);
  CHECK(scratch.size() == 0);
  scratch.reserve(0);
  CHECK(scratch.data() == nullptr);
}

FALTUNG_TEST(scratch_is_aligned_and_writable_to_its_end) {
  for (std::size_t bytes = 1; bytes < 5000; bytes += 37) {
    Scratch scratch(bytes);
    CHECK(aligned(scratch.data()));
    CHECK(scratch.size() >= bytes);
    std::memset(scratch.data(), 1, scratch.size());
  }
}

FALTUNG_TEST(scratch_grows_and_never_shrinks) {
  Scratch scratch(100);
  const void* data = scratch.data();
  scratch.reserve(10);
  CHECK(scratch.data() == data && scratch.size() == 100);
  scratch.reserve(100);
  CHECK(scratch.data() == data);
  scratch.reserve(1 << 20);
  CHECK(scratch.size() == 1 << 20 && aligned(scratch.data()));
}

FALTUNG_TEST(scratch_moves) {
  Scratch a(64);
  const void* data = a.data();
  Scratch b(std::move(a));
  CHECK(b.data() == data && b.size() == 64);
  CHECK(a.data() == nullptr && a.size() == 0);  // NOLINT(bugprone-use-after-move): that is the test
  Scratch c(128);
  c = std::move(b);
  CHECK(c.data() == data && c.size() == 64);
}

FALTUNG_TEST(scratch_survives_a_request_that_cannot_be_met) {
  Scratch scratch(64);
  const void* data = scratch.data();
  constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
  for (volatile std::size_t absurd :
       {largest, largest - 8, largest / 2 + 1})  // volatile: the compiler would warn
    CHECK_THROWS(std::bad_alloc, "", scratch.reserve(absurd));
  CHECK(scratch.data() == data && scratch.size() == 64);
}
