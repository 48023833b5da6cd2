#include "core/ops/spectral_strips.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace faltung {
namespace {

constexpr int64_t kPage = 4096;             // bytes between lines of one cache set of L1
constexpr int64_t kPanelBytes = 64 * 1024;  // beside a strip and its lines in L2
constexpr int64_t kMostPanelStrips = 8;

}  // namespace

template <class T>
SpectralStrips<T>::SpectralStrips(const SpectralBasis<T>& basis, int64_t fold)
    : b_(basis),
      axis_(b_.grid.axes.back()),
      reader_(b_.grid.problem, axis_.axis, b_.convert),
      writer_(b_.grid.problem, axis_.axis, b_.convert),
      folded_(fold > 0),
      rows_(folded_ ? fold : b_.grid.points() / axis_.points),
      columns_(folded_ ? axis_.points / fold : axis_.points),
      line_(columns_, b_.table.radix),
      lanes_(b_.table.lanes),
      parts_(b_.grid.problem.parts()) {
  std::vector<int64_t> points;
  if (folded_)
    points.push_back(fold);
  else
    for (size_t a = 0; a + 1 < b_.grid.axes.size(); ++a) points.push_back(b_.grid.axes[a].points);
  for (const int64_t n : points) leading_.emplace_back(n, b_.table.radix);
  // Rows stand in a strip with the gaps of the transform along the last leading axis, and odd strides before it.
  const Fourier<T>& inner = leading_.back();
  row_gap_ = inner.gap();
  pitch_.assign(points.size(), 1);
  strip_pairs_ = inner.n() + (inner.n() - 1) / inner.run() * row_gap_;
  for (size_t a = points.size() - 1; a-- > 0;) {
    pitch_[a] = strip_pairs_ |= 1;
    strip_pairs_ *= points[a];
  }
  for (int64_t y = 0; y < rows_; ++y) {
    int64_t rest = y, at = rest % inner.n();
    at += at / inner.run() * row_gap_;
    rest /= inner.n();
    for (size_t a = points.size() - 1; a-- > 0;) {
      at += rest % points[a] * pitch_[a];
      rest /= points[a];
    }
    row_at_.push_back(at * pair());
  }
  groups_ = (rows_ + lanes_ - 1) / lanes_;
  // What one strip leaves in the groups stands side by side in the cache, or as near as a quarter more memory allows.
  int64_t page = std::max<int64_t>(1, kPage / (pair() * int64_t(sizeof(T))));
  // Gaps part runs of columns; a strip must lie inside one.
  gap_ = line_.run() % lanes_ == 0 ? line_.gap() : 0;
  const int64_t least_pitch = column(columns_ - 1, gap_) / pair() + 1;
  const auto padded = [&] { return least_pitch + ((lanes_ - least_pitch) % page + page) % page; };
  while (page > 1 && padded() > least_pitch + least_pitch / 4) page /= 2;
  group_pitch_ = padded();
  if (folded_) fold_tables();

  const Problem& p = b_.grid.problem;
  panel_strips_ = std::clamp<int64_t>(kPanelBytes / (halves() * rows_ * lanes_ * parts_ * int64_t(sizeof(T))),
                                      1, kMostPanelStrips);
  in_size_ = parts_ * kItemSize[int(p.in)];
  out_size_ = parts_ * kItemSize[int(p.out)];
  const SpectralColumns<T> columns(p, b_.table);
  take_panel_ = columns.take_panel;
  if (reader_.side_by_side()) take_ = columns.take;
  if (writer_.side_by_side() && axis_.axis.stride == 1) give_ = columns.give;
  if (take_) fill_rows(p, columns_, zero_row_, constant_row_);
}

template <class T>
typename SpectralStrips<T>::Buffers SpectralStrips<T>::buffers(SpectralWorkspace<T>& w) const {
  T* z = static_cast<T*>(w.lead->memory.data());
  T* strip = w.lead == &w ? z + block_numbers() : static_cast<T*>(w.memory.data());
  T* panel = strip + strip_numbers();
  T* zeros = panel + panel_numbers();
  return {z, strip, panel, zeros, zeros + pair(), zeros + 2 * pair()};
}

template <class T>
void SpectralStrips<T>::prepare(SpectralWorkspace<T>& w, SpectralWorkspace<T>& lead) const {
  const bool leads = &w == &lead;
  w.lead = &lead;
  w.memory.reserve(leads ? workspace_bytes() : member_bytes());
  w.slots.resize(size_t(halves()));
  w.panel_rows.resize(size_t(halves() * rows_));
  w.halves.resize(size_t(halves()));
  if (leads) {
    w.lines.resize(size_t(halves() * rows_));
    w.rows.resize(size_t(halves() * rows_));
    w.targets.resize(size_t(halves() * rows_));
    if (b_.local) w.pieces.resize(size_t(halves() * columns_));
  }
  const Buffers m = buffers(w);
  for (int64_t i = 0; i < halves() * rows_; ++i)
    w.panel_rows[size_t(i)] = reinterpret_cast<const char*>(m.panel + i * panel_width() * parts_);
  // Gaps are read, though nobody looks at what becomes of them.
  std::fill(m.strip, m.strip + strip_numbers(), T(0));
  std::fill(m.zeros, m.zeros + 3 * pair(), T(0));
}

// ---- transforms ----

// exp(-2 pi i k1 (x + l) / points) = base[x][k1] * across[k1][l].
template <class T>
void SpectralStrips<T>::fold_tables() {
  const std::vector<int64_t> order = leading_[0].order();
  const Roots roots(axis_.points);
  const auto push = [&](std::vector<T>& table, int64_t k, bool imaginary) {
    const std::complex<long double> w = roots.at(k);
    table.push_back(T(imaginary ? w.imag() : w.real()));
  };
  for (const int64_t k : order)
    for (const bool imaginary : {false, true})
      for (int64_t l = 0; l < lanes_; ++l) push(across_, k * l, imaginary);
  for (int64_t x = 0; x < columns_; x += lanes_)
    for (const int64_t k : order)
      for (const bool imaginary : {false, true}) push(base_, k * x, imaginary);
}

template <class T>
void SpectralStrips<T>::twist(int64_t x, T* strip, bool back) const {
  const T* base = base_.data() + x / lanes_ * 2 * rows_;
  const int64_t run = leading_[0].run();
  for (int64_t y = 0; y < rows_; y += run)
    b_.table.twist(strip + row_at_[size_t(y)], base + 2 * y, across_.data() + y * pair(),
                   std::min(run, rows_ - y), back);
}

// Calls f(start) for every line of the strip along one leading axis; the axes before it count up to their limits only.
template <class T>
template <class F>
void SpectralStrips<T>::for_lines(size_t along, const int64_t* limits, F f) const {
  walk_lines(0, 0, along, limits, f);
}
template <class T>
template <class F>
void SpectralStrips<T>::walk_lines(size_t axis, int64_t at, size_t along, const int64_t* limits, F f) const {
  if (axis == leading_.size()) return f(at * pair());
  if (axis == along) return walk_lines(axis + 1, at, along, limits, f);
  const int64_t n = axis < along && limits ? limits[axis] : leading_[axis].n();
  const bool inner = axis + 1 == leading_.size();
  for (int64_t i = 0; i < n; ++i)
    walk_lines(axis + 1, at + (inner ? i + i / leading_[axis].run() * row_gap_ : i * pitch_[axis]), along,
               limits, f);
}

template <class T>
void SpectralStrips<T>::strip_forward(int64_t x, T* strip) const {
  for (size_t a = leading_.size(); a-- > 0;)
    for_lines(a, nullptr, [&](int64_t at) {
      b_.table.forward(strip + at, pitch_[a], leading_[a].stages(a + 1 == leading_.size() ? row_gap_ : 0));
    });
  if (folded_) twist(x, strip, false);
}

// Rows that do not matter are skipped: an axis that is done counts up to its last result.
template <class T>
void SpectralStrips<T>::strip_inverse(int64_t x, const int64_t* results, T* strip) const {
  if (folded_) twist(x, strip, true);
  for (size_t a = 0; a < leading_.size(); ++a)
    for_lines(a, results, [&](int64_t at) {
      b_.table.inverse(strip + at, pitch_[a], leading_[a].stages(a + 1 == leading_.size() ? row_gap_ : 0));
    });
}

template <class T>
void SpectralStrips<T>::strip_to_lines(int64_t x, T* z, int64_t pitch, int64_t gap, const Buffers& m) const {
  const int64_t n = std::min(lanes_, columns_ - x);
  const T* from[kMostLanes];
  for (int64_t g = 0; g < groups_; ++g)
    for (int64_t half = 0; half < 2; ++half) {
      for (int64_t l = 0; l < lanes_; ++l) {
        const int64_t y = g * lanes_ + l;
        from[l] = y < rows_ ? m.strip + row_at_[size_t(y)] + half * lanes_ : m.zeros;
      }
      b_.table.gather(from, n, z + g * pitch * pair() + column(x, gap) + half * lanes_, pair());
    }
}

template <class T>
void SpectralStrips<T>::lines_to_strip(int64_t x, const T* z, const Buffers& m) const {
  const int64_t n = std::min(lanes_, columns_ - x);
  T* to[kMostLanes];
  for (int64_t g = 0; g < groups_; ++g)
    for (int64_t half = 0; half < 2; ++half) {
      for (int64_t l = 0; l < lanes_; ++l) {
        const int64_t y = g * lanes_ + l;
        to[l] = y < rows_ ? m.strip + row_at_[size_t(y)] + half * lanes_ : m.waste;
      }
      b_.table.scatter(z + g * group_pitch_ * pair() + column(x, gap_) + half * lanes_, pair(), n, to);
    }
}

template <class T>
void SpectralStrips<T>::scale_half(T* half, int exponent) const {
  int exponents[kMostLanes];
  const bool clear[kMostLanes] = {};
  std::fill(exponents, exponents + kMostLanes, exponent);
  scale_lanes(b_.table, half, pair(), strip_pairs_, exponents, clear);
}

// ---- a kernel, a pair of blocks ----

template <class T>
void SpectralStrips<T>::transform_kernels(const std::vector<Taps<T>>& taps, T* spectrum,
                                          const SpectralTeam<T>& team) const {
  const Buffers m = buffers(team.lead());
  // The taps' block stands where Z will be.
  const int64_t parts = b_.grid.problem.complex_kernel ? 2 : 1, points = rows_ * columns_;
  std::fill(m.z, m.z + points * parts, T(0));
  std::vector<bool> used(size_t(columns_ / lanes_ + 1));
  for_each_tap(b_.grid, [&](int64_t tap, int64_t position) {
    used[size_t(position % columns_ / lanes_)] = true;
    for (int64_t part = 0; part < parts; ++part)
      m.z[part * points + position] =
          T(std::ldexp(taps[0].values[size_t(tap * parts + part)], taps[0].exponent) / T(points));
  });
  std::memset(static_cast<void*>(spectrum), 0, spectrum_bytes());
  team.share(strips(), [&](int64_t begin, int64_t end, SpectralWorkspace<T>& w) {
    const Buffers own = buffers(w);
    for (int64_t x = begin * lanes_; x < std::min(end * lanes_, columns_); x += lanes_) {
      if (!used[size_t(x / lanes_)]) continue;
      const int64_t n = std::min(lanes_, columns_ - x);
      std::fill(own.strip, own.strip + strip_numbers(), T(0));
      for (int64_t y = 0; y < rows_; ++y)
        for (int64_t part = 0; part < parts; ++part)
          std::copy_n(m.z + part * points + y * columns_ + x, n,
                      own.strip + row_at_[size_t(y)] + part * lanes_);
      strip_forward(x, own.strip);
      strip_to_lines(x, spectrum, columns_, 0, own);
    }
  });
  team.share(groups_, [&](int64_t begin, int64_t end, SpectralWorkspace<T>&) {
    for (int64_t g = begin; g < end; ++g)
      b_.table.forward(spectrum + g * columns_ * pair(), 1, line_.stages());
  });
}

// What the lead knows of its blocks goes to all.
template <class T>
void SpectralStrips<T>::hand_out(const SpectralTeam<T>& team) {
  for (size_t i = 1; i < team.members.size(); ++i) {
    team.members[i]->slots = team.lead().slots;
    team.members[i]->halves = team.lead().halves;
  }
}

template <class T>
void SpectralStrips<T>::run(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
                            const SpectralTeam<T>& team) const {
  SpectralWorkspace<T>& w = team.lead();
  T* z = buffers(w).z;
  place(unit, kernels.first, arrays, w);
  load(team);
  if (std::any_of(w.slots.begin(), w.slots.end(), [](const Slot<T>& s) { return s.transformed(); }))
    team.share(groups_, [&](int64_t begin, int64_t end, SpectralWorkspace<T>&) {
      for (int64_t g = begin; g < end; ++g)
        b_.table.convolve(z + g * group_pitch_ * pair(), 1, line_.stages(gap_),
                          kernels.spectrum + g * columns_ * pair(), true);
    });
  store(kernels, arrays, team);
}

template <class T>
std::unique_ptr<SpectralEngine<T>> make_strips_engine(const SpectralBasis<T>& basis, int64_t rows) {
  return std::make_unique<SpectralStrips<T>>(basis, rows);
}

template class SpectralStrips<float>;
template class SpectralStrips<double>;
template std::unique_ptr<SpectralEngine<float>> make_strips_engine(const SpectralBasis<float>&, int64_t);
template std::unique_ptr<SpectralEngine<double>> make_strips_engine(const SpectralBasis<double>&, int64_t);

}  // namespace faltung
