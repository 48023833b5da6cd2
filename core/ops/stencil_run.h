// A stencil schedule carried out on arrays: row tables, tiles, borders, threads.
#pragma once
#include <vector>

#include "core/base/memory.h"
#include "core/kernels/select.h"
#include "core/ops/correlate.h"
#include "core/ops/stencil_lines.h"
#include "core/ops/stencil_sweep.h"

namespace faltung {

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
  void run_unit(int64_t unit, const char* in, const char* kernel, char* out, const T* weights,
                Workspace& w) const;
  void direct_columns(const Unit& u, Interval columns, Workspace& w) const;
  void packed_columns(const Unit& u, const Layout& layout, const Interval* intervals, int count,
                      Workspace& w) const;
  const char* plane_of(const Unit& u, int64_t panel) const;
  const char* line_of(const Unit& u, const char* plane, int64_t panel, int64_t entry) const;
  void store_rows(const Unit& u, int64_t row, int64_t rows, Interval columns, const T* c, int64_t ldc,
                  Workspace& w) const;
  bool repair_borders(const void* in, const void* kernel, void* out, int threads, Poll poll) const;

  Problem problem_;
  StencilSchedule s_;
  Shapes<T> shapes_;
  const ConvertTable<T>& convert_;
  LinePacker<T> packer_;
  Summary summary_;
  int64_t tile_elements_;  // a row of the tile buffer
  size_t table_bytes_, lines_bytes_, tile_bytes_, fill_bytes_, runs_bytes_, weight_bytes_;
};

template <class T>
struct StencilCorrelation<T>::Workspace {
  // Lays the buffers out in `memory`.
  Workspace(const StencilCorrelation& c, char* memory)
      : table(reinterpret_cast<const T**>(memory)),
        lines(reinterpret_cast<T*>(memory += c.table_bytes_)),
        tile(reinterpret_cast<T*>(memory += c.lines_bytes_)),
        fill(reinterpret_cast<T*>(memory += c.tile_bytes_)),
        sweeper(c.s_, c.shapes_, reinterpret_cast<StencilRun<T>*>(memory += c.fill_bytes_)),
        weights(reinterpret_cast<T*>(memory += c.runs_bytes_)) {}

  const T** table;  // rows of the lines that the tiles read, panel by panel
  T* lines;         // packed lines
  T* tile;          // results on their way into the output
  T* fill;          // a line of the constant
  Sweeper<T> sweeper;
  T* weights;  // of one kernel, where the batch has several
  int64_t kernel_item = -1;
  LinePlan line_plan;
  bool filled = false, reported = false, finite = true;
};

template <class T>
struct StencilCorrelation<T>::Unit {
  const char* in;
  char* out;
  const T* weights;
  int64_t row_class, row_begin, row_end;  // rows of the class
  Interval columns;
  int64_t outer[64];

  int64_t rows() const { return row_end - row_begin; }
};

}  // namespace faltung
