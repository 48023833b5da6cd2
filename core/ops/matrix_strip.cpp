#include "core/ops/matrix_strip.h"

#include <algorithm>
#include <cstring>

namespace faltung {
namespace {

constexpr int64_t kTileRows = 32;  // that a product reads, whether they are positions or not
constexpr int64_t kTerms = 32;
constexpr int64_t kPieceBytes = 24 << 10;  // of a first cache of 48 KB

}  // namespace

MatrixStrip::MatrixStrip(const MatrixPlan& plan, const MatrixTable& matrix,
                         const ConvertTable<float>& convert, const TurnTable<float>& turn, DenseArena& arena)
    : plan_(plan), matrix_(matrix), convert_(convert), turn_(turn), rows_(plan.d, arena) {
  const int64_t beyond = kTileRows * plan.row_step() + kTerms;
  strip_ = arena.take<uint16_t>(plan.strip * plan.parts + beyond);
  piece_ = std::min(plan.phase_pixels,
                    std::max<int64_t>(16, kPieceBytes / (plan.pixel * int64_t(sizeof(float))) / 16 * 16));
  line_ = arena.take<float>(piece_ * plan.pixel);
  planes_ = arena.take<float>(piece_ * plan.d.in_channels);
}

void MatrixStrip::clear(uint16_t* to, int64_t elements) {
  for (int p = 0; p < plan_.parts; ++p)
    std::memset(to + p * plan_.strip, 0, size_t(elements) * sizeof(uint16_t));
}

bool MatrixStrip::select(const DenseBox& box, const char* in) {
  const LayerProblem& p = plan_.d.p;
  const size_t axes = p.axes.size(), outer = axes > 2 ? axes - 2 : 0;
  rows_.select(box);
  const char* group = in + box.group * p.group_in() * p.in_channel_step;
  bool fine = true;
  int64_t sheets = box.size[0];
  for (size_t a = 0; a < outer; ++a) sheets *= rows_.count(a);
  for (int64_t s = 0; s < sheets; ++s) {
    int64_t rest = s;
    const char* from = group;
    for (size_t a = outer; a-- > 0;) {
      from += rows_.source(a, rest % rows_.count(a)) * p.axes[a].in_step;
      rest /= rows_.count(a);
    }
    from += (box.begin[0] + rest) * p.in_batch_step;
    fine = fill_sheet(box, from, strip_ + s * plan_.sheet) && fine;
  }
  // Whatever a tile reads beyond its terms meets weights of zero, and must be a number.
  uint16_t* end = strip_ + plan_.strip * plan_.parts;
  const int64_t beyond = kTileRows * plan_.row_step() + kTerms;
  std::memset(end, 0, size_t(beyond) * sizeof(uint16_t));
  if (sheets < plan_.sheets) clear(strip_ + sheets * plan_.sheet, plan_.strip - sheets * plan_.sheet);
  return fine;
}

bool MatrixStrip::fill_sheet(const DenseBox& box, const char* from, uint16_t* to) {
  const LayerProblem& p = plan_.d.p;
  const size_t axes = p.axes.size();
  const LayerAxis& columns = p.axes.back();
  const LayerAxis* rows = axes > 1 ? &p.axes[axes - 2] : nullptr;
  const int64_t line = plan_.phase_pixels * plan_.pixel, step = plan_.sorted_columns ? columns.stride : 1;
  const int64_t first_column = box.column * columns.stride - columns.pad;
  // What the box needs, and behind it zeros: the last step of a position may read beyond its terms.
  const auto places = [](const LayerAxis& a, int64_t outputs) {
    return outputs + (a.taps - 1) * a.dilation / a.stride;
  };
  const int64_t needed_rows = rows ? places(*rows, box.size[axes - 1]) : 1;
  const int64_t needed = plan_.sorted_columns
                             ? places(columns, box.columns)
                             : (box.columns - 1) * columns.stride + (columns.taps - 1) * columns.dilation + 1;
  const int64_t beyond = plan_.pixel + kTerms, behind = std::min(line - needed * plan_.pixel, beyond);
  const int64_t cleared_rows = beyond / line + 1;
  bool fine = true;
  for (const int64_t row_phase : plan_.row_phases)
    for (const int64_t column_phase : plan_.column_phases)
      for (int64_t r = 0; r < plan_.phase_rows; ++r, to += line) {
        if (r >= needed_rows + cleared_rows) continue;
        const char* source = from;
        bool inside = r < needed_rows;
        if (rows && inside) {
          const int64_t row = (box.begin[axes - 1] + r) * rows->stride + row_phase - rows->pad;
          const int64_t i = boundary_index(row, rows->in, rows->boundary);
          inside = i >= 0;
          source += inside ? i * rows->in_step : 0;
        }
        if (!inside) {
          clear(to, line);
          continue;
        }
        fine = fill_line(source, first_column + column_phase, step, needed, to) && fine;
        clear(to + needed * plan_.pixel, behind);
      }
  return fine;
}

// Pixels of one phase; the first stands at `first` of the axis of columns.
bool MatrixStrip::fill_line(const char* from, int64_t first, int64_t step, int64_t pixels, uint16_t* to) {
  const LayerAxis& columns = plan_.d.p.axes.back();
  const int64_t begin = std::clamp<int64_t>(first >= 0 ? 0 : (-first + step - 1) / step, 0, pixels);
  const int64_t end =
      std::clamp<int64_t>(first >= columns.in ? 0 : (columns.in - first + step - 1) / step, begin, pixels);
  bool fine = true;
  const auto split = [&](const char* source, int64_t at, int64_t count) {
    load_pixels(source, step, count, line_);
    fine =
        !matrix_.split(line_, count * plan_.pixel, plan_.parts, to + at * plan_.pixel, plan_.strip) && fine;
  };
  for (int64_t j = begin; j < end; j += piece_)  // what is turned is still near when it is split
    split(from + (first + j * step) * columns.in_step, j, std::min(piece_, end - j));
  const auto fill_outside = [&](int64_t j) {
    const int64_t i = boundary_index(first + j * step, columns.in, columns.boundary);
    if (i < 0)
      clear(to + j * plan_.pixel, plan_.pixel);
    else
      split(from + i * columns.in_step, j, 1);
  };
  for (int64_t j = 0; j < begin; ++j) fill_outside(j);
  for (int64_t j = end; j < pixels; ++j) fill_outside(j);
  return fine;
}

void MatrixStrip::load_pixels(const char* from, int64_t every, int64_t pixels, float* to) {
  const LayerProblem& p = plan_.d.p;
  const int64_t channels = plan_.d.in_channels, item = kItemSize[int(p.in)], pixel = plan_.pixel;
  const int64_t step = p.axes.back().in_step * every;
  const bool own = p.in == DType::f32 && step % item == 0 && p.in_channel_step % item == 0;
  const auto load = convert_.load[int(p.in)];
  if (p.in_channel_step == item || channels == 1) {
    if (pixel == channels && step == channels * item) {
      load(from, {pixels * channels, 1, item, item}, to);
    } else {
      for (int64_t j = 0; j < pixels; ++j) load(from + j * step, {channels, 1, item, item}, to + j * pixel);
    }
  } else if (own && step == item) {
    turn_.turn(reinterpret_cast<const float*>(from), p.in_channel_step / item, 1, to, pixel, channels,
               pixels);
  } else {
    for (int64_t c = 0; c < channels; ++c)
      load(from + c * p.in_channel_step, {pixels, 1, step, item}, planes_ + c * pixels);
    turn_.turn(planes_, pixels, 1, to, pixel, channels, pixels);
  }
  if (pixel > channels)
    for (int64_t j = 0; j < pixels; ++j) std::fill(to + j * pixel + channels, to + (j + 1) * pixel, 0.0f);
}

const char* MatrixStrip::sheet(int64_t item, const int64_t* at, int64_t tap) const {
  const LayerProblem& p = plan_.d.p;
  const size_t outer = p.axes.size() > 2 ? p.axes.size() - 2 : 0;
  int64_t sheet = item, size = plan_.outer_taps;
  for (size_t a = 0; a < outer; ++a) {
    size /= p.axes[a].taps;
    const int64_t met = rows_.met(a, at[a], tap / size);
    tap %= size;
    if (met < 0) return nullptr;
    sheet = sheet * rows_.count(a) + met;
  }
  return reinterpret_cast<const char*>(strip_ + sheet * plan_.sheet);
}

}  // namespace faltung
