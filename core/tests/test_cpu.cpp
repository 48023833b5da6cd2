#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/base/cpu.h"
#include "core/tests/check.h"
#include "core/tests/child.h"

using faltung::available_isas;
using faltung::Isa;
using faltung::isa_name;
using faltung::selected_isa;

static bool has(const std::string& feature) {
  const std::vector<std::string> all = faltung::cpu_features();
  return std::find(all.begin(), all.end(), feature) != all.end();
}

FALTUNG_TEST(isas_ascend_from_the_baseline) {
  const std::vector<Isa> isas = available_isas();
  CHECK(!isas.empty() && isas.front() == Isa::baseline);
  CHECK(std::is_sorted(isas.begin(), isas.end()));
  CHECK(std::string(isa_name(Isa::baseline)) == "baseline");
  CHECK(std::string(isa_name(Isa::avx2)) == "avx2");
  CHECK(std::string(isa_name(Isa::avx512)) == "avx512");
}

FALTUNG_TEST(isas_have_their_features) {
  for (const Isa isa : available_isas()) {
    if (isa >= Isa::avx2) CHECK(has("avx2") && has("fma") && has("f16c"));
    if (isa >= Isa::avx512) CHECK(has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq"));
  }
}

// The compiler's run-time library asks CPUID on its own.
FALTUNG_TEST(features_agree_with_the_compilers_own_detection) {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  __builtin_cpu_init();
  CHECK(has("sse4.2") == (__builtin_cpu_supports("sse4.2") != 0));
  CHECK(has("avx") == (__builtin_cpu_supports("avx") != 0));
  CHECK(has("fma") == (__builtin_cpu_supports("fma") != 0));
  CHECK(has("avx2") == (__builtin_cpu_supports("avx2") != 0));
  CHECK(has("avx512f") == (__builtin_cpu_supports("avx512f") != 0));
  CHECK(has("avx512cd") == (__builtin_cpu_supports("avx512cd") != 0));
  CHECK(has("avx512dq") == (__builtin_cpu_supports("avx512dq") != 0));
  CHECK(has("avx512bw") == (__builtin_cpu_supports("avx512bw") != 0));
  CHECK(has("avx512vl") == (__builtin_cpu_supports("avx512vl") != 0));
  CHECK(has("avx512_vnni") == (__builtin_cpu_supports("avx512vnni") != 0));
  CHECK(has("avx512_bf16") == (__builtin_cpu_supports("avx512bf16") != 0));
#else
  CHECK(available_isas().size() == 1);
#endif
}

#ifdef FALTUNG_HAVE_FORK
// Nothing in this process calls selected_isa(), so that every child reads the environment for the first time.

FALTUNG_TEST(isa_can_be_forced) {
  using faltung::tests::in_child_with;
  for (const Isa isa : available_isas())
    CHECK(in_child_with("FALTUNG_ISA", isa_name(isa), [isa] { return selected_isa() == isa; }));
  CHECK(in_child_with("FALTUNG_ISA", "", [] { return selected_isa() == available_isas().back(); }));
}

FALTUNG_TEST(isa_is_read_once) {
  CHECK(faltung::tests::in_child([] {
    const Isa first = selected_isa();
    setenv("FALTUNG_ISA", "nonsense", 1);
    return selected_isa() == first;
  }));
}

FALTUNG_TEST(isa_unknown_or_unavailable_names_the_accepted) {
  const auto says = [](const std::string& text) {
    return [text] {
      for (int repeat = 0; repeat < 2; ++repeat) {  // an error is not remembered as an answer
        try {
          selected_isa();
          return false;
        } catch (const std::invalid_argument& error) {
          if (std::string(error.what()).find(text) == std::string::npos) {
            std::cerr << error.what() << std::endl;
            return false;
          }
        }
      }
      return true;
    };
  };
  using faltung::tests::in_child_with;
  CHECK(in_child_with("FALTUNG_ISA", "AVX2",
                      says("`FALTUNG_ISA` (=AVX2) is not an instruction set known here; use baseline")));
  CHECK(in_child_with("FALTUNG_ISA", "sse9",
                      says(", or unset it for " + std::string(isa_name(available_isas().back())))));
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    const std::vector<Isa> isas = available_isas();
    if (std::find(isas.begin(), isas.end(), isa) != isas.end()) continue;
    const std::string name = isa_name(isa);
    CHECK(in_child_with("FALTUNG_ISA", name.c_str(), says("`FALTUNG_ISA` (=" + name + ") ")));
  }
}
#endif
