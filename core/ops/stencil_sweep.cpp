#include "core/ops/stencil_sweep.h"

#include <algorithm>

namespace faltung {
namespace {

constexpr int64_t kLargestTile = 512;  // elements; every shape has fewer
constexpr int64_t kPeeledWidths = 6;   // tiles from which on a peeled one pays

// Elements to the next vector boundary: a store across two cache lines costs twice. The first tile, which overlaps the
// second, covers them. Complex products pair neighbouring elements, which must not be parted.
template <class T>
int64_t to_boundary(const T* c, int64_t lanes, bool pairs) {
  const int64_t past = int64_t(reinterpret_cast<uintptr_t>(c) / sizeof(T) % uintptr_t(lanes));
  return past == 0 || (pairs && past % 2 != 0) ? 0 : lanes - past;
}

}  // namespace

// Tiles side by side; a tile takes all its calls before the next begins, so that overlapping tiles agree.
template <class T>
void Sweeper<T>::tiles(const Shape<T>& shape, const T* const* table, const Layout& layout, int64_t x,
                       int64_t count, int64_t advance, T* c, int64_t ldc, const Ahead& ahead) const {
  StencilArgs<T> args{table, runs_, 0,       layout.step, x, count,     advance,
                      c,     ldc,   nullptr, ahead.lines, 0, ahead.step};
  if (s_.calls.size() == 1) {
    args.run_count = int64_t(s_.calls[0].runs.size());
    shape.kernels[size_t(s_.calls[0].group) - 1]->run(args);
    return;
  }
  // Partial sums stay in a tile of their own until the last call writes the result.
  alignas(64) T sums[kLargestTile];
  const int64_t width = int64_t(shape.vectors) * shape.lanes;
  args.tiles = 1;
  for (int64_t i = 0; i < count; ++i) {
    args.x = x + i * advance;
    args.runs = runs_;
    args.sums = nullptr;
    args.ahead = ahead.lines;
    args.ahead_at = i * ahead.step;
    for (const Call& call : s_.calls) {
      const bool last = &call == &s_.calls.back();
      args.c = last ? c + i * advance : sums;
      args.ldc = last ? ldc : width;
      args.run_count = int64_t(call.runs.size());
      shape.kernels[size_t(call.group) - 1]->run(args);
      args.runs += args.run_count;
      args.sums = sums;
      args.ahead = nullptr;
    }
  }
}

template <class T>
void Sweeper<T>::row(const T* const* table, const Layout& layout, int64_t rows, int64_t x, int64_t elements,
                     T* c, int64_t ldc, bool overlap, const Ahead& ahead) const {
  const int64_t lanes = shapes_.limits().lanes, most = std::min(shapes_.widest(rows), s_.tile_vectors),
                width = most * lanes;
  const int64_t head = overlap ? to_boundary(c, lanes, s_.complex_weights) : 0;
  if (head > 0 && ldc % lanes == 0 && elements >= kPeeledWidths * width) {
    tiles(shapes_.at(rows, 1), table, layout, x, 1, 0, c, ldc, {});
    x += head, c += head, elements -= head;
  }
  const int64_t full = elements / width, rest = elements - full * width;
  if (full > 0) tiles(shapes_.at(rows, most), table, layout, x, full, width, c, ldc, ahead);
  if (rest == 0) return;
  const int64_t vectors = (rest + lanes - 1) / lanes;
  if (!overlap) {
    tiles(shapes_.at(rows, vectors), table, layout, x + full * width, 1, 0, c + full * width, ldc, {});
  } else if (elements >= vectors * lanes) {
    const int64_t at = elements - vectors * lanes;
    tiles(shapes_.at(rows, vectors), table, layout, x + at, 1, 0, c + at, ldc, {});
  } else {
    for (int64_t at = 0; at < elements; at += lanes) {
      const int64_t begin = std::min(at, elements - lanes);
      tiles(shapes_.at(rows, 1), table, layout, x + begin, 1, 0, c + begin, ldc, {});
    }
  }
}

template <class T>
void Sweeper<T>::blocked_line(const T* const* table, const Layout& layout, int64_t x, int64_t elements, T* c,
                              bool overlap) const {
  const TileLimits limits = shapes_.limits();
  const int64_t vectors = s_.block / limits.lanes;
  const int64_t head = overlap ? to_boundary(c, limits.lanes, s_.complex_weights) : 0;
  if (head > 0 && elements >= 2 * limits.tall_rows * s_.block) {
    tiles(shapes_.at(1, vectors), table, layout, x, 1, 0, c, s_.block, {});
    x += head, c += head, elements -= head;
  }
  int64_t done = 0;
  for (int64_t rows = limits.tall_rows; rows >= 1; --rows) {
    if (!shapes_.has(rows, vectors)) continue;
    const int64_t span = rows * s_.block;
    const int64_t count = (elements - done) / span;
    if (count > 0)
      tiles(shapes_.at(rows, vectors), table, layout, x + done, count, span, c + done, s_.block, {});
    done += count * span;
    if (done == elements) return;
    if (overlap && done > 0 && elements >= span &&
        (elements - done) * 3 > span) {  // one shifted tile beats several small
      tiles(shapes_.at(rows, vectors), table, layout, x + elements - span, 1, 0, c + elements - span,
            s_.block, {});
      return;
    }
  }
  const int64_t at = overlap ? elements - s_.block : done;
  tiles(shapes_.at(1, vectors), table, layout, x + at, 1, 0, c + at, s_.block, {});
}

template <class T>
void Sweeper<T>::resolve(const T* weights, const Layout& layout) {
  const int64_t parts = s_.complex_weights ? 2 : 1;
  StencilRun<T>* run = runs_;
  for (const Call& call : s_.calls)
    for (const Run& r : call.runs)
      *run++ = {weights + r.weights * parts, r.row, layout.base[size_t(r.phase)] + r.tap * layout.step,
                r.taps};
}

template class Sweeper<float>;
template class Sweeper<double>;
template class Sweeper<uint64_t>;

}  // namespace faltung
