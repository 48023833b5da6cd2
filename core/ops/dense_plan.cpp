#include "core/ops/dense_plan.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <type_traits>

#include "core/ops/dense_tile.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr int64_t kChain = 256;             // terms that a register sums at most
constexpr int64_t kStripBytes = 768 << 10;  // of a near cache of 2 MB, beside weights and sums
constexpr int64_t kBandBytes = 64 << 10;    // sums under way
constexpr int64_t kCopied = 128;            // positions that are computed, then copied
constexpr int64_t kStored = 112;            // positions that are computed, then other channels of them
constexpr int64_t kNearWeights = 1 << 20;   // weights of this size stay in the near cache

// Neither taps nor steps nor borders: positions of the output are those of the input.
bool plain(const LayerAxis& a) {
  return a.taps == 1 && a.stride == 1 && a.pad == 0 && a.in == a.out;
}

bool trivial(const LayerAxis& a) {
  return a.taps == 1 && a.out == 1 && a.pad == 0 && a.in >= 1;
}

bool nests(int64_t outer_in, int64_t outer_out, int64_t outer_residual, const LayerAxis& inner,
           bool residual) {
  return outer_in == inner.in_step * inner.in && outer_out == inner.out_step * inner.out &&
         (!residual || outer_residual == inner.residual_step * inner.out);
}

}  // namespace

LayerProblem merge_axes(LayerProblem p) {
  std::vector<LayerAxis> axes;
  for (const LayerAxis& a : p.axes) {
    if (trivial(a)) continue;
    if (!axes.empty() && plain(a) && plain(axes.back()) &&
        nests(axes.back().in_step, axes.back().out_step, axes.back().residual_step, a, p.residual)) {
      LayerAxis one = a;
      one.in = one.out = a.in * axes.back().in;
      axes.back() = one;
    } else {
      axes.push_back(a);
    }
  }
  if (axes.empty()) {  // a matrix product: the batch is the axis
    LayerAxis batch = p.axes.empty() ? LayerAxis{} : p.axes.back();
    batch.in = batch.out = p.batch;
    batch.taps = batch.stride = batch.dilation = 1;
    batch.pad = 0;
    batch.boundary = Boundary::constant;
    batch.in_step = p.in_batch_step, batch.out_step = p.out_batch_step;
    batch.residual_step = p.residual_batch_step;
    axes.push_back(batch);
    p.batch = 1;
  } else if (axes.size() == 1 && plain(axes[0]) && p.batch > 1 &&
             nests(p.in_batch_step, p.out_batch_step, p.residual_batch_step, axes[0], p.residual)) {
    axes[0].in = axes[0].out = axes[0].in * p.batch;
    p.batch = 1;
  }
  p.axes = axes;
  return p;
}

namespace {

void demand(bool condition, const char* reason) {
  if (!condition) throw std::invalid_argument(reason);
}

template <class T>
void check(const LayerProblem& p) {
  const bool integers = is_integer(p.in) || is_integer(p.weight) || is_integer(p.out);
  demand(p.terms() > 0, "a sum has no terms");
  demand(p.compute == (std::is_same_v<T, float> ? Compute::f32 : Compute::f64), "computes in another type");
  demand(std::is_same_v<T, double> || !integers ||
             (kItemSize[int(p.in)] == 1 && kItemSize[int(p.weight)] == 1 && is_integer(p.out)),
         "integers wider than 8 bits are computed in float64");
  demand(!p.complex_numbers || p.activation == Activation::none, "complex numbers have no activation");
  demand(!integers || p.activation == Activation::none || p.activation == Activation::clip,
         "integers have no activation but clipping");
}

// Chunks, and what the table of a line points at. Where a kernel row with its channels lies in one piece, one pointer
// serves it.
void cut_terms(DensePlan& s) {
  const LayerAxis& columns = s.p.axes.back();
  const int64_t taps = columns.taps, channels = s.in_channels;
  const bool contiguous =
      taps == 1 || (columns.dilation == 1 && s.pixel_stride == 1 && s.pixel_step == channels);
  // Few channels are folded: whole kernel rows are what a chunk consists of.
  const bool folded = channels < 32 && taps > 1 && taps * channels <= kChain;
  const int64_t atom = folded ? taps * channels : channels, atoms = s.kernel_rows * (folded ? 1 : taps);
  if (atom > kChain) {
    const int64_t pieces = (atom + kChain - 1) / kChain, depth = (atom + pieces - 1) / pieces;
    s.tap_entries = true;
    for (int64_t i = 0; i < atoms; ++i)
      for (int64_t offset = 0; offset < atom; offset += depth)
        s.chunks.push_back({i, 1, offset, std::min(depth, atom - offset), i * atom + offset});
    return;
  }
  const int64_t most = kChain / atom, parts = (atoms + most - 1) / most, count = (atoms + parts - 1) / parts;
  const bool whole_rows = folded || count % taps == 0;
  const bool in_rows = !folded && (taps % count == 0 || s.kernel_rows == 1);
  s.tap_entries = taps > 1 && !(contiguous && (whole_rows || in_rows));
  for (int64_t i = 0; i < atoms; i += count) {
    const int64_t n = std::min(count, atoms - i);
    DenseChunk c{};
    c.first = i * atom;
    if (s.tap_entries)
      c.entry = folded ? i * taps : i, c.segments = folded ? n * taps : n, c.depth = channels;
    else if (taps == 1 || folded)
      c.entry = i, c.segments = n, c.depth = atom;
    else if (whole_rows)
      c.entry = i / taps, c.segments = n / taps, c.depth = taps * channels;
    else
      c.entry = i / taps, c.segments = 1, c.offset = i % taps * channels, c.depth = n * channels;
    s.chunks.push_back(c);
  }
}

template <class T>
void place_input(DensePlan& s) {
  const LayerProblem& p = s.p;
  const LayerAxis& columns = p.axes.back();
  const int64_t channel = s.item * p.parts(), channels = s.in_channels;
  s.pixel_stride = columns.taps == 1 ? columns.stride : 1;
  bool outside = false, aligned = true;
  for (size_t a = 0; a < p.axes.size(); ++a) {
    const LayerAxis& axis = p.axes[a];
    const int64_t last = (axis.out - 1) * axis.stride + (axis.taps - 1) * axis.dilation - axis.pad;
    const bool beyond = axis.pad > 0 || last >= axis.in;
    const bool is_columns = a + 1 == p.axes.size();
    outside = outside || (beyond && (is_columns || axis.boundary == Boundary::constant));
    s.pads_rows = s.pads_rows || (beyond && !is_columns && axis.boundary == Boundary::constant);
    aligned = aligned && axis.in_step % s.item == 0;
  }
  const bool same = p.in == (std::is_same_v<T, float> ? DType::f32 : DType::f64);
  const bool contiguous = p.in_channel_step == channel || p.group_in() == 1;
  aligned = aligned && p.in_batch_step % s.item == 0 && p.in_channel_step % s.item == 0;
  s.packs = outside || !same || !contiguous || !aligned || p.in_zero != 0;
  s.pixel_step = s.packs ? channels : columns.in_step / s.item * s.pixel_stride;
  const auto crowds = [&](int64_t pixels) { return pixels * channels * s.item % 4096 == 0; };
  // Rows of a tile that lie 4096 bytes apart fall into one set of the near cache and drive each other out.
  if (s.packs && crowds(s.pixel_stride == columns.stride ? 1 : columns.stride)) s.pixel_step += 64 / s.item;
  s.row_step = s.pixel_step * (columns.stride / s.pixel_stride);
}

template <class T>
void place_output(DensePlan& s) {
  const LayerProblem& p = s.p;
  const int64_t channel = s.item * p.parts();
  const bool same = p.out == (std::is_same_v<T, float> ? DType::f32 : DType::f64);
  bool out_aligned = p.out_batch_step % s.item == 0 && p.out_channel_step % s.item == 0;
  bool residual_aligned = p.residual_batch_step % s.item == 0 && p.residual_channel_step % s.item == 0;
  for (const LayerAxis& a : p.axes) {
    out_aligned = out_aligned && a.out_step % s.item == 0;
    residual_aligned = residual_aligned && a.residual_step % s.item == 0;
  }
  const bool contiguous = p.out_channel_step == channel || p.group_out() == 1;
  const bool in_registers = p.activation == Activation::none || p.activation == Activation::clip;
  s.residual_direct = same && residual_aligned && (p.residual_channel_step == channel || p.group_out() == 1);
  s.exact = std::is_same_v<T, float> && is_integer(p.in);
  const bool planes = std::abs(p.axes.back().out_step) < std::abs(p.out_channel_step) && p.parts() == 1;
  s.out = same && contiguous && out_aligned && in_registers ? DenseOut::direct
          : planes && !s.exact                              ? DenseOut::planes
                                                            : DenseOut::positions;
}

void cut_channels(DensePlan& s) {
  const int64_t vectors = (s.out_channels + s.lanes - 1) / s.lanes;
  for (int64_t v = 0; v < vectors;) {
    const int64_t width = std::min<int64_t>(s.tile_vectors, vectors - v), first = v * s.lanes;
    s.panels.push_back(
        {first, std::min(width * s.lanes, s.out_channels - first), int(width), first * s.terms});
    v += width;
  }
  s.group_weights = vectors * s.lanes * s.terms;
}

// Input rows that n outputs of an axis read.
int64_t covered(const LayerAxis& a, int64_t n) {
  return std::min({a.in, n * a.taps, (n - 1) * a.stride + (a.taps - 1) * a.dilation + 1});
}

// The box grows from the innermost axis on, as long as its rows fit.
void cut_positions(DensePlan& s) {
  const LayerProblem& p = s.p;
  const LayerAxis& columns = p.axes.back();
  const int64_t pixel = s.pixel_step * s.item;
  int64_t rows = 1;  // that one line reads
  for (size_t a = 0; a + 1 < p.axes.size(); ++a) rows *= covered(p.axes[a], 1);
  rows = std::max<int64_t>(rows, 1);
  const auto fits = [&](int64_t n) { return rows * s.row_pixels(n) * pixel <= kStripBytes; };
  s.columns = columns.out;
  while (s.columns > s.tile_rows && !fits(s.columns))
    s.columns = std::max<int64_t>(s.tile_rows, (s.columns / 2 + s.tile_rows - 1) / s.tile_rows * s.tile_rows);
  s.box.assign(p.axes.size(), 1);
  const int64_t row_bytes = s.row_pixels(s.columns) * pixel;
  for (size_t a = p.axes.size(); a-- > 0 && s.columns == columns.out;) {
    const int64_t size = a == 0 ? p.batch : p.axes[a - 1].out;
    const auto bytes = [&](int64_t n) {
      s.box[a] = n;
      return s.strip_rows() * row_bytes;
    };
    int64_t n = size;
    while (n > 1 && bytes(n) > kStripBytes) n = (n + 1) / 2;
    s.box[a] = n;
    if (n < size) break;
  }
  const bool far = s.group_weights * s.item > kNearWeights;
  s.band = std::max<int64_t>(1, (far ? 2 : 1) * kBandBytes / (s.panel_elements() * s.item));
  const bool partial = s.out_channels % s.lanes != 0;
  if (s.chunks.size() == 1 && (s.out == DenseOut::positions || partial)) s.band = std::min(s.band, kCopied);
  if (s.chunks.size() == 1 && s.out == DenseOut::direct && !far) s.band = std::min(s.band, kStored);
  if (s.out != DenseOut::planes || s.columns != columns.out || s.columns == 0) return;
  // Planes are stored line by line of the caches where a band is whole of them. With one chunk there is nothing to gain from
  // more: the next tiles are computed while the stores drain.
  int64_t lines = 1;
  while (lines < 8 && (lines * s.columns * s.item % 64 != 0 || lines * s.columns < 64)) ++lines;
  if (lines == 8 && lines * s.columns * s.item % 64 != 0) lines = std::max<int64_t>(1, 64 / s.columns);
  const int64_t whole = lines * s.columns;
  if (s.chunks.size() == 1)
    s.band = std::min(s.band, whole);
  else if (whole <= s.band)
    s.band = s.band / whole * whole;
}

}  // namespace

int64_t DensePlan::row_pixels(int64_t positions) const {
  const LayerAxis& a = p.axes.back();
  if (a.taps == 1) return positions;
  return (positions - 1) * a.stride + (a.taps - 1) * a.dilation + 1;
}

int64_t DensePlan::strip_rows() const {
  int64_t rows = box[0];
  for (size_t a = 0; a + 1 < p.axes.size(); ++a) rows *= covered(p.axes[a], box[a + 1]);
  return rows;
}

int64_t DensePlan::lines() const {
  int64_t n = 1;
  for (const int64_t b : box) n *= b;
  return n;
}

template <class T>
DensePlan schedule_dense(const LayerProblem& problem, const GemmTable<T>& table) {
  check<T>(problem);
  DensePlan s{};
  s.p = merge_axes(problem);
  s.item = int64_t(sizeof(T));
  s.lanes = table.kernels[0].lanes;
  s.vector_cycles = 1.15, s.sample_cycles = 0.25;
  s.in_channels = s.p.group_in() * s.p.parts();
  s.out_channels = s.p.group_out() * s.p.parts();
  s.kernel_rows = 1;
  for (size_t a = 0; a + 1 < s.p.axes.size(); ++a) s.kernel_rows *= s.p.axes[a].taps;
  s.terms = s.kernel_rows * s.p.axes.back().taps * s.in_channels;
  place_input<T>(s);
  place_output<T>(s);
  cut_terms(s);
  int64_t lines = s.p.batch;
  for (size_t a = 0; a + 1 < s.p.axes.size(); ++a) lines *= s.p.axes[a].out;
  const DenseTile tile = choose_tile(table, s.p.axes.back().out, lines, s.out_channels);
  s.tile_rows = tile.rows;
  s.tile_vectors = tile.vectors;
  cut_channels(s);
  cut_positions(s);
  return s;
}

template DensePlan schedule_dense<float>(const LayerProblem&, const GemmTable<float>&);
template DensePlan schedule_dense<double>(const LayerProblem&, const GemmTable<double>&);

}  // namespace faltung
