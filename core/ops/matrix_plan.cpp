#include "core/ops/matrix_plan.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace faltung {
namespace {

constexpr int64_t kTerms = 32;  // of a step
constexpr int64_t kTileRows = 16;
constexpr int64_t kStripBytes = 1280 << 10;  // of a near cache of 2 MB, beside weights and sums
constexpr int64_t kBandPositions = 1024;     // whose sums are under way at once
constexpr int64_t kChain = 240;              // products of tiles that the unit sums, at most

int64_t up(int64_t n, int64_t d) {
  return (n + d - 1) / d;
}

void demand(bool condition, const char* reason) {
  if (!condition) throw std::invalid_argument(reason);
}

bool is_float(DType t) {
  return t == DType::f32 || t == DType::f16 || t == DType::bf16;
}

std::vector<int64_t> phases_of(const LayerAxis& a) {
  std::vector<int64_t> found;
  for (int64_t h = 0; h < a.taps; ++h) {
    const int64_t phase = h * a.dilation % a.stride;
    if (std::find(found.begin(), found.end(), phase) == found.end()) found.push_back(phase);
  }
  return found;
}

// Places of one phase that `outputs` of an axis read.
int64_t places(const LayerAxis& a, int64_t outputs) {
  return outputs + (a.taps - 1) * a.dilation / a.stride;
}

int64_t index_of(const std::vector<int64_t>& phases, int64_t phase) {
  return std::find(phases.begin(), phases.end(), phase) - phases.begin();
}

// What so many positions side by side cost, in tiles of 32: half a tile takes more than half the time.
double tiles(int64_t positions) {
  const int64_t rest = positions % (2 * kTileRows);
  return double(positions / (2 * kTileRows)) + (rest == 0 ? 0 : rest <= kTileRows ? 0.6 : 1);
}

// Whether rows of outputs are cheaper where positions count on over what lies between them.
bool flow_pays(const LayerAxis& columns, int64_t rows) {
  return tiles((rows - 1) * places(columns, columns.out) + columns.out) < double(rows) * tiles(columns.out);
}

// Sizes of the strip for boxes of `rows` output rows.
void measure(MatrixPlan& m, int64_t rows) {
  const LayerAxis& columns = m.d.p.axes.back();
  const bool two = m.has_rows();
  const LayerAxis* axis = two ? &m.d.p.axes[m.d.p.axes.size() - 2] : nullptr;
  m.phase_rows = two ? places(*axis, rows) : 1;
  m.phase_pixels = m.sorted_columns
                       ? places(columns, m.d.columns)
                       : (m.d.columns - 1) * columns.stride + (columns.taps - 1) * columns.dilation + 1;
  m.sheet = int64_t(m.row_phases.size() * m.column_phases.size()) * m.phase_rows * m.phase_pixels * m.pixel;
}

// Sheets that a box of outputs reads.
int64_t sheets_of(const MatrixPlan& m) {
  int64_t n = m.d.box[0];
  for (size_t a = 0; a + 2 < m.d.p.axes.size(); ++a) {
    const LayerAxis& axis = m.d.p.axes[a];
    n *= std::min({axis.in, m.d.box[a + 1] * axis.taps,
                   (m.d.box[a + 1] - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1});
  }
  return std::max<int64_t>(n, 1);
}

// The box grows from the innermost axis on, as long as its strip fits.
void cut_box(MatrixPlan& m) {
  DensePlan& d = m.d;
  const size_t axes = d.p.axes.size();
  const auto bytes = [&] {
    measure(m, axes > 1 ? d.box[axes - 1] : 1);
    return sheets_of(m) * m.sheet * m.parts * int64_t(sizeof(uint16_t));
  };
  d.box.assign(axes, 1);
  d.columns = d.p.axes.back().out;
  while (d.columns > 2 * kTileRows && bytes() > kStripBytes)
    d.columns = std::max(2 * kTileRows, up(d.columns / 2, 2 * kTileRows) * 2 * kTileRows);
  for (size_t a = axes; a-- > 0 && d.columns == d.p.axes.back().out;) {
    const int64_t size = a == 0 ? d.p.batch : d.p.axes[a - 1].out;
    int64_t n = size;
    for (d.box[a] = n; n > 1 && bytes() > kStripBytes; d.box[a] = n) n = up(n, 2);
    if (n < size) break;
  }
  // Boxes of equal size.
  for (size_t a = 0; a < axes; ++a) {
    const int64_t size = a == 0 ? d.p.batch : d.p.axes[a - 1].out;
    if (size > 0) d.box[a] = up(size, up(size, d.box[a]));
  }
  measure(m, axes > 1 ? d.box[axes - 1] : 1);
  m.sheets = sheets_of(m);
  m.strip = m.sheets * m.sheet;
}

// The unit adds two chains of 16 products to a sum, so T products of tiles cost 1.02 (17 + T) units of u S, and every sum
// that is added to those before one more. As many steps as keep that below what any method may owe for so few terms.
int64_t steps_at_once(const MatrixPlan& m, int64_t extra_terms) {
  const int64_t terms = m.d.terms + extra_terms;
  const double allowed = 1.1 * double(std::min<int64_t>(terms, 256)) + double(up(terms, 256)) + 20;
  const int64_t run = int64_t(m.steps.size());
  for (int64_t n = std::min(run, kChain / m.products); n > 0; --n) {
    const int64_t sums = m.outer_taps * up(run, n);
    if (1.02 * double(17 + n * m.products + sums) + double(extra_terms) <= allowed) return n;
  }
  return 0;
}

void list_steps(MatrixPlan& m) {
  const LayerAxis& columns = m.d.p.axes.back();
  const LayerAxis one{1, 1, 1, 1, 1, 0, Boundary::constant, 0, 0, 0, 0};
  const LayerAxis& rows = m.has_rows() ? m.d.p.axes[m.d.p.axes.size() - 2] : one;
  const int64_t channels = m.d.in_channels, stride = m.sorted_columns ? columns.stride : 1;
  const bool folded = m.pixel == channels && columns.dilation == 1 && stride == 1;
  const int64_t runs = folded ? 1 : columns.taps, depth = folded ? columns.taps * channels : channels;
  for (int64_t h = 0; h < rows.taps; ++h)
    for (int64_t w = 0; w < runs; ++w) {
      const int64_t at = h * rows.dilation, pixel = w * columns.dilation;
      const int64_t phase = index_of(m.row_phases, at % rows.stride) * int64_t(m.column_phases.size()) +
                            (m.sorted_columns ? index_of(m.column_phases, pixel % stride) : 0);
      const int64_t place = (phase * m.phase_rows + at / rows.stride) * m.phase_pixels + pixel / stride;
      for (int64_t t = 0; t < depth; t += kTerms)
        m.steps.push_back({(place * m.pixel + t) * int64_t(sizeof(uint16_t)),
                           (h * columns.taps + w) * channels + t, std::min(kTerms, depth - t)});
    }
}

}  // namespace

int64_t MatrixPlan::row_step() const {
  return (sorted_columns ? 1 : d.p.axes.back().stride) * pixel * int64_t(sizeof(uint16_t));
}

int64_t MatrixPlan::line_step() const {
  return phase_pixels * pixel * int64_t(sizeof(uint16_t));
}

int64_t MatrixPlan::most_positions() const {
  const int64_t rows = has_rows() ? d.box[d.p.axes.size() - 1] : 1;
  return flows ? (rows - 1) * phase_pixels + d.columns : rows * d.columns;
}

MatrixPlan schedule_matrix(const LayerProblem& problem, int products) {
  demand(problem.compute == Compute::f32, "the matrix unit computes in float32");
  demand(is_float(problem.in) && is_float(problem.weight) && is_float(problem.out),
         "needs floating-point numbers");
  demand(!problem.complex_numbers, "complex numbers are not taken");
  demand(problem.terms() > 0, "a sum has no terms");
  MatrixPlan m{};
  m.products = products;
  m.parts = products == 6 ? 3 : products == 3 ? 2 : 1;
  DensePlan& d = m.d;
  d.p = merge_axes(problem);
  d.item = sizeof(float);
  d.lanes = 16;
  d.in_channels = d.p.group_in();
  d.out_channels = d.p.group_out();
  d.kernel_rows = 1;
  for (size_t a = 0; a + 1 < d.p.axes.size(); ++a) d.kernel_rows *= d.p.axes[a].taps;
  d.terms = d.kernel_rows * d.p.axes.back().taps * d.in_channels;
  d.packs = true;
  d.vector_cycles = 0.075 * products, d.sample_cycles = 1.2;
  d.tile_rows = 2 * kTileRows;
  d.tile_vectors = 2;
  d.out = std::abs(d.p.axes.back().out_step) < std::abs(d.p.out_channel_step) ? DenseOut::planes
                                                                              : DenseOut::positions;
  const int64_t vectors = up(d.out_channels, d.lanes);
  for (int64_t v = 0; v < vectors; v += d.tile_vectors) {
    const int64_t width = std::min<int64_t>(d.tile_vectors, vectors - v), first = v * d.lanes;
    d.panels.push_back(
        {first, std::min(width * d.lanes, d.out_channels - first), int(width), first * d.terms});
  }
  d.group_weights = vectors * d.lanes * d.terms;
  const LayerAxis& columns = d.p.axes.back();
  const size_t axes = d.p.axes.size();
  const int64_t rows = axes > 1 ? d.p.axes[axes - 2].out : 1;
  // Few channels lie side by side with those of the next tap where columns are not sorted; then rows cannot flow.
  const bool folds = columns.taps > 1 && columns.dilation == 1 && d.in_channels % kTerms != 0;
  m.sorted_columns = columns.stride == 1 || !folds || d.in_channels > kTerms;
  m.flows = m.sorted_columns && flow_pays(columns, rows);
  m.row_phases = axes > 1 ? phases_of(d.p.axes[axes - 2]) : std::vector<int64_t>{0};
  m.column_phases = m.sorted_columns ? phases_of(columns) : std::vector<int64_t>{0};
  m.pixel = d.in_channels;
  // Rows of a tile that lie many lines of the cache apart fall into few of its sets.
  const int64_t between = m.pixel * (m.sorted_columns ? 1 : columns.stride) * int64_t(sizeof(uint16_t));
  if (between % 1024 == 0) m.pixel += kTerms;
  cut_box(m);
  list_steps(m);
  m.outer_taps = 1;
  for (size_t a = 0; a + 2 < axes; ++a) m.outer_taps *= d.p.axes[a].taps;
  m.chunk_steps = steps_at_once(m, (d.p.bias ? 1 : 0) + (d.p.residual ? 1 : 0));
  demand(m.chunk_steps > 0, "too few terms for the rounding of the matrix unit");
  d.band = std::min(kBandPositions, up(m.most_positions(), 2 * kTileRows) * 2 * kTileRows);
  return m;
}

}  // namespace faltung
