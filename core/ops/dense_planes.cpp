#include "core/ops/dense_planes.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>

#include "core/base/float_env.h"
#include "core/base/lease.h"

namespace faltung {
namespace {

constexpr int64_t kLeastPositions = 192;  // below, turning costs less than the tails
constexpr int64_t kLeastTiles = 8;  // of channels, for which the positions of a tile are brought together

template <int64_t Bytes>
void copy_lines(const char* from, int64_t step, char* to, int64_t lines) {
  for (int64_t i = 0; i < lines; ++i) std::memcpy(to + i * Bytes, from + i * step, size_t(Bytes));
}

// Lines of one tile's width, side by side: planes are far apart, and rarely begin at a cache line.
void gather(const char* from, int64_t step, char* to, int64_t lines, int64_t bytes) {
  if (bytes == 128) return copy_lines<128>(from, step, to, lines);
  if (bytes == 64) return copy_lines<64>(from, step, to, lines);
  for (int64_t i = 0; i < lines; ++i) std::memcpy(to + i * bytes, from + i * step, size_t(bytes));
}

}  // namespace

template <class T>
bool DensePlanes<T>::takes(const DensePlan& plan) {
  const LayerProblem& p = plan.p;
  const DType own = std::is_same_v<T, float> ? DType::f32 : DType::f64;
  for (const LayerAxis& a : p.axes)
    if (a.taps != 1 || a.stride != 1 || a.pad != 0 || a.in != a.out || a.in_step % plan.item != 0 ||
        a.out_step % plan.item != 0 || (p.residual && a.residual_step % plan.item != 0))
      return false;
  const LayerAxis& columns = p.axes.back();
  const auto whole = [&](int64_t step) { return step % plan.item == 0; };
  return p.in == own && p.out == own && p.parts() == 1 && columns.in_step == plan.item &&
         columns.out_step == plan.item && (!p.residual || columns.residual_step == plan.item) &&
         whole(p.in_channel_step) && whole(p.out_channel_step) && whole(p.in_batch_step) &&
         whole(p.out_batch_step) &&
         (!p.residual || (whole(p.residual_channel_step) && whole(p.residual_batch_step))) &&
         (p.activation == Activation::none || p.activation == Activation::clip) &&
         columns.out >= kLeastPositions && plan.out_channels >= 4;
}

template <class T>
DensePlanes<T>::DensePlanes(const DensePlan& plan, Isa isa)
    : plan_(plan), table_(gemm_table<T>(isa)), convert_(convert_table<T>(isa)) {
  std::fill(std::begin(first_kernel_), std::end(first_kernel_), 0);
  for (int i = table_.count; i-- > 0;) first_kernel_[table_.kernels[i].vectors] = i;
  positions_ = plan.p.axes.back().out;
  planes_ = plan.p.batch;
  for (size_t a = 0; a + 1 < plan.p.axes.size(); ++a) planes_ *= plan.p.axes[a].out;
  const DenseTile tile = choose_tile(table_, plan.out_channels, 1, positions_);
  vectors_ = tile.vectors;
  cut_ = cut_row(plan.out_channels, tile.rows);
  tiles_ = cut_.runs[0].tiles + cut_.runs[1].tiles;
  const GemmKernel<T>& full = table_.kernels[first_kernel_[vectors_] + cut_.runs[0].rows - 1];
  summary_.kernel = full.name;
  summary_.tile_positions = int64_t(full.vectors) * full.lanes;
  summary_.tile_channels = full.rows;
  summary_.strip = 1;
  for (const DenseChunk& c : plan.chunks) summary_.chunk = std::max(summary_.chunk, c.terms());
  const Step alone = divide(1);
  summary_.units = plan.p.groups * planes_ * alone.plane_parts * alone.channel_parts;
  summary_.scratch = (summary_.chunk + (plan.chunks.size() > 1 ? plan.out_channels : 0)) * full.vectors *
                     full.lanes * plan.item;
}

template <class T>
int64_t DensePlanes<T>::packed_bytes() const {
  return plan_.p.groups * plan_.out_channels * plan_.terms * plan_.item;
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
  const int64_t item = kItemSize[int(p.weight)], terms = plan_.terms;
  parallel_for(p.groups * tiles_, threads, [&](int64_t unit, int) {
    const int64_t tile = unit % tiles_, rows = rows_of(tile);
    const int64_t channel = unit / tiles_ * plan_.out_channels + channel_of(tile);
    const ScratchLease lease(size_t(rows * terms) * sizeof(T));
    T* lines = reinterpret_cast<T*>(lease.data());
    for (int64_t r = 0; r < rows; ++r)
      convert_.load[int(p.weight)](static_cast<const char*>(weights) + (channel + r) * p.weight_out_step,
                                   {terms, 1, p.weight_in_step, item}, lines + r * terms);
    T* to = static_cast<T*>(packed) + channel * terms;
    for (int64_t t = 0; t < terms; ++t)
      for (int64_t r = 0; r < rows; ++r) *to++ = lines[r * terms + t];
  });
}

// Planes are cut along positions, then along channels, until every thread has some units.
template <class T>
typename DensePlanes<T>::Step DensePlanes<T>::divide(int threads) const {
  Step s{0, 1, 1, planes_};
  if (threads <= 1) return s;
  const int64_t width = int64_t(vectors_) * plan_.lanes, wanted = 4 * int64_t(threads);
  const int64_t have = planes_ * plan_.p.groups;
  const int64_t most = std::max<int64_t>(1, positions_ / (4 * width));
  s.plane_parts = std::clamp<int64_t>((wanted + have - 1) / have, 1, most);
  if (have * s.plane_parts < wanted)
    s.channel_parts =
        std::clamp<int64_t>((wanted + have * s.plane_parts - 1) / (have * s.plane_parts), 1, tiles_);
  return s;
}

// One tile of positions, all channels of the unit. Every tile asks for a line a term of the positions `ahead` from here.
template <class T>
void DensePlanes<T>::run_positions(const Unit& u, int64_t position, int vectors, int64_t ahead) const {
  const LayerProblem& p = plan_.p;
  const int64_t item = plan_.item, width = int64_t(vectors) * plan_.lanes, line = 64 / item;
  const int64_t in_step = p.in_channel_step / item, out_step = p.out_channel_step / item;
  GemmArgs<T> args{};
  args.tiles = 1;
  args.segments = 1;
  args.row_step = 1;
  args.ahead_step = p.in_channel_step;
  const int64_t first_channel = channel_of(u.first_tile);
  for (size_t c = 0; c < plan_.chunks.size(); ++c) {
    const DenseChunk& chunk = plan_.chunks[c];
    const bool last = c + 1 == plan_.chunks.size();
    args.depth = chunk.depth;
    const T* in = u.in + chunk.first * in_step + position;
    const bool gathers = u.last_tile - u.first_tile >= kLeastTiles;
    if (gathers)
      gather(reinterpret_cast<const char*>(in), p.in_channel_step, reinterpret_cast<char*>(u.gathered),
             chunk.depth, width * item);
    args.b = gathers ? u.gathered : in;
    args.b_step = gathers ? width : in_step;
    for (int64_t tile = u.first_tile; tile < u.last_tile; ++tile) {
      const int64_t rows = rows_of(tile), channel = channel_of(tile), half = (rows + 1) / 2;
      const T* weights = u.weights + channel * plan_.terms + chunk.first * rows;
      T* sums = u.sums + (channel - first_channel) * width;
      args.a = args.a_half = &weights;
      args.at_half = half;
      args.term_step = rows;
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
      const int64_t n = tile - u.first_tile, lines = (width + line - 1) / line;
      args.ahead = reinterpret_cast<const char*>(in + ahead + std::min(n * line, lines * line - 1));
      table_.kernels[first_kernel_[vectors] + rows - 1].run(args);
    }
  }
}

template <class T>
Outcome DensePlanes<T>::run(const LayerArrays& arrays, int threads, Poll poll) const {
  const LayerProblem& p = plan_.p;
  if (p.outputs() == 0) return {};
  const Step s = divide(threads);
  const int64_t lanes = plan_.lanes, width = vectors_ * lanes;
  const int64_t whole = positions_ / width;  // tiles of a plane
  const bool finished = parallel_for(
      p.groups * s.planes * s.plane_parts * s.channel_parts, threads,
      [&](int64_t unit, int) {
        std::optional<FlushSubnormals> flush;
        if (std::is_same_v<T, float>) flush.emplace();
        const ScratchLease lease(size_t(summary_.scratch));
        const int64_t channel_part = unit % s.channel_parts;
        unit /= s.channel_parts;
        const int64_t part = unit % s.plane_parts;
        unit /= s.plane_parts;
        int64_t plane = unit % s.planes;
        const int64_t group = unit / s.planes, channel = group * p.group_out();
        int64_t in = group * p.group_in() * p.in_channel_step, out = channel * p.out_channel_step,
                residual = channel * p.residual_channel_step;
        for (size_t a = p.axes.size() - 1; a-- > 0;) {
          const int64_t i = plane % p.axes[a].out;
          plane /= p.axes[a].out;
          in += i * p.axes[a].in_step, out += i * p.axes[a].out_step, residual += i * p.axes[a].residual_step;
        }
        in += plane * p.in_batch_step, out += plane * p.out_batch_step,
            residual += plane * p.residual_batch_step;
        Unit u;
        u.in = reinterpret_cast<const T*>(static_cast<const char*>(arrays.in) + in);
        u.out = reinterpret_cast<T*>(static_cast<char*>(arrays.out) + out);
        u.residual = p.residual
                         ? reinterpret_cast<const T*>(static_cast<const char*>(arrays.residual) + residual)
                         : nullptr;
        u.bias = p.bias ? static_cast<const T*>(arrays.bias) + channel : nullptr;
        u.weights = static_cast<const T*>(arrays.weight) + group * plan_.out_channels * plan_.terms;
        u.gathered = reinterpret_cast<T*>(lease.data());
        u.sums = u.gathered + summary_.chunk * width;
        u.first_tile = tiles_ * channel_part / s.channel_parts;
        u.last_tile = tiles_ * (channel_part + 1) / s.channel_parts;
        const int64_t begin = whole * part / s.plane_parts, end = whole * (part + 1) / s.plane_parts;
        for (int64_t n = begin; n < end; ++n) run_positions(u, n * width, vectors_, n + 1 < end ? width : 0);
        const int64_t rest = part + 1 == s.plane_parts ? positions_ - whole * width : 0;
        const int64_t vectors = (rest + lanes - 1) / lanes;
        if (rest > 0) run_positions(u, positions_ - vectors * lanes, int(vectors), 0);
      },
      poll);
  return {finished, false};
}

template class DensePlanes<float>;
template class DensePlanes<double>;

}  // namespace faltung
