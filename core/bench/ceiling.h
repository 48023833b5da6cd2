// The most multiply-adds that a core does, one instruction set and type at a time.
#pragma once

#include "core/base/cpu.h"
#include "core/bench/clock.h"

namespace faltung::bench {

/// GFLOP/s (a multiply-add is two) of independent chains that never leave the registers.
/// T: float, double, uint64_t.
template <class T>
double multiply_add_ceiling(Isa isa);

}  // namespace faltung::bench
