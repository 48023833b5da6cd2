// Rows of tiles over a table of lines.
#pragma once
#include "core/ops/stencil_shapes.h"

namespace faltung {

// Lines to fetch into the cache during a sweep, one for each tile row; `step` bytes of each a tile. None: null.
struct Ahead {
  const char* const* lines = nullptr;
  int64_t step = 0;
};

template <class T>
class Sweeper {
 public:
  // `runs` is scratch for all runs of the schedule.
  Sweeper(const StencilSchedule& schedule, const Shapes<T>& shapes, StencilRun<T>* runs)
      : s_(schedule), shapes_(shapes), runs_(runs) {}

  // Sets the weights and where the taps stand in a line; every sweep after it uses them.
  void resolve(const T* weights, const Layout& layout);

  // One row of tiles of `rows` rows, `elements` wide, from element x of the lines. Overlapping: the last tile ends where the
  // row ends (elements >= lanes). Else it is padded to whole vectors.
  void row(const T* const* table, const Layout& layout, int64_t rows, int64_t x, int64_t elements, T* c,
           int64_t ldc, bool overlap, const Ahead& ahead) const;

  // One line in blocked form: tile rows are neighbouring blocks. Overlapping: elements >= block.
  void blocked_line(const T* const* table, const Layout& layout, int64_t x, int64_t elements, T* c,
                    bool overlap) const;

 private:
  void tiles(const Shape<T>& shape, const T* const* table, const Layout& layout, int64_t x, int64_t count,
             int64_t advance, T* c, int64_t ldc, const Ahead& ahead) const;

  const StencilSchedule& s_;
  const Shapes<T>& shapes_;
  StencilRun<T>* runs_;
};

}  // namespace faltung
