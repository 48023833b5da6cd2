#include "core/reference/reference.h"

#include <atomic>
#include <cstring>

#include "core/reference/number.h"

namespace faltung {
namespace {

// Steps an index through a box, last axis fastest; false after the last.
bool next(std::vector<int64_t>& i, const std::vector<int64_t>& begin, const std::vector<int64_t>& end) {
  for (size_t a = i.size(); a-- > 0;) {
    if (++i[a] < end[a]) return true;
    i[a] = begin[a];
  }
  return false;
}

// One output: the four lines of the definition.
bool one_output(const Problem& p, const std::vector<int64_t>& o, const char* in, const char* kernel,
                char* out) {
  const size_t rank = p.axes.size();
  const std::vector<int64_t> zero(rank, 0);
  std::vector<int64_t> taps(rank), t(rank, 0);
  for (size_t a = 0; a < rank; ++a) taps[a] = p.axes[a].taps;
  const int64_t in_size = kItemSize[int(p.in)], kernel_size = kItemSize[int(p.kernel)];
  Real re = 0, im = 0;
  Wide wide;
  do {
    const char* sample = in;
    const char* tap = kernel;
    for (size_t a = 0; a < rank; ++a) {
      const ConvAxis& x = p.axes[a];
      const int64_t i = boundary_index(o[a] * x.stride + t[a] * x.dilation - x.pad, x.in, x.boundary);
      if (i < 0) sample = nullptr;
      if (sample) sample += i * x.in_step;
      tap += t[a] * x.kernel_step;
    }
    if (!sample && p.zero_fill) continue;
    if (!sample) sample = reinterpret_cast<const char*>(p.fill);
    if (p.compute == Compute::wide || p.compute == Compute::u64) {
      const uint64_t a = load_word(sample, p.in), w = load_word(tap, p.kernel);
      wide.add_product(a, is_signed(p.in) && int64_t(a) < 0, w, is_signed(p.kernel) && int64_t(w) < 0);
      continue;
    }
    const Real a = load_real(sample, p.in), w = load_real(tap, p.kernel);
    const Real b = p.complex_samples ? load_real(sample + in_size, p.in) : 0;
    if (p.complex_kernel) {
      const Real v = load_real(tap + kernel_size, p.kernel) * (p.conjugate ? -1 : 1);
      re += a * w - b * v;
      im += a * v + b * w;
    } else {
      re += a * w;
      im += b * w;
    }
  } while (next(t, zero, taps));
  if (p.compute == Compute::wide || p.compute == Compute::u64) return store_wide(wide, out, p.out, p.store);
  bool bad = store_real(re, out, p.out, p.store);
  if (p.complex_samples) bad |= store_real(im, out + kItemSize[int(p.out)], p.out, p.store);
  return bad;
}

}  // namespace

Box whole(const Problem& problem) {
  Box box;
  for (const ConvAxis& a : problem.axes) {
    box.begin.push_back(0);
    box.end.push_back(a.out);
  }
  return box;
}

Outcome run_reference(const Problem& p, const Box& box, const void* in, const void* kernel, void* out,
                      int threads, Poll poll) {
  int64_t inside = 1, items = 1;
  for (size_t a = 0; a < p.axes.size(); ++a) inside *= std::max<int64_t>(0, box.end[a] - box.begin[a]);
  for (const BatchAxis& b : p.batch) items *= b.size;
  if (inside * items == 0) return {};
  const int64_t block = std::max<int64_t>(1, 100000 / std::max<int64_t>(1, p.taps()));
  const int64_t blocks = (inside + block - 1) / block;
  std::atomic<bool> reported{false};
  const bool finished = parallel_for(
      items * blocks, threads,
      [&](int64_t unit, int) {
        const char* i = static_cast<const char*>(in);
        const char* k = static_cast<const char*>(kernel);
        char* o = static_cast<char*>(out);
        int64_t item = unit / blocks;
        for (size_t b = p.batch.size(); b-- > 0;) {
          const int64_t at = item % p.batch[b].size;
          item /= p.batch[b].size;
          i += at * p.batch[b].in_step;
          k += at * p.batch[b].kernel_step;
          o += at * p.batch[b].out_step;
        }
        const int64_t first = unit % blocks * block;
        std::vector<int64_t> at(p.axes.size());
        int64_t rest = first;
        for (size_t a = at.size(); a-- > 0;) {
          const int64_t n = box.end[a] - box.begin[a];
          at[a] = box.begin[a] + rest % n;
          rest /= n;
        }
        for (int64_t n = first; n < std::min(inside, first + block); ++n) {
          char* target = o;
          for (size_t a = 0; a < at.size(); ++a) target += at[a] * p.axes[a].out_step;
          if (one_output(p, at, i, k, target)) reported = true;
          next(at, box.begin, box.end);
        }
      },
      poll);
  return {finished, reported};
}

}  // namespace faltung
