#include "core/ops/spectral_run.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "core/base/float_env.h"

namespace faltung {
namespace {

constexpr size_t kFreeWorkspace = 5 << 19;  // of a thread, where the share of half the output is less
constexpr size_t kSmallKernel = 4096;       // bytes of taps whose spectrum is always kept

// How many rows a line of n points is folded into: neither rows nor columns leave many lanes empty, and both transforms are
// about as long. 0: it cannot be folded.
int64_t fold(int64_t n, int64_t lanes) {
  int64_t best = 0;
  double least = 0;
  for (int64_t rows = 2; rows < n; ++rows) {
    if (n % rows != 0) continue;
    const int64_t columns = n / rows;
    const auto filled = [&](int64_t m) { return double((m + lanes - 1) / lanes * lanes) / double(m); };
    const double cost = filled(rows) * filled(columns) *
                        (double(rows) / double(columns) + double(columns) / double(rows) + 6);
    if (best == 0 || cost < least) best = rows, least = cost;
  }
  return best;
}

template <class T>
std::unique_ptr<SpectralEngine<T>> make_engine(const SpectralBasis<T>& b, bool folded) {
  const int64_t points = b.grid.axes.back().points;
  if (b.grid.points() != points) return make_strips_engine(b, 0);
  const int64_t rows = folded ? fold(points, b.table.lanes) : 0;
  return rows > 0 ? make_strips_engine(b, rows) : make_lanes_engine(b);
}

template <class T>
SpectralBasis<T> make_basis(const Problem& problem, const SpectralOptions& options, Isa isa) {
  return SpectralBasis<T>(problem, options.block, options.local, isa);
}

}  // namespace

template <class T>
SpectralCorrelation<T>::SpectralCorrelation(const Problem& problem, const SpectralOptions& options, Isa isa)
    : basis_(make_basis<T>(problem, options, isa)),
      engine_(make_engine(basis_, options.folded)),
      isa_(isa),
      keep_(options.keep),
      owner_(new_spectrum_owner()) {
  const bool several = basis_.grid.kernels > 1;
  summary_.kernel = engine_->name();
  summary_.units = engine_->units() * basis_.grid.kernels;
  summary_.scratch = int64_t(engine_->workspace_bytes() + (several ? engine_->spectrum_bytes() : 0));
  summary_.packed_weights = int64_t(engine_->spectrum_bytes());
  summary_.block = options.block;
  const RowReader<T> reader(problem, basis_.grid.axes.back().axis, basis_.convert);
  const RowWriter<T> writer(problem, basis_.grid.axes.back().axis, basis_.convert);
  summary_.reads_in_place = reader.in_place();
  summary_.writes_in_place = writer.in_place();
}

template <class T>
SpectralCorrelation<T>::~SpectralCorrelation() {
  if (kept_) forget_spectra(owner_);
}

// As many threads as their workspaces leave room for beside the output.
template <class T>
int SpectralCorrelation<T>::team(int threads) const {
  const Problem& p = basis_.grid.problem;
  const size_t output = size_t(p.outputs() * p.parts() * kItemSize[int(p.out)]);
  const size_t wanted = size_t(std::max(threads, 1));
  const size_t most = std::max(kFreeWorkspace * wanted, output / 2) / size_t(summary_.scratch);
  return int(std::clamp<size_t>(most, 1, wanted));
}

template <class T>
std::shared_ptr<const Spectrum> SpectralCorrelation<T>::spectrum_of(const Taps<T>& taps,
                                                                    SpectralWorkspace<T>& w) const {
  const bool keep = keep_ || taps.raw.size() <= kSmallKernel;
  if (keep)
    if (std::shared_ptr<const Spectrum> found = find_spectrum(owner_, taps.raw)) return found;
  auto made = std::make_shared<Spectrum>();
  made->memory.reserve(engine_->spectrum_bytes());
  made->exponent = taps.exponent;
  engine_->transform_kernel(taps, static_cast<T*>(made->memory.data()), w);
  if (keep) {
    kept_ = true;
    keep_spectrum(owner_, taps.raw, made);
  }
  return made;
}

// Alone, whatever the number of threads: other threads have blocks of their own.
template <class T>
void SpectralCorrelation<T>::run_direct_blocks(const SpectralArrays& arrays, SpectralWorkspace<T>& w) const {
  for (const Slot<T>& s : w.slots) {
    if (!s.present || !s.direct) continue;
    const Subproblem box = basis_.grid.box(s.item);
    w.reported |= plan_stencil(box.problem, isa_)
                      ->run(arrays.in + box.in, arrays.kernel + box.kernel, arrays.out + box.out, 1, {})
                      .reported;
  }
}

template <class T>
Outcome SpectralCorrelation<T>::run(const void* in, const void* kernel, void* out, int threads,
                                    Poll poll) const {
  const BlockGrid& grid = basis_.grid;
  if (grid.problem.outputs() == 0) return {};
  const FloatEnvironment environment;
  const SpectralArrays arrays{static_cast<const char*>(in), static_cast<const char*>(kernel),
                              static_cast<char*>(out)};
  struct Worker {
    SpectralWorkspace<T> w;
    std::optional<Taps<T>> taps;
    std::shared_ptr<const Spectrum> spectrum;
    int64_t kernel = -1;
  };
  std::vector<Worker> workers(static_cast<size_t>(team(threads)));
  const auto take_kernel = [&](Worker& worker, int64_t index) {
    if (worker.w.memory.size() == 0) engine_->prepare(worker.w);
    if (worker.kernel == index) return;
    BlockItem item;
    grid.locate(index, 0, item);
    worker.taps.emplace(grid, basis_.convert, arrays.kernel + item.kernel);
    worker.spectrum.reset();
    worker.kernel = index;
  };
  // Taps that are not finite spoil every block: the direct method knows what to do with them.
  for (int64_t k = 0; k < grid.kernels; ++k) {
    take_kernel(workers[0], k);
    if (!workers[0].taps->finite)
      return plan_stencil(grid.problem, isa_)->run(in, kernel, out, threads, poll);
  }
  std::shared_ptr<const Spectrum> shared;
  if (grid.kernels == 1) shared = spectrum_of(*workers[0].taps, workers[0].w);
  const Taps<T>& shared_taps = *workers[0].taps;
  const int64_t units = engine_->units();
  const bool finished = parallel_for(
      units * grid.kernels, int(workers.size()),
      [&](int64_t unit, int thread) {
        Worker& worker = workers[size_t(thread)];
        const int64_t k = unit / units;
        if (shared) {
          if (worker.w.memory.size() == 0) engine_->prepare(worker.w);
        } else {
          take_kernel(worker, k);
          if (!worker.spectrum) worker.spectrum = spectrum_of(*worker.taps, worker.w);
        }
        const Spectrum& spectrum = shared ? *shared : *worker.spectrum;
        const KernelSpectrum<T> ready{k, static_cast<const T*>(spectrum.memory.data()), spectrum.exponent,
                                      shared ? shared_taps : *worker.taps};
        engine_->run(unit % units, ready, arrays, worker.w);
        run_direct_blocks(arrays, worker.w);
      },
      poll);
  bool reported = false;
  for (const Worker& worker : workers) reported |= worker.w.reported;
  return {finished, reported};
}

template class SpectralCorrelation<float>;
template class SpectralCorrelation<double>;

std::unique_ptr<Correlation> plan_spectral(const Problem& problem, const SpectralOptions& options, Isa isa) {
  switch (problem.compute) {
    case Compute::f32:
      return std::make_unique<SpectralCorrelation<float>>(problem, options, isa);
    case Compute::f64:
      return std::make_unique<SpectralCorrelation<double>>(problem, options, isa);
    case Compute::u64:
    case Compute::wide:
      break;
  }
  throw std::invalid_argument("the spectral method computes in float32 or float64");
}

}  // namespace faltung
