#include "core/ops/dense_planes.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"
#include "core/ops/dense_run.h"
#include "core/ops/dense_weights.h"

namespace faltung {
namespace {

constexpr int64_t kLeastPositions = 192;  // below, turning costs less than the tails
constexpr int64_t kLeastTiles = 8;        // of channels, for which positions are brought together
constexpr int64_t kMostSegments = 16;
constexpr int64_t kLeastPlanes = 16;       // for which the samples of several taps are asked for ahead
constexpr int64_t kManyChannels = 256;     // for which samples of a stride are brought together one by one
constexpr int64_t kGathered = 256 << 10;   // bytes brought together, of a near cache of 2 MB
constexpr int64_t kSums = 512 << 10;       // bytes of sums under way
constexpr int64_t kNearWeights = 1 << 20;  // larger ones are fetched ahead, and once
constexpr int64_t kMostBlock = 32, kFarBlock = 16;  // tiles of positions

// Positions that whole vectors cover, in units of a row.
double covered_rows(int64_t positions, int64_t lanes) {
  return double((positions + lanes - 1) / lanes * lanes) / double(positions);
}

template <int64_t Bytes>
void copy_lines(const char* from, int64_t step, char* to, int64_t lines) {
  for (int64_t i = 0; i < lines; ++i) std::memcpy(to + i * Bytes, from + i * step, size_t(Bytes));
}

// Lines of one tile's width, side by side: planes are far apart, and rarely begin at a cache line.
void copy_lines(const char* from, int64_t step, char* to, int64_t lines, int64_t bytes) {
  if (bytes == 128) return copy_lines<128>(from, step, to, lines);
  if (bytes == 64) return copy_lines<64>(from, step, to, lines);
  if (bytes == 192) return copy_lines<192>(from, step, to, lines);
  for (int64_t i = 0; i < lines; ++i) std::memcpy(to + i * bytes, from + i * step, size_t(bytes));
}

}  // namespace

template <class T>
bool DensePlanes<T>::takes(const DensePlan& plan) {
  const LayerProblem& p = plan.p;
  const DType own = std::is_same_v<T, float> ? DType::f32 : DType::f64;
  const LayerAxis& columns = p.axes.back();
  bool pointwise = true;
  const auto whole = [&](int64_t step) { return step % plan.item == 0; };
  for (const LayerAxis& a : p.axes) {
    if (!whole(a.in_step) || !whole(a.out_step) || (p.residual && !whole(a.residual_step))) return false;
    pointwise = pointwise && a.taps == 1 && a.stride == 1 && a.pad == 0 && a.in == a.out;
  }
  if (p.in != own || p.out != own || p.parts() != 1 || columns.in_step != plan.item ||
      columns.out_step != plan.item || (p.residual && columns.residual_step != plan.item) ||
      !whole(p.in_channel_step) || !whole(p.out_channel_step) || !whole(p.in_batch_step) ||
      !whole(p.out_batch_step) ||
      (p.residual && (!whole(p.residual_channel_step) || !whole(p.residual_batch_step))) ||
      (p.activation != Activation::none && p.activation != Activation::clip))
    return false;
  if (pointwise) return columns.out >= kLeastPositions && plan.out_channels >= 4;
  return plan.chunks.size() == 1 && (columns.stride == 1 || plan.out_channels >= kManyChannels) &&
         plan.out_channels >= 4 * kLeastTiles && columns.out >= 2 * plan.lanes &&
         covered_rows(columns.out, plan.lanes) < 1.07;
}

template <class T>
DensePlanes<T>::DensePlanes(const LayerProblem& problem, const DensePlan& plan, Isa isa)
    : given_(problem), plan_(plan), table_(gemm_table<T>(isa)), convert_(convert_table<T>(isa)) {
  std::fill(std::begin(first_kernel_), std::end(first_kernel_), 0);
  for (int i = table_.count; i-- > 0;) first_kernel_[table_.kernels[i].vectors] = i;
  positions_ = plan.p.axes.back().out;
  planes_ = plan.p.batch;
  for (size_t a = 0; a + 1 < plan.p.axes.size(); ++a) planes_ *= plan.p.axes[a].out;
  const DenseTile tile = choose_tile(table_, plan.out_channels, 1, positions_);
  vectors_ = tile.vectors;
  cut_ = cut_row(plan.out_channels, tile.rows);
  tiles_ = cut_.runs[0].tiles + cut_.runs[1].tiles;
  plan_.panels.clear();
  plan_.group_weights = plan.out_channels * plan.terms;
  for (int64_t t = 0; t < tiles_; ++t)
    plan_.panels.push_back({channel_of(t), rows_of(t), int(rows_of(t)), channel_of(t) * plan.terms});
  const GemmKernel<T>& full = table_.kernels[first_kernel_[vectors_] + cut_.runs[0].rows - 1];
  summary_.kernel = full.name;
  summary_.tile_positions = int64_t(full.vectors) * full.lanes;
  summary_.tile_channels = full.rows;
  summary_.strip = 1;
  for (const DenseChunk& c : plan.chunks) summary_.chunk = std::max(summary_.chunk, c.terms());

  const int64_t width = summary_.tile_positions, tile_bytes = summary_.chunk * width * plan.item;
  far_weights_ = plan_.group_weights * plan.item > kNearWeights;
  const int64_t most = far_weights_ ? kFarBlock : std::clamp<int64_t>(kGathered / tile_bytes, 1, kMostBlock);
  block_tiles_ = std::clamp<int64_t>(positions_ / width, 1, most);
  const int64_t sums = block_tiles_ * width * plan.item;  // of one channel
  const int64_t groups = (plan.out_channels * sums + kSums - 1) / kSums;
  group_tiles_ = plan.chunks.size() == 1 ? tiles_ : (tiles_ + groups - 1) / groups;
  // Lines that lie multiples of 4096 bytes apart drive each other out of the near caches.
  const bool crowded = plan.p.in_channel_step % 4096 == 0 && plan.in_channels > 8;
  bool pointwise = true;
  for (const LayerAxis& a : plan.p.axes)
    pointwise = pointwise && a.taps == 1 && a.stride == 1 && a.pad == 0 && a.in == a.out;
  gathers_ = !pointwise || crowded || tiles_ >= kLeastTiles;
  summary_.packs_input = gathers_;
  summary_.scratch = block_tiles_ * tile_bytes * gathers_ +
                     (plan.chunks.size() > 1 ? group_tiles_ * cut_.runs[0].rows * sums : 0);
  const Step alone = divide(1);
  summary_.units = plan.p.groups * planes_ * alone.plane_parts * alone.channel_parts;
}

template <class T>
int64_t DensePlanes<T>::packed_bytes() const {
  return PackedWeights<T>::kHeader + plan_.p.groups * plan_.group_weights * plan_.item;
}

template <class T>
int64_t DensePlanes<T>::channel_of(int64_t tile) const {
  const int64_t first = std::min(tile, cut_.runs[0].tiles);
  return first * cut_.runs[0].rows + (tile - first) * cut_.runs[1].rows;
}

// [group][tile][term][row]
template <class T>
void DensePlanes<T>::pack(const void* weights, void* packed, int threads) const {
  const LayerProblem& p = plan_.p;
  const int64_t item = kItemSize[int(p.weight)], terms = plan_.terms, channels = plan_.in_channels;
  T* values = reinterpret_cast<T*>(static_cast<char*>(packed) + PackedWeights<T>::kHeader);
  std::atomic<bool> finite{true};
  parallel_for(p.groups * tiles_, threads, [&](int64_t unit, int) {
    const int64_t tile = unit % tiles_, rows = rows_of(tile);
    const int64_t channel = unit / tiles_ * plan_.out_channels + channel_of(tile);
    const ScratchLease lease(size_t(rows * terms) * sizeof(T));
    T* lines = reinterpret_cast<T*>(lease.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t tap = 0; tap < p.taps(); ++tap) {
        int64_t offset = (channel + r) * p.weight_out_step, rest = tap;
        for (size_t a = p.axes.size(); a-- > 0;) {
          offset += rest % p.axes[a].taps * p.axes[a].weight_step;
          rest /= p.axes[a].taps;
        }
        convert_.load[int(p.weight)](static_cast<const char*>(weights) + offset,
                                     {channels, 1, p.weight_in_step, item},
                                     lines + r * terms + tap * channels);
      }
    T* to = values + channel * terms;
    T probe = 0;
    for (int64_t t = 0; t < terms; ++t)
      for (int64_t r = 0; r < rows; ++r) {
        *to = lines[r * terms + t];
        probe += *to++ * T(0);
      }
    if (!(probe == T(0))) finite = false;
  });
  *static_cast<int64_t*>(packed) = finite;
}

// Planes are cut along positions, then along channels, until every thread has some units. Weights from far away are read
// once.
template <class T>
typename DensePlanes<T>::Step DensePlanes<T>::divide(int threads) const {
  Step s{1, 1};
  if (threads <= 1) return s;
  const int64_t width = int64_t(vectors_) * plan_.lanes, wanted = 4 * int64_t(threads);
  const int64_t have = planes_ * plan_.p.groups;
  const int64_t most = far_weights_ ? 1 : std::max<int64_t>(1, positions_ / (4 * width));
  s.plane_parts = std::clamp<int64_t>((wanted + have - 1) / have, 1, most);
  if (have * s.plane_parts < wanted)
    s.channel_parts =
        std::clamp<int64_t>((wanted + have * s.plane_parts - 1) / (have * s.plane_parts), 1, tiles_);
  return s;
}

// `lines` input channels of one tap into the lines of all tiles of a block; null is outside. `first`: of the axis of columns.
template <class T>
void DensePlanes<T>::gather_lines(const T* from, int64_t lines, int64_t first, const Block& block,
                                  int64_t terms, T* to) const {
  const LayerAxis& a = plan_.p.axes.back();
  const int64_t width = int64_t(block.vectors) * plan_.lanes, step = plan_.p.in_channel_step / plan_.item;
  for (int64_t tile = 0; tile < block.tiles; ++tile, first += width * a.stride, to += terms * width) {
    if (from == nullptr) {
      std::fill(to, to + lines * width, T(0));
      continue;
    }
    const int64_t begin = std::clamp<int64_t>(first >= 0 ? 0 : (-first + a.stride - 1) / a.stride, 0, width);
    const int64_t end =
        std::clamp<int64_t>(first >= a.in ? 0 : (a.in - first + a.stride - 1) / a.stride, begin, width);
    if (a.stride == 1 && begin == 0 && end == width) {
      copy_lines(reinterpret_cast<const char*>(from + first), plan_.p.in_channel_step,
                 reinterpret_cast<char*>(to), lines, width * plan_.item);
      continue;
    }
    for (int64_t i = 0; i < lines; ++i) {
      const T* line = from + i * step;
      T* at = to + i * width;
      for (int64_t j = begin; j < end; ++j) at[j] = line[first + j * a.stride];
      const auto border = [&](int64_t j) {
        const int64_t x = boundary_index(first + j * a.stride, a.in, a.boundary);
        at[j] = x < 0 ? T(0) : line[x];
      };
      for (int64_t j = 0; j < begin; ++j) border(j);
      for (int64_t j = end; j < width; ++j) border(j);
    }
  }
}

template <class T>
void DensePlanes<T>::gather(const Unit& u, const Block& block, const DenseChunk& chunk) const {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  const int64_t channels = plan_.in_channels, terms = chunk.terms();
  const int64_t width = int64_t(block.vectors) * plan_.lanes;
  for (int64_t t = 0; t < terms;) {
    const int64_t channel = (chunk.first + t) % channels, lines = std::min(channels - channel, terms - t);
    int64_t rest = (chunk.first + t) / channels;
    const int64_t first =
        block.position * columns.stride + rest % columns.taps * columns.dilation - columns.pad;
    rest /= columns.taps;
    const char* from = u.in + channel * p.in_channel_step;
    for (size_t a = p.axes.size() - 1; a-- > 0;) {
      const LayerAxis& axis = p.axes[a];
      const int64_t i = boundary_index(u.row[a] * axis.stride + rest % axis.taps * axis.dilation - axis.pad,
                                       axis.in, axis.boundary);
      rest /= axis.taps;
      from = i < 0 || from == nullptr ? nullptr : from + i * axis.in_step;
    }
    gather_lines(reinterpret_cast<const T*>(from), lines, first, block, terms, u.gathered + t * width);
    t += lines;
  }
}

// Tiles of channels [first_tile, last_tile), one after the other over all tiles of positions. Every tile asks for a line a
// term: of the weights of the next tile where these are far, else of the next block's positions.
template <class T>
void DensePlanes<T>::run_chunk(const Unit& u, const Block& block, size_t c, int64_t first_tile,
                               int64_t last_tile) const {
  const LayerProblem& p = plan_.p;
  const DenseChunk& chunk = plan_.chunks[c];
  const bool last = c + 1 == plan_.chunks.size();
  const int64_t item = plan_.item, width = int64_t(block.vectors) * plan_.lanes, line = 64 / item;
  const int64_t in_step = p.in_channel_step / item, out_step = p.out_channel_step / item;
  const T* in = reinterpret_cast<const T*>(u.in) + chunk.first * in_step + block.position;
  for (size_t a = 0; a + 1 < p.axes.size(); ++a) in += u.row[a] * (p.axes[a].in_step / item);
  if (gathers_) gather(u, block, chunk);
  // Every tile asks for as many lines of each plane as there are taps.
  const LayerAxis& columns = p.axes.back();
  const int64_t taps = columns.taps;
  const bool lines_ahead = !far_weights_ && block.ahead > 0 && plan_.kernel_rows == 1 &&
                           columns.stride == 1 && (taps == 1 || plan_.in_channels >= kLeastPlanes);
  const T* place = in;
  in += (taps - 1) * columns.dilation - columns.pad + block.ahead;
  GemmArgs<T> args{};
  args.tiles = 1;
  args.segments = lines_ahead ? taps : 1;
  args.depth = chunk.terms() / args.segments;
  args.row_step = 1;
  args.b_step = gathers_ ? width : in_step;
  int64_t asked = 0;  // lines of every channel
  T* sums = u.sums;
  for (int64_t tile = first_tile; tile < last_tile; ++tile) {
    const int64_t rows = rows_of(tile), channel = channel_of(tile), half = (rows + 1) / 2;
    const T* weights = u.weights + channel * plan_.terms + chunk.first * rows;
    const T* next = tile + 1 < last_tile
                        ? u.weights + channel_of(tile + 1) * plan_.terms + chunk.first * rows_of(tile + 1)
                        : weights + chunk.terms() * rows;
    const T* segments[kMostSegments];
    for (int64_t i = 0; i < args.segments; ++i) segments[i] = weights + i * args.depth * rows;
    args.a = args.a_half = segments;
    args.at_half = half;
    args.term_step = rows;
    for (int64_t n = 0; n < block.tiles; ++n, sums += rows * width) {
      const int64_t position = block.position + n * width;
      args.b = gathers_ ? u.gathered + n * chunk.terms() * width : place + n * width;
      args.sums = c == 0 ? nullptr : sums;
      args.sums_step = width;
      args.c = last ? u.out + channel * out_step + position : sums;
      args.ldc = last ? out_step : width;
      args.c_half = half * args.ldc;
      if (last) {
        args.row_bias = p.bias ? u.bias + channel : nullptr;
        if (p.residual) {
          args.residual_step = p.residual_channel_step / item;
          args.residual = u.residual + channel * args.residual_step + position;
          args.residual_half = half * args.residual_step;
        }
        args.clip = p.activation == Activation::clip;
        args.lo = T(p.lo);
        args.hi = T(p.hi);
      }
      args.ahead = reinterpret_cast<const char*>(weights);
      args.ahead_step = args.ahead_jump = 0;
      if (far_weights_ && n * line < rows) {
        args.ahead = reinterpret_cast<const char*>(next + n * chunk.terms() * line);
        args.ahead_step = 64;
      } else if (lines_ahead && asked * line < block.ahead) {
        args.ahead = reinterpret_cast<const char*>(in + asked * line);
        args.ahead_step = p.in_channel_step;
        args.ahead_jump = 64 - args.depth * args.ahead_step;
        asked += taps;
      }
      table_.kernels[first_kernel_[block.vectors] + rows - 1].run(args);
    }
  }
}

template <class T>
void DensePlanes<T>::run_block(const Unit& u, const Block& block) const {
  for (int64_t tile = u.first_tile; tile < u.last_tile; tile += group_tiles_)
    for (size_t c = 0; c < plan_.chunks.size(); ++c)
      run_chunk(u, block, c, tile, std::min(tile + group_tiles_, u.last_tile));
}

template <class T>
typename DensePlanes<T>::Unit DensePlanes<T>::unit_at(int64_t unit, const Step& s,
                                                      const LayerArrays& arrays) const {
  const LayerProblem& p = plan_.p;
  const int64_t part = unit % s.channel_parts;
  unit /= s.channel_parts * s.plane_parts;
  int64_t plane = unit % planes_;
  const int64_t group = unit / planes_, channel = group * p.group_out();
  int64_t out = channel * p.out_channel_step, residual = channel * p.residual_channel_step;
  Unit u;
  for (size_t a = p.axes.size() - 1; a-- > 0;) {
    u.row[a] = plane % p.axes[a].out;
    plane /= p.axes[a].out;
    out += u.row[a] * p.axes[a].out_step, residual += u.row[a] * p.axes[a].residual_step;
  }
  out += plane * p.out_batch_step, residual += plane * p.residual_batch_step;
  u.in = static_cast<const char*>(arrays.in) + group * p.group_in() * p.in_channel_step +
         plane * p.in_batch_step;
  u.out = reinterpret_cast<T*>(static_cast<char*>(arrays.out) + out);
  u.residual =
      p.residual ? reinterpret_cast<const T*>(static_cast<const char*>(arrays.residual) + residual) : nullptr;
  u.bias = p.bias ? static_cast<const T*>(arrays.bias) + channel : nullptr;
  u.weights = PackedWeights<T>(arrays.weight).values + group * plan_.group_weights;
  u.first_tile = tiles_ * part / s.channel_parts;
  u.last_tile = tiles_ * (part + 1) / s.channel_parts;
  return u;
}

template <class T>
Outcome DensePlanes<T>::run(const LayerArrays& arrays, int threads, Poll poll) const {
  const LayerProblem& p = plan_.p;
  if (p.outputs() == 0) return {};
  const Step s = divide(threads);
  const int64_t lanes = plan_.lanes, width = vectors_ * lanes;
  const int64_t whole = positions_ / width;  // tiles of a row
  bool finished = parallel_for(
      p.groups * planes_ * s.plane_parts * s.channel_parts, threads,
      [&](int64_t unit, int) {
        std::optional<FlushSubnormals> flush;
        if (std::is_same_v<T, float>) flush.emplace();
        const ScratchLease lease(size_t(summary_.scratch));
        Unit u = unit_at(unit, s, arrays);
        u.gathered = reinterpret_cast<T*>(lease.data());
        u.sums = u.gathered + (gathers_ ? block_tiles_ * summary_.chunk * width : 0);
        const int64_t part = unit / s.channel_parts % s.plane_parts;
        const int64_t end = whole * (part + 1) / s.plane_parts;
        for (int64_t n = whole * part / s.plane_parts; n < end; n += block_tiles_) {
          const int64_t tiles = std::min(block_tiles_, end - n), left = end - n - tiles;
          run_block(u, {n * width, tiles, vectors_, left > 0 ? tiles * width : 0});
        }
        const int64_t rest = part + 1 == s.plane_parts ? positions_ - whole * width : 0;
        const int64_t vectors = (rest + lanes - 1) / lanes;
        if (rest == 0) return;
        // A row may be shorter than the vectors that cover it: then the last of them goes alone.
        const bool fits = vectors * lanes <= positions_;
        if (!fits) run_block(u, {whole * width, 1, int(vectors - 1), 0});
        run_block(u, {positions_ - (fits ? vectors : 1) * lanes, 1, fits ? int(vectors) : 1, 0});
      },
      poll);
  const PackedWeights<T> weights(arrays.weight);
  if (finished && !weights.finite) {
    DensePlan rows = plan_;  // the panels are as wide as their rows
    rows.lanes = 1;
    finished = repair_dense(given_, rows, arrays, weights.values, threads, poll);
  }
  return {finished, false};
}

template class DensePlanes<float>;
template class DensePlanes<double>;

}  // namespace faltung
