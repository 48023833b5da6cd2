#include "core/ops/spectral_run.h"

#include <algorithm>
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

// Whether `threads` do better on one unit after the other, all together, than `apart` of them on units of their own. Together
// they wait for one another four times a unit.
bool shared_pays(int64_t units, int apart, int threads) {
  const int64_t rounds = (units + apart - 1) / apart;
  return 1.25 * double(units) / double(threads) < double(rounds);
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
  const int64_t sets = kernel_sets();
  summary_.kernel = engine_->name();
  summary_.units = engine_->units() * sets;
  summary_.scratch = int64_t(engine_->workspace_bytes() + (sets > 1 ? engine_->spectrum_bytes() : 0));
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
int64_t SpectralCorrelation<T>::kernel_sets() const {
  const int64_t size = engine_->kernels_at_once();
  return (basis_.grid.kernels + size - 1) / size;
}

template <class T>
std::vector<Taps<T>> SpectralCorrelation<T>::taps_of(int64_t set, const char* kernel) const {
  const int64_t size = engine_->kernels_at_once();
  std::vector<Taps<T>> taps;
  for (int64_t k = set * size; k < std::min(basis_.grid.kernels, (set + 1) * size); ++k) {
    BlockItem item;
    basis_.grid.locate(k, 0, item);
    taps.emplace_back(basis_.grid, basis_.convert, kernel + item.kernel);
  }
  return taps;
}

template <class T>
std::shared_ptr<const Spectrum> SpectralCorrelation<T>::spectrum_of(const std::vector<Taps<T>>& taps,
                                                                    const SpectralTeam<T>& team) const {
  const bool keep = keep_ || taps[0].raw.size() <= kSmallKernel;
  std::vector<std::byte> key;
  for (const Taps<T>& t : taps)
    if (keep) key.insert(key.end(), t.raw.begin(), t.raw.end());
  if (keep)
    if (std::shared_ptr<const Spectrum> found = find_spectrum(owner_, key)) return found;
  auto made = std::make_shared<Spectrum>(engine_->spectrum_bytes());
  engine_->transform_kernels(taps, static_cast<T*>(made->data()), team);
  if (keep) {
    kept_ = true;
    keep_spectrum(owner_, key, made);
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
    std::vector<Taps<T>> taps;
    std::shared_ptr<const Spectrum> spectrum;
    int64_t set = -1;
  };
  const int64_t sets = kernel_sets(), units = engine_->units();
  const int wanted = std::max(threads, 1), apart = team(threads);
  const bool together = engine_->member_bytes() > 0 && sets == 1 && shared_pays(units, apart, wanted);
  std::vector<Worker> workers(static_cast<size_t>(together ? wanted : apart));
  // Taps that are not finite spoil every block: the direct method knows what to do with them.
  for (int64_t set = 0; set < sets; ++set) {
    workers[0].taps = taps_of(set, arrays.kernel);
    for (const Taps<T>& taps : workers[0].taps)
      if (!taps.finite) return plan_stencil(grid.problem, isa_)->run(in, kernel, out, threads, poll);
  }
  const auto take_set = [&](Worker& worker, int64_t set, const SpectralTeam<T>& team) {
    if (worker.w.memory.size() == 0) engine_->prepare(worker.w, worker.w);
    if (worker.set == set) return;
    if (sets > 1) worker.taps = taps_of(set, arrays.kernel);
    worker.spectrum.reset();  // its memory first
    worker.spectrum = spectrum_of(worker.taps, team);
    worker.set = set;
  };
  SpectralTeam<T> all;
  for (Worker& worker : workers) {
    all.members.push_back(&worker.w);
    if (together) engine_->prepare(worker.w, workers[0].w);
  }
  if (sets == 1) {
    take_set(workers[0], 0, together ? all : SpectralTeam<T>{{&workers[0].w}});
    for (Worker& worker : workers) worker.spectrum = workers[0].spectrum, worker.set = 0;
  }
  const auto run_unit = [&](int64_t unit, Worker& worker, const SpectralTeam<T>& team) {
    const KernelSet<T> kernels{worker.set * engine_->kernels_at_once(),
                               sets == 1 ? workers[0].taps : worker.taps,
                               static_cast<const T*>(worker.spectrum->data())};
    engine_->run(unit % units, kernels, arrays, team);
    run_direct_blocks(arrays, worker.w);
  };
  bool finished = true;
  if (together) {
    for (int64_t unit = 0; unit < units && finished; ++unit) {
      run_unit(unit, workers[0], all);
      finished = unit + 1 == units || !poll.stop || !poll.stop(poll.context);
    }
  } else {
    finished = parallel_for(
        units * sets, int(workers.size()),
        [&](int64_t unit, int thread) {
          Worker& worker = workers[size_t(thread)];
          const SpectralTeam<T> alone{{&worker.w}};
          take_set(worker, unit / units, alone);
          run_unit(unit, worker, alone);
        },
        poll);
  }
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
