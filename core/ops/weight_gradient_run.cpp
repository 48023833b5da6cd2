#include "core/ops/weight_gradient_run.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"

namespace faltung {
namespace {

template <class T>
class Environment {
 public:
  Environment() {
    if (std::is_same_v<T, float>) flush_.emplace();
  }

 private:
  std::optional<FlushSubnormals> flush_;
};

}  // namespace

template <class T>
PixelGradient<T>::Workspace::Workspace(const PixelGradient& d, DenseArena arena_)
    : arena(arena_),
      strip(d.plan_, d.convert_, d.turn_, arena),
      sums(arena.template take<T>(d.block_sums_)),
      total(arena.template take<T>(d.plan_.parts == 1 && d.plan_.chunks > kGradientRun ? d.block_sums_ : 0)),
      line(arena.template take<T>(d.line_)) {}

template <class T>
void PixelGradient<T>::prepare(const char* kernel, int64_t block_sums, int64_t line) {
  block_sums_ = block_sums;
  line_ = line;
  summary_.kernel = kernel;
  summary_.tile_positions = plan_.tile_rows;
  summary_.tile_channels = int64_t(plan_.tile_vectors) * plan_.lanes;
  summary_.strip = plan_.chunk_lines;
  summary_.chunk = plan_.chunk_terms();
  summary_.splits = plan_.parts;
  summary_.units = blocks() * plan_.parts;
  summary_.scratch = int64_t(Workspace(*this, DenseArena(nullptr)).arena.bytes());
  summary_.shared = plan_.parts > 1 ? blocks() * plan_.parts * block_sums * int64_t(sizeof(T)) : 0;
  summary_.packs_input = true;
}

template <class T>
void PixelGradient<T>::run_part(const GradientBlock& block, int64_t part, Workspace& w, T* into) const {
  const int64_t begin = part * plan_.chunks / plan_.parts, end = (part + 1) * plan_.chunks / plan_.parts;
  const int64_t count = sums_of(block);
  T* sums = end - begin > kGradientRun ? w.sums : into;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t at = (chunk - begin) % kGradientRun;
    w.strip.load(chunk);
    run_chunk(block, at == 0, w.strip, sums);
    if (sums == into || (at + 1 < kGradientRun && chunk + 1 < end)) continue;
    const bool initial = chunk - begin < kGradientRun;
    for (int64_t i = 0; i < count; ++i) into[i] = initial ? sums[i] : into[i] + sums[i];
  }
  if (begin == end) std::fill(into, into + count, T(0));
}

template <class T>
bool PixelGradient<T>::run(const WeightGradientArrays& arrays, int threads, Poll poll) const {
  const bool shares = plan_.parts > 1;
  const ScratchLease shared(size_t(summary_.shared));
  T* partial = reinterpret_cast<T*>(shared.data());
  const bool finished = parallel_for(
      blocks() * plan_.parts, threads,
      [&](int64_t unit, int) {
        const Environment<T> environment;
        const ScratchLease lease(size_t(summary_.scratch));
        Workspace w(*this, DenseArena(lease.data()));
        const GradientBlock one = block(unit / plan_.parts);
        const WeightGradientArrays own = arrays_of(one, arrays);
        w.strip.select(one, static_cast<const char*>(own.x), static_cast<const char*>(own.g));
        T* into = shares ? partial + unit * block_sums_ : plan_.chunks > kGradientRun ? w.total : w.sums;
        run_part(one, unit % plan_.parts, w, into);
        if (!shares) finish(one, into, w.line, own);
      },
      poll);
  if (!shares || !finished) return finished;
  return parallel_for(
      blocks(), threads,
      [&](int64_t index, int) {
        const Environment<T> environment;
        const ScratchLease lease(size_t(line_) * sizeof(T));
        const GradientBlock whole = block(index);
        const int64_t count = sums_of(whole);
        T* sums = partial + index * plan_.parts * block_sums_;
        for (int64_t step = 1; step < plan_.parts; step *= 2)
          for (int64_t part = 0; part + step < plan_.parts; part += 2 * step) {
            const T* other = sums + (part + step) * block_sums_;
            T* one = sums + part * block_sums_;
            for (int64_t i = 0; i < count; ++i) one[i] += other[i];
          }
        finish(whole, sums, reinterpret_cast<T*>(lease.data()), arrays_of(whole, arrays));
      },
      poll);
}

template class PixelGradient<float>;
template class PixelGradient<double>;

}  // namespace faltung
