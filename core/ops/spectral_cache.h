// Spectra of kernels that are met again and again, for the whole process: at most 64 MiB, the oldest leave first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/memory.h"

namespace faltung {

using Spectrum = Scratch;

// A number for each plan: what a kernel's spectrum looks like depends on the plan alone.
uint64_t new_spectrum_owner();

// Null where it is not there. Kernels are compared byte by byte.
//
// No caller waits for another: who finds the cache in use goes without. So a child that was forked while another thread used it
// is not stuck, and never sees it half changed.
std::shared_ptr<const Spectrum> find_spectrum(uint64_t owner, const std::vector<std::byte>& kernel);
void keep_spectrum(uint64_t owner, const std::vector<std::byte>& kernel,
                   std::shared_ptr<const Spectrum> spectrum);
void forget_spectra(uint64_t owner);

}  // namespace faltung
