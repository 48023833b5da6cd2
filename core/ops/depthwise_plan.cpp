#include "core/ops/depthwise_plan.h"

namespace faltung {
namespace {

constexpr int64_t kChain = 256;  // terms a register sums from zero
// Lines and weights that the tiles of a block read again and again, and neighbouring channels that are read at once: small
// blocks where everything stays in the second cache, long reads where it does not.
constexpr int64_t kFarBytes = 2 << 20;
constexpr int64_t kNearBytes[2] = {32 * 1024, 128 * 1024};
constexpr int64_t kChannelBytes[2] = {512, 1024};
constexpr int64_t kLeastChannelBytes = 256;  // before lines are cut instead
constexpr int64_t kUnitWork = 2 << 20;       // multiply-adds a unit, about: 20 microseconds

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

LayerAxis single() {
  return {1, 1, 1, 1, 1, 0, Boundary::constant, 0, 0, 0, 0};
}

// Gives the parts in order, and sets sums aside before a register would add up more than kChain terms.
class PartBuilder {
 public:
  explicit PartBuilder(std::vector<DepthwisePart>& parts) : parts_(parts) {}

  template <class Emit>
  void add(int64_t row, int64_t offset, int64_t rows, int64_t taps, Emit emit) {
    for (int64_t done = 0; done < rows;) {
      int64_t room = (kChain - terms_) / taps;
      if (room == 0) {
        parts_.back().flush = true;
        terms_ = 0;
        room = kChain / taps;
      }
      const int64_t n = std::min(room, rows - done);
      parts_.push_back({row + done, offset, n, taps, false});
      for (int64_t i = done; i < done + n; ++i)
        for (int64_t t = 0; t < taps; ++t) emit(i, t);
      terms_ += n * taps;
      done += n;
    }
  }

 private:
  std::vector<DepthwisePart>& parts_;
  int64_t terms_ = 0;
};

}  // namespace

DepthwiseSchedule::DepthwiseSchedule(const LayerProblem& problem, const DepthwiseLimits& limits, int64_t item)
    : rows(problem.axes.size() >= 2 ? problem.axes[problem.axes.size() - 2] : single()),
      columns(problem.axes.back()),
      channels(problem.out_channels) {
  if (problem.axes.size() > 2) outer.assign(problem.axes.begin(), problem.axes.end() - 2);
  int64_t outer_taps = 1;
  for (const LayerAxis& a : outer) outer_outputs *= a.out, outer_taps *= a.taps;
  const int64_t row_classes = int64_t(rows.class_taps.size());
  panels = outer_taps * row_classes;

  // Two rows share samples where a kernel has more than one, and where its taps leave the registers for it.
  const bool tall = rows.outputs(0) >= 2 && rows.most_taps() >= 2 &&
                    (limits.tall_taps >= limits.flat_taps || columns.most_taps() <= limits.tall_taps);
  tile_rows = tall ? 2 : 1;
  entries = tile_rows + rows.most_taps() - 1;
  const int64_t most_taps = tall ? std::min(limits.tall_taps, limits.flat_taps) : limits.flat_taps;

  PartBuilder builder(parts);
  for (int64_t panel = 0; panel < panels; ++panel) {
    int64_t start = 0;
    for (int64_t rest = panel / row_classes, a = int64_t(outer.size()); a-- > 0;) {
      start += rest % outer[size_t(a)].taps * outer[size_t(a)].weight_step;
      rest /= outer[size_t(a)].taps;
    }
    const int64_t row_class = panel % row_classes;
    for (size_t x = 0; x < columns.class_taps.size(); ++x) {
      const int64_t all = columns.class_taps[x], count = ceil_div(all, most_taps);
      for (int64_t piece = 0, q = 0; piece < count; ++piece) {
        const int64_t n = all / count + (piece < all % count);
        builder.add(panel * entries, int64_t(x) * columns.axis.dilation + q * columns.step,
                    rows.class_taps[size_t(row_class)], n, [&](int64_t i, int64_t t) {
                      taps.push_back(start + rows.tap(row_class, i) * rows.axis.weight_step +
                                     columns.tap(int64_t(x), q + t) * columns.axis.weight_step);
                    });
        q += n;
      }
    }
  }

  const LayerAxis& c = columns.axis;
  interior_begin = std::min(c.out, ceil_div(std::max<int64_t>(c.pad, 0), c.stride));
  const int64_t last = c.in - 1 - (c.taps - 1) * c.dilation + c.pad;
  interior_end = std::max(interior_begin, last < 0 ? 0 : std::min(c.out, last / c.stride + 1));

  int64_t samples = problem.in_channels;
  for (const LayerAxis& a : problem.axes) samples *= a.in;
  const bool far = problem.far || (samples + channels * problem.positions()) * item > kFarBytes;
  const int64_t whole = std::lcm<int64_t>(limits.lanes, problem.group_out());
  const auto whole_blocks = [&](int64_t n) { return std::max(whole, n / whole * whole); };
  channel_block = whole_blocks(std::min(ceil_div(channels, whole) * whole, kChannelBytes[far] / item));
  column_block = c.out;
  const auto near_bytes = [&] {
    const int64_t lines = panels * entries * columns.reach(column_block);
    return (lines + int64_t(taps.size())) * channel_block * item;
  };
  const int64_t least_columns = 4 * limits.columns * columns.classes;
  while (near_bytes() > kNearBytes[far]) {
    if (channel_block * item > kLeastChannelBytes && channel_block > whole)
      channel_block = whole_blocks(channel_block / 2);
    else if (column_block > least_columns)
      column_block = std::max(least_columns, ceil_div(column_block, 2));
    else if (channel_block > whole)
      channel_block = whole_blocks(channel_block / 2);
    else
      break;
  }
  channel_blocks = std::max<int64_t>(1, channels / channel_block);
  most_channels = block_end(channel_blocks - 1) - block_begin(channel_blocks - 1);
  if (channel_blocks > 1) most_channels = std::max(most_channels, channel_block);
  width = std::max<int64_t>(most_channels, limits.lanes);
  column_blocks = std::max<int64_t>(1, ceil_div(c.out, column_block));
  column_block = ceil_div(c.out, column_blocks);

  // Strips overlap by what a kernel reaches beyond its row.
  const int64_t class_rows = std::max<int64_t>(1, rows.outputs(0));
  const int64_t row_work = std::max<int64_t>(1, int64_t(taps.size()) * column_block * channel_block);
  strip_rows =
      std::clamp<int64_t>(kUnitWork / row_work, std::min(class_rows, 4 * rows.most_taps()), class_rows);
  strip_rows = std::min(class_rows, ceil_div(strip_rows, tile_rows) * tile_rows);
  strips = ceil_div(class_rows, strip_rows);
  units = problem.batch * outer_outputs * rows.classes * strips * column_blocks * channel_blocks;
}

}  // namespace faltung
