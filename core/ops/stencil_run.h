// A stencil schedule carried out on arrays: row tables, tiles, borders, threads.
#pragma once
#include <array>
#include <atomic>
#include <map>
#include <vector>

#include "core/base/memory.h"
#include "core/kernels/select.h"
#include "core/ops/correlate.h"
#include "core/ops/stencil_lines.h"

namespace faltung {

// Tile shapes of one table, by rows and vectors.
template <class T>
class Shapes {
 public:
  Shapes(const StencilTable<T>& table, bool complex_weights);
  TileLimits limits() const { return limits_; }
  bool has(int64_t rows, int64_t vectors) const { return grid_[size_t(rows)][size_t(vectors)] != nullptr; }
  const Shape<T>& at(int64_t rows, int64_t vectors) const { return *grid_[size_t(rows)][size_t(vectors)]; }
  int64_t widest(int64_t rows) const { return widest_[size_t(rows)]; }
  // Rows of the next tile where `left` rows of a strip are left: the least work, a partial tile counted whole.
  int64_t next(int64_t left, int64_t strip, bool tall) const;

 private:
  std::vector<Shape<T>> shapes_;
  std::array<std::array<const Shape<T>*, 8>, 32> grid_{};
  std::array<int, 32> widest_{};
  TileLimits limits_{};
};

template <class T>
class StencilCorrelation final : public Correlation {
 public:
  StencilCorrelation(const Problem& problem, Isa isa);
  Outcome run(const void* in, const void* kernel, void* out, int threads, Poll poll) const override;
  const Summary& summary() const override { return summary_; }

 private:
  struct Workspace;
  struct Unit;
  bool pack_weights(const char* kernel, T* packed) const;  // false: a tap is not finite
  void run_unit(int64_t unit, const char* in, const char* kernel, char* out, const T* weights, Workspace& w) const;
  void direct_columns(const Unit& u, Interval columns, Workspace& w) const;
  void packed_columns(const Unit& u, const Layout& layout, const Interval* intervals, int count, Workspace& w) const;
  void resolve(const Unit& u, const Layout& layout, Workspace& w) const;
  void blocked_line(const T* const* table, const Layout& layout, int64_t x, int64_t elements, T* c, bool overlap,
                    Workspace& w) const;
  void sweep(const T* const* table, const Layout& layout, int64_t rows, int64_t x, int64_t elements, T* c, int64_t ldc,
             bool overlap, Workspace& w) const;
  void tiles(const Shape<T>& shape, const T* const* table, const Layout& layout, int64_t x, int64_t count, int64_t advance,
             T* c, int64_t ldc, Workspace& w) const;
  const char* line_of(const Unit& u, int64_t panel, int64_t entry) const;
  void store_rows(const Unit& u, int64_t row, int64_t rows, Interval columns, const T* c, int64_t ldc, Workspace& w) const;
  void repair_borders(const void* in, const void* kernel, void* out, int threads, Poll poll) const;

  Problem problem_;
  StencilSchedule s_;
  Shapes<T> shapes_;
  const ConvertTable<T>& convert_;
  LinePacker<T> packer_;
  Summary summary_;
  int64_t tile_elements_;  // a row of the tile buffer
  size_t table_bytes_, lines_bytes_, tile_bytes_, fill_bytes_, runs_bytes_, weight_bytes_;
};

}  // namespace faltung
