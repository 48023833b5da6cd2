// A spectral correlation: overlap-save in blocks that one of two layouts carries out.
//
// A block of samples is transformed, multiplied by the kernel's spectrum and transformed back; of the circular result the
// outputs whose windows lie inside the block are kept. What a transform would spoil is done otherwise: samples that are not
// finite are taken out and their products added term by term, and blocks where that costs more than it saves, or whose spike
// would drown the rest, run by the direct method.
#pragma once
#include <atomic>

#include "core/ops/correlate.h"
#include "core/ops/spectral_cache.h"
#include "core/ops/spectral_engine.h"

namespace faltung {

template <class T>
class SpectralCorrelation final : public Correlation {
 public:
  SpectralCorrelation(const Problem& problem, const SpectralOptions& options, Isa isa);
  ~SpectralCorrelation() override;
  Outcome run(const void* in, const void* kernel, void* out, int threads, Poll poll) const override;
  const Summary& summary() const override { return summary_; }

 private:
  int64_t kernel_sets() const;
  std::vector<Taps<T>> taps_of(int64_t set, const char* kernel) const;
  std::shared_ptr<const Spectrum> spectrum_of(const std::vector<Taps<T>>& taps,
                                              const SpectralTeam<T>& team) const;
  void run_direct_blocks(const SpectralArrays& arrays, SpectralWorkspace<T>& w) const;
  int team(int threads) const;

  SpectralBasis<T> basis_;
  std::unique_ptr<SpectralEngine<T>> engine_;
  Isa isa_;
  bool keep_;
  uint64_t owner_;
  mutable std::atomic<bool> kept_{false};
  Summary summary_;
};

}  // namespace faltung
