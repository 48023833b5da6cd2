#include "core/base/cpu.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define FALTUNG_X86 1
#include <cpuid.h>
#endif

#ifndef FALTUNG_HAVE_AVX2
#define FALTUNG_HAVE_AVX2 0
#endif
#ifndef FALTUNG_HAVE_AVX512
#define FALTUNG_HAVE_AVX512 0
#endif

#ifndef FALTUNG_HAVE_AMX
#define FALTUNG_HAVE_AMX 0
#endif

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace faltung {
namespace {

// Linux gives a process the large state of tiles only when it asks (Documentation/arch/x86/xstate.rst); threads that exist
// and threads to come then have it.
bool tiles_permitted() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return true;
#endif
}

struct Level {
  Isa isa;
  const char* name;
  bool built;
  std::vector<const char*> features;  // needed beyond those of the level before
};

// Ascending; the next joins at the end.
std::vector<Level> levels() {
  return {
      {Isa::baseline, "baseline", true, {}},
      {Isa::avx2, "avx2", FALTUNG_HAVE_AVX2 != 0, {"avx2", "fma", "f16c"}},
      {Isa::avx512,
       "avx512",
       FALTUNG_HAVE_AVX512 != 0,
       {"avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512cd"}},
      {Isa::amx, "amx", FALTUNG_HAVE_AMX != 0, {"avx512_bf16", "amx_tile", "amx_bf16"}},
  };
}

#ifdef FALTUNG_X86

// A feature is usable where CPUID reports it and the system saves the registers it needs (bits of XCR0).
struct Feature {
  const char* name;
  std::uint32_t leaf, subleaf;
  enum { eax, ebx, ecx, edx } reg;
  int bit;
  std::uint64_t state;
};

constexpr std::uint64_t no_state = 0;
constexpr std::uint64_t ymm = 0x6;         // SSE and AVX
constexpr std::uint64_t zmm = ymm | 0xe0;  // and mask registers, upper halves, registers 16 to 31
constexpr std::uint64_t tiles = 0x60000;   // tile configuration and data

constexpr Feature features[] = {
    {"sse2", 1, 0, Feature::edx, 26, no_state},   {"sse4.2", 1, 0, Feature::ecx, 20, no_state},
    {"avx", 1, 0, Feature::ecx, 28, ymm},         {"f16c", 1, 0, Feature::ecx, 29, ymm},
    {"fma", 1, 0, Feature::ecx, 12, ymm},         {"avx2", 7, 0, Feature::ebx, 5, ymm},
    {"avx_vnni", 7, 1, Feature::eax, 4, ymm},     {"avx512f", 7, 0, Feature::ebx, 16, zmm},
    {"avx512cd", 7, 0, Feature::ebx, 28, zmm},    {"avx512dq", 7, 0, Feature::ebx, 17, zmm},
    {"avx512bw", 7, 0, Feature::ebx, 30, zmm},    {"avx512vl", 7, 0, Feature::ebx, 31, zmm},
    {"avx512_vnni", 7, 0, Feature::ecx, 11, zmm}, {"avx512_bf16", 7, 1, Feature::eax, 5, zmm},
    {"avx512_fp16", 7, 0, Feature::edx, 23, zmm}, {"amx_tile", 7, 0, Feature::edx, 24, tiles},
    {"amx_bf16", 7, 0, Feature::edx, 22, tiles},  {"amx_int8", 7, 0, Feature::edx, 25, tiles},
};

// The states that the system saves on a switch; without OSXSAVE it saves none of ours.
std::uint64_t saved_states() {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1u << 27)) == 0) return 0;
  std::uint32_t low = 0, high = 0;
  __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

bool usable(const Feature& feature, std::uint64_t saved) {
  std::uint32_t regs[4] = {};
  // Leaf 7 says in eax how many subleaves it has; beyond them the answer means nothing.
  if (feature.subleaf > 0 &&
      (__get_cpuid_count(feature.leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]) == 0 ||
       regs[0] < feature.subleaf))
    return false;
  if (__get_cpuid_count(feature.leaf, feature.subleaf, &regs[0], &regs[1], &regs[2], &regs[3]) == 0)
    return false;
  return (regs[feature.reg] >> feature.bit & 1) != 0 && (saved & feature.state) == feature.state;
}

#endif

std::string join(const std::vector<Isa>& isas) {
  std::string text;
  for (std::size_t i = 0; i < isas.size(); ++i)
    text += (i == 0 ? "" : i + 1 == isas.size() ? " or " : ", ") + std::string(isa_name(isas[i]));
  return text;
}

Isa choose() {
  const std::vector<Isa> available = available_isas();
  const char* wish = std::getenv("FALTUNG_ISA");
  if (wish == nullptr || *wish == '\0') return available.back();
  for (const Isa isa : available)
    if (wish == std::string(isa_name(isa))) return isa;

  const std::vector<Level> all = levels();
  const auto level =
      std::find_if(all.begin(), all.end(), [&](const Level& l) { return wish == std::string(l.name); });
  const std::string rule = level == all.end() ? "is not an instruction set known here"
                           : level->built     ? "is not supported by this machine"
                                              : "was not built into this library";
  throw std::invalid_argument("`FALTUNG_ISA` (=" + std::string(wish) + ") " + rule + "; use " +
                              join(available) + ", or unset it for " + isa_name(available.back()));
}

}  // namespace

const char* isa_name(Isa isa) {
  for (const Level& level : levels())
    if (level.isa == isa) return level.name;
  return "unknown";
}

std::vector<std::string> cpu_features() {
  std::vector<std::string> found;
#ifdef FALTUNG_X86
  const std::uint64_t saved = saved_states();
  for (const Feature& feature : features)
    if (usable(feature, saved)) found.emplace_back(feature.name);
#endif
  return found;
}

std::vector<Isa> available_isas() {
  const std::vector<std::string> found = cpu_features();
  std::vector<Isa> available;
  for (const Level& level : levels()) {
    const bool supported = std::all_of(level.features.begin(), level.features.end(), [&](const char* name) {
      return std::find(found.begin(), found.end(), name) != found.end();
    });
    if (!supported) break;  // each level contains the one before
    if (level.isa == Isa::amx && (!level.built || !tiles_permitted())) break;
    if (level.built) available.push_back(level.isa);
  }
  return available;
}

Isa selected_isa() {
  // No static local: its guard could be held by a thread that a forked child does not have.
  static constinit std::atomic<int> selected{-1};
  int isa = selected.load(std::memory_order_acquire);
  if (isa < 0) {
    isa = static_cast<int>(choose());
    selected.store(isa, std::memory_order_release);
  }
  return static_cast<Isa>(isa);
}

}  // namespace faltung
