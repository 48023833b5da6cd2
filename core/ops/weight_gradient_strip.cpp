#include "core/ops/weight_gradient_strip.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace faltung {
namespace {

constexpr int64_t kStripBytes = 384 << 10;
constexpr int64_t kShortPixel = 512;       // bytes; longer ones share few sets of the near cache
constexpr int64_t kMostZeros = 256 << 10;  // bytes that a row of zeros spans

template <class T>
constexpr DType own_type() {
  return std::is_same_v<T, float> ? DType::f32 : DType::f64;
}

template <int Bytes>
void copy_fixed(const char* from, int64_t step, char* to, int64_t to_step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step, from + i * step, Bytes);
}

// Lines of so many bytes; a size that the compiler knows needs no call.
void copy_lines(int64_t bytes, const char* from, int64_t step, char* to, int64_t to_step, int64_t n) {
  switch (bytes) {
    case 32:
      return copy_fixed<32>(from, step, to, to_step, n);
    case 64:
      return copy_fixed<64>(from, step, to, to_step, n);
    case 128:
      return copy_fixed<128>(from, step, to, to_step, n);
    case 192:
      return copy_fixed<192>(from, step, to, to_step, n);
    case 256:
      return copy_fixed<256>(from, step, to, to_step, n);
    default:
      for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step, from + i * step, size_t(bytes));
  }
}

// Samples from the first that so many outputs of a line see to the last.
int64_t spanned(const LayerAxis& a, int64_t positions) {
  return (positions - 1) * a.stride + (a.taps - 1) * a.dilation + 1;
}

// Rows of x that exist at all, of outer axes and items.
int64_t count_sources(const LayerProblem& p) {
  int64_t n = std::max<int64_t>(p.batch, 1);
  for (size_t a = 0; a + 1 < p.axes.size(); ++a) n *= p.axes[a].in;
  return n;
}

}  // namespace

template <class T>
GradientStrip<T>::GradientStrip(const GradientPlan& plan, const ConvertTable<T>& convert,
                                const TurnTable<T>& turn, DenseArena& arena)
    : plan_(plan), convert_(convert), turn_(turn) {
  const int64_t positions = plan.pieces > 1 ? plan.piece : plan.columns;
  row_elements_ =
      plan.row_pixels(positions) * (plan.whole_vectors ? plan.width(plan.block_in) : plan.block_in);
  in_place_ = samples_in_place();
  untouched_ = !plan.whole_vectors && borderless();
  most_runs_ = plan.chunk_segments() * (in_place_ ? 3 : 1);
  most_new_ = plan.chunk_segments() * plan.outer_taps;
  sources_ = count_sources(plan.p) * plan.pieces;
  capacity_ = std::max(most_new_, std::min(sources_, kStripBytes / (row_elements_ * plan.item)));
  strip_ = arena.take<T>(capacity_ * row_elements_);
  zeros_ = arena.take<T>(in_place_ ? spanned(plan.p.axes.back(), positions) *
                                         (plan.p.axes.back().in_step / plan.item)
                                   : row_elements_);
  g_ = arena.take<T>(plan.chunk_terms() * plan.width(plan.block_out));
  planes_ = arena.take<T>(std::max(plan.row_pixels(positions), positions) *
                          std::max(plan.block_in, plan.block_out));
  table_ = arena.take<const T*>(most_runs_ * plan.outer_taps);
  runs_ = arena.take<GradientRun<T>>(most_runs_);
  slot_ = arena.take<int32_t>(sources_);
  held_ = arena.take<int64_t>(capacity_);
}

template <class T>
void GradientStrip<T>::select(const GradientBlock& block, const char* x, const char* g) {
  const LayerProblem& p = plan_.p;
  const int64_t parts = p.parts();
  block_ = block;
  in_ = x + (block.group * p.group_in() + block.in / parts) * p.in_channel_step;
  given_ = g + (block.group * p.group_out() + block.out / parts) * p.out_channel_step;
  pixel_step_ = plan_.whole_vectors ? plan_.width(block.ins) : block.ins;
  const LayerAxis& columns = p.axes.back();
  if (block.outs != plan_.width(block.outs))
    std::fill(g_, g_ + plan_.chunk_terms() * plan_.width(block.outs), T(0));
  channel_step_ = 1;
  position_step_ = columns.stride / plan_.pixel_stride * pixel_step_;
  tap_step_ = columns.dilation * pixel_step_;
  used_ = 0;
  if (untouched_) {
    if (plan_.in_channels > 1) channel_step_ = p.in_channel_step / plan_.item;
    position_step_ = columns.in_step / plan_.item * columns.stride;
    tap_step_ = columns.in_step / plan_.item * columns.dilation;
    return;
  }
  const int64_t positions = plan_.pieces > 1 ? plan_.piece : plan_.columns,
                pixels = in_place_ ? spanned(columns, positions) : plan_.row_pixels(positions);
  const int64_t apart = in_place_ ? p.axes.back().in_step / plan_.item : pixel_step_;
  // As samples where they are, and as packed ones at the ends of a line.
  for (int64_t j = 0; j < pixels; ++j) std::fill(zeros_ + j * apart, zeros_ + j * apart + pixel_step_, T(0));
  if (in_place_) std::fill(zeros_, zeros_ + plan_.row_pixels(positions) * pixel_step_, T(0));
  // Runs at a border read them at packed steps.
  if (in_place_) std::fill(zeros_, zeros_ + pixels * pixel_step_, T(0));
  std::fill(slot_, slot_ + sources_, -1);
}

template <class T>
void GradientStrip<T>::forget() {
  for (int64_t i = 0; i < used_; ++i) slot_[held_[i]] = -1;
  used_ = 0;
}

template <class T>
int64_t GradientStrip<T>::source(int64_t line, int64_t tap) const {
  const LayerProblem& p = plan_.p;
  int64_t flat = 0, step = 1;
  for (size_t a = p.axes.size() - 1; a-- > 0;) {
    const LayerAxis& axis = p.axes[a];
    const int64_t i = boundary_index(
        line % axis.out * axis.stride + tap % axis.taps * axis.dilation - axis.pad, axis.in, axis.boundary);
    if (i < 0) return -1;
    flat += i * step;
    step *= axis.in;
    line /= axis.out;
    tap /= axis.taps;
  }
  return flat + line * step;
}

template <class T>
const T* GradientStrip<T>::row(int64_t source, int64_t piece, int64_t positions) {
  if (source < 0) return zeros_;
  int32_t& slot = slot_[source * plan_.pieces + piece];
  if (slot < 0) {
    const LayerProblem& p = plan_.p;
    const LayerAxis& columns = p.axes.back();
    slot = int32_t(used_);
    held_[used_++] = source * plan_.pieces + piece;
    const char* from = place_of(source);
    const int64_t begin = piece * plan_.piece * columns.stride - columns.pad;
    T* to = strip_ + slot * row_elements_;
    if (in_place_) {  // the ends alone
      const Inner middle = inner(piece, positions);
      const int64_t after = middle.begin + middle.count, step = columns.stride / plan_.pixel_stride;
      if (middle.begin > 0) pack_row(from, begin, plan_.row_pixels(middle.begin), to);
      if (after < positions)
        pack_row(from, begin + after * columns.stride, plan_.row_pixels(positions - after),
                 to + after * step * pixel_step_);
    } else {
      pack_row(from, begin, plan_.row_pixels(positions), to);
    }
  }
  return strip_ + slot * row_elements_;
}

template <class T>
void GradientStrip<T>::load(int64_t chunk) {
  const LayerProblem& p = plan_.p;
  if (used_ + most_new_ > capacity_) forget();
  const int64_t piece = plan_.pieces > 1 ? chunk % plan_.pieces : 0;
  const int64_t first = plan_.pieces > 1 ? chunk / plan_.pieces : chunk * plan_.chunk_lines;
  depth_ = plan_.pieces > 1 ? std::min(plan_.piece, plan_.columns - piece * plan_.piece) : plan_.columns;
  segments_ = plan_.pieces > 1 ? 1 : std::min(plan_.chunk_lines, plan_.lines - first);
  if (in_place_)
    find_runs(first, piece);
  else if (untouched_)
    for (int64_t tap = 0; tap < plan_.outer_taps; ++tap)
      for (int64_t s = 0; s < segments_; ++s)
        table_[tap * most_runs_ + s] = reinterpret_cast<const T*>(
            place_of(source(first + s, tap)) +
            (piece * plan_.piece * p.axes.back().stride - p.axes.back().pad) * p.axes.back().in_step);
  else
    for (int64_t tap = 0; tap < plan_.outer_taps; ++tap)
      for (int64_t s = 0; s < segments_; ++s)
        table_[tap * most_runs_ + s] = row(source(first + s, tap), piece, depth_);
  // g, in runs of lines that lie behind each other.
  const LayerAxis& columns = p.axes.back();
  const auto place = [&](int64_t line) {
    const char* at = given_ + piece * plan_.piece * columns.out_step;
    for (size_t a = p.axes.size() - 1; a-- > 0;) {
      at += line % p.axes[a].out * p.axes[a].out_step;
      line /= p.axes[a].out;
    }
    return at + line * p.out_batch_step;
  };
  const bool given_there = plan_.whole_vectors && given_in_place();
  given_step_ = given_there ? columns.out_step / plan_.item : plan_.width(block_.outs);
  const auto given = [&](int64_t s) {
    return given_there ? reinterpret_cast<const T*>(place(first + s)) : g_ + s * depth_ * given_step_;
  };
  if (in_place_) {
    for (int64_t n = 0, s = 0; s < segments_; ++s)
      for (int64_t j = 0; j < depth_; j += runs_[n++].depth) runs_[n].g = given(s) + j * given_step_;
  } else {
    run_count_ = segments_;
    const int64_t step = columns.stride / plan_.pixel_stride * pixel_step_;
    for (int64_t s = 0; s < segments_; ++s)
      runs_[s] = {given(s), depth_, step, columns.dilation * pixel_step_};
  }
  if (given_there) return;
  for (int64_t s = 0; s < segments_;) {
    const char* from = place(first + s);
    int64_t n = 1;
    while (s + n < segments_ && place(first + s + n) == from + n * depth_ * columns.out_step) ++n;
    const int64_t panel = int64_t(plan_.tile_vectors) * plan_.lanes, parts = p.parts();
    for (int64_t o = 0; o < block_.outs; o += panel) {
      const int64_t channels = std::min(panel, block_.outs - o), width = plan_.width(channels);
      load_panel(from + o / parts * p.out_channel_step, n * depth_, channels, width,
                 g_ + o * plan_.chunk_terms() + s * depth_ * width);
    }
    s += n;
  }
}

// Whether g is read where it is: channels side by side, in whole vectors.
template <class T>
bool GradientStrip<T>::given_in_place() const {
  const LayerProblem& p = plan_.p;
  bool aligned = p.out_batch_step % plan_.item == 0;
  for (const LayerAxis& a : p.axes) aligned = aligned && a.out_step % plan_.item == 0;
  return aligned && p.out == own_type<T>() && p.out_channel_step == plan_.item &&
         block_.outs == plan_.width(block_.outs);
}

// Whether tiles may read x where it is: nothing lies outside, and channels or positions stand side by side.
template <class T>
bool GradientStrip<T>::borderless() const {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  bool inside =
      p.in == own_type<T>() && p.in_batch_step % plan_.item == 0 && p.in_channel_step % plan_.item == 0;
  for (const LayerAxis& a : p.axes) {
    const int64_t last = (a.out - 1) * a.stride + (a.taps - 1) * a.dilation - a.pad;
    inside = inside && a.pad == 0 && last < a.in && a.in_step % plan_.item == 0;
  }
  if (!inside) return false;
  const bool channels_last = plan_.in_channels == 1 || p.in_channel_step == plan_.item;
  const bool pixels = columns.in_step == plan_.in_channels * plan_.item;
  if (p.parts() == 2) return false;
  if (plan_.folded) return channels_last && pixels;
  // Rows of a tile that lie 4096 bytes apart drive each other out of the near cache.
  return (channels_last && columns.in_step > 0 && columns.in_step <= kShortPixel) ||
         (columns.in_step == plan_.item && columns.stride <= 2 && p.in_channel_step % 4096 != 0);
}

// Whether vectors of channels are read where they are, where most positions of a line see no border.
template <class T>
bool GradientStrip<T>::samples_in_place() const {
  const LayerProblem& p = plan_.p;
  const LayerAxis& columns = p.axes.back();
  bool aligned = p.in_batch_step % plan_.item == 0 && plan_.in_channels % plan_.lanes == 0;
  for (const LayerAxis& a : p.axes) aligned = aligned && a.in_step % plan_.item == 0;
  const int64_t positions = plan_.pieces > 1 ? plan_.piece : plan_.columns;
  // With stride 1 every sample meets so many taps that a packed row, whose lines share no sets of the cache, pays.
  if (!plan_.whole_vectors || columns.stride == 1 || !aligned || p.in != own_type<T>() ||
      p.in_channel_step != plan_.item || columns.in_step <= 0 ||
      spanned(columns, positions) * columns.in_step > kMostZeros)
    return false;
  const Inner middle = inner(0, positions);
  return 2 * middle.count > positions;
}

template <class T>
typename GradientStrip<T>::Inner GradientStrip<T>::inner(int64_t piece, int64_t positions) const {
  const LayerAxis& a = plan_.p.axes.back();
  const int64_t first = piece * plan_.piece * a.stride - a.pad, last = a.in - 1 - (a.taps - 1) * a.dilation;
  const int64_t begin = std::min(first >= 0 ? 0 : (-first + a.stride - 1) / a.stride, positions);
  const int64_t end = last < first ? 0 : std::min((last - first) / a.stride + 1, positions);
  return {begin, std::max<int64_t>(end - begin, 0)};
}

template <class T>
const char* GradientStrip<T>::place_of(int64_t source) const {
  const LayerProblem& p = plan_.p;
  const char* from = in_;
  for (size_t a = p.axes.size() - 1; a-- > 0;) {
    from += source % p.axes[a].in * p.axes[a].in_step;
    source /= p.axes[a].in;
  }
  return from + source * p.in_batch_step;
}

// The positions of every line: those at its start, which see packed samples, those inside, which see x, and those at its end.
template <class T>
void GradientStrip<T>::find_runs(int64_t first, int64_t piece) {
  const LayerAxis& columns = plan_.p.axes.back();
  const Inner middle = inner(piece, depth_);
  const int64_t after = middle.begin + middle.count, apart = columns.in_step / plan_.item;
  const int64_t begin = piece * plan_.piece * columns.stride - columns.pad;
  const int64_t packed_step = columns.stride / plan_.pixel_stride * pixel_step_;
  run_count_ = 0;
  for (int64_t s = 0; s < segments_; ++s)
    for (int part = 0; part < 3; ++part) {
      const int64_t j = part == 0 ? 0 : part == 1 ? middle.begin : after;
      const int64_t count = part == 0 ? middle.begin : part == 1 ? middle.count : depth_ - after;
      if (count == 0) continue;
      const bool inside = part == 1;
      runs_[run_count_] = {nullptr, count, inside ? columns.stride * apart : packed_step,
                           columns.dilation * (inside ? apart : pixel_step_)};
      for (int64_t tap = 0; tap < plan_.outer_taps; ++tap) {
        const int64_t from = source(first + s, tap);
        const T* at = zeros_;
        if (from >= 0 && inside)
          at = reinterpret_cast<const T*>(place_of(from) + (begin + j * columns.stride) * columns.in_step);
        else if (from >= 0)
          at = row(from, piece, depth_) + j * packed_step;
        table_[tap * most_runs_ + run_count_] = at;
      }
      ++run_count_;
    }
}

// `first` is the place of the first pixel on the axis of columns.
template <class T>
void GradientStrip<T>::pack_row(const char* from, int64_t first, int64_t pixels, T* to) {
  const LayerAxis& columns = plan_.p.axes.back();
  const int64_t step = plan_.pixel_stride;
  const int64_t begin = std::clamp<int64_t>(first >= 0 ? 0 : (-first + step - 1) / step, 0, pixels);
  const int64_t end =
      std::clamp<int64_t>(first >= columns.in ? 0 : (columns.in - first + step - 1) / step, begin, pixels);
  if (begin < end)
    load_pixels(from + (first + begin * step) * columns.in_step, end - begin, to + begin * pixel_step_);
  fill_outside(from, first, 0, begin, to);
  fill_outside(from, first, end, pixels, to);
}

template <class T>
void GradientStrip<T>::load_pixels(const char* from, int64_t pixels, T* to) {
  const LayerProblem& p = plan_.p;
  const int64_t channels = block_.ins, item = kItemSize[int(p.in)], step_of_channel = p.in_channel_step;
  const int64_t step = p.axes.back().in_step * plan_.pixel_stride, parts = p.parts();
  const bool own = p.in == own_type<T>() && step % item == 0 && step_of_channel % item == 0;
  const bool contiguous = step_of_channel == item * parts || channels == parts;
  const auto load = convert_.load[int(p.in)];
  if (own && contiguous && step == channels * item && pixel_step_ == channels) {
    std::memcpy(to, from, size_t(pixels * channels) * sizeof(T));
  } else if (own && contiguous) {
    copy_lines(channels * item, from, step, reinterpret_cast<char*>(to), pixel_step_ * item, pixels);
  } else if (own && parts == 1 && channels <= 4) {
    const T* samples = reinterpret_cast<const T*>(from);
    for (int64_t j = 0; j < pixels; ++j)
      for (int64_t c = 0; c < channels; ++c)
        to[j * pixel_step_ + c] = samples[j * (step / item) + c * (step_of_channel / item)];
  } else if (own && parts == 1 && std::abs(step) <= std::abs(step_of_channel)) {
    turn_.turn(reinterpret_cast<const T*>(from), step_of_channel / item, step / item, to, pixel_step_,
               channels, pixels);
  } else if (parts == 1 && std::abs(step) <= std::abs(step_of_channel)) {
    for (int64_t c = 0; c < channels; ++c)
      load(from + c * step_of_channel, {pixels, 1, step, item}, planes_ + c * pixels);
    turn_.turn(planes_, pixels, 1, to, pixel_step_, channels, pixels);
  } else {
    for (int64_t j = 0; j < pixels; ++j)
      load(from + j * step, {channels / parts, parts, step_of_channel, item}, to + j * pixel_step_);
  }
}

// Pixels [begin, end) of a row, all beyond the input.
template <class T>
void GradientStrip<T>::fill_outside(const char* from, int64_t first, int64_t begin, int64_t end, T* row) {
  const LayerAxis& columns = plan_.p.axes.back();
  for (int64_t j = begin; j < end; ++j) {
    T* to = row + j * pixel_step_;
    const int64_t i = boundary_index(first + j * plan_.pixel_stride, columns.in, columns.boundary);
    if (i < 0)
      std::fill(to, to + pixel_step_, T(0));
    else
      load_pixels(from + i * columns.in_step, 1, to);
  }
}

// Columns from `channels` to `width` stay 0.
template <class T>
void GradientStrip<T>::load_panel(const char* from, int64_t terms, int64_t channels, int64_t width, T* to) {
  const LayerProblem& p = plan_.p;
  const int64_t item = kItemSize[int(p.out)], step = p.axes.back().out_step, parts = p.parts();
  const int64_t step_of_channel = p.out_channel_step;
  const bool own = p.out == own_type<T>() && step % item == 0 && step_of_channel % item == 0;
  const bool contiguous = step_of_channel == item * parts || channels == parts;
  const auto load = convert_.load[int(p.out)];
  if (own && contiguous) {
    copy_lines(channels * item, from, step, reinterpret_cast<char*>(to), width * item, terms);
  } else if (own && parts == 1 && std::abs(step) <= std::abs(step_of_channel)) {
    turn_.turn(reinterpret_cast<const T*>(from), step_of_channel / item, step / item, to, width, channels,
               terms);
  } else if (parts == 1 && std::abs(step) <= std::abs(step_of_channel)) {
    for (int64_t j = 0; j < terms; j += depth_) {  // a line at a time
      const int64_t n = std::min(depth_, terms - j);
      for (int64_t c = 0; c < channels; ++c)
        load(from + j * step + c * step_of_channel, {n, 1, step, item}, planes_ + c * n);
      turn_.turn(planes_, n, 1, to + j * width, width, channels, n);
    }
  } else {
    for (int64_t j = 0; j < terms; ++j)
      load(from + j * step, {channels / parts, parts, step_of_channel, item}, to + j * width);
  }
}

template class GradientStrip<float>;
template class GradientStrip<double>;

}  // namespace faltung
