// What this processor can run, and which instruction set the library runs on it.
#pragma once

#include <string>
#include <vector>

namespace faltung {

/// Instruction sets with kernels of their own, each containing the one before.
enum class Isa : int {
  baseline,  // what the compiler targets without flags
  avx2,      // AVX2, FMA and F16C
  avx512,    // avx2, and AVX-512 F, VL, BW, DQ and CD
  amx,       // avx512, AVX-512 BF16, AMX tiles and AMX BF16, and the system's permission to use them
};

/// "baseline", "avx2", "avx512", "amx": the words that FALTUNG_ISA accepts.
const char* isa_name(Isa isa);

/// Whose vector kernels it runs: a matrix unit joins for products of matrices only.
constexpr Isa vector_isa(Isa isa) {
  return isa == Isa::amx ? Isa::avx512 : isa;
}

/// Those that were built, that the processor has and whose registers the system saves; ascending.
/// Never empty: baseline always is there.
std::vector<Isa> available_isas();

/// The one in use: FALTUNG_ISA from the environment (read at the first call; empty means unset), or the best
/// available. Throws std::invalid_argument where FALTUNG_ISA names one that is unknown or not available.
Isa selected_isa();

/// Vector and matrix features that are usable here, in lower case ("avx2", "fma", "avx512f", "amx_tile").
/// Built or not: this describes the machine.
std::vector<std::string> cpu_features();

}  // namespace faltung
