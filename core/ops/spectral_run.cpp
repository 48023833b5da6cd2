#include <stdexcept>

#include "core/ops/correlate.h"

namespace faltung {

std::unique_ptr<Correlation> plan_spectral(const Problem&, const SpectralOptions&, Isa) {
  throw std::invalid_argument("the spectral method is not in this build");
}

}  // namespace faltung
