// Sums on their way out of the tiles: bias and residual as tiles read them, a buffer where a tile cannot be stored where its
// outputs belong, activations over that buffer, conversion, transposition.
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/epilogue.h"
#include "core/kernels/turn.h"
#include "core/ops/dense_box.h"

namespace faltung {

// Tiles of one shape side by side in one output row, or a single tile of two rows.
struct DenseJob {
  int64_t line, half_line, column;
  int64_t rows, tiles;
  int64_t position;             // first row of the buffer
  int64_t first_tap, last_tap;  // columns of the kernel that meet the input somewhere
  int64_t positions() const { return rows * tiles; }
};

template <class T>
class DenseStore {
 public:
  DenseStore(const DensePlan& plan, const ConvertTable<T>& convert, const ConvertTable<double>& wide,
             const TurnTable<T>& turn, const EpilogueTable<T>& epilogue, DenseArena& arena);

  void select(const DenseBox& box, const LayerArrays& arrays);

  // Arguments of a job: where its sums lie, and for the last chunk what joins them.
  void set_sums(const DenseJob& job, const DensePanel& panel, bool first, GemmArgs<T>& args) const;
  void set_last(const DenseJob& job, const DensePanel& panel, GemmArgs<T>& args) const;
  // Before the last chunk of a band, between chunks, and after the last.
  void load_residual(const DenseJob* jobs, int64_t count, const DensePanel& panel);
  void add_exact(int64_t positions, const DensePanel& panel, bool first);
  void finish(const DenseJob* jobs, int64_t count, int64_t positions, const DensePanel& panel);

  bool reported() const { return reported_; }

 private:
  struct Span {  // outputs that lie at one step
    int64_t position, count;
    char* out;
    const char* residual;
  };
  template <class F>
  void for_spans(const DenseJob* jobs, int64_t count, const DensePanel& panel, F visit) const;
  bool direct(const DensePanel& panel) const {
    return plan_.out == DenseOut::direct && panel.channels == panel.vectors * plan_.lanes;
  }
  bool residual_direct(const DensePanel& panel) const {
    return plan_.residual_direct && panel.channels == panel.vectors * plan_.lanes;
  }
  void store_positions(const Span& span, const DensePanel& panel);
  void store_planes(const Span& span, const DensePanel& panel);
  void store_exact(const Span& span, const DensePanel& panel);

  const DensePlan& plan_;
  const ConvertTable<T>& convert_;
  const ConvertTable<double>& wide_;
  const TurnTable<T>& turn_;
  const EpilogueTable<T>& epilogue_;
  int64_t channel_size_;  // bytes of a number of the output, both parts
  T *buffer_, *residual_, *planes_, *bias_;
  double *sums_, *wide_bias_, *wide_line_;
  int64_t *out_at_, *residual_at_;  // of every line of the box
  char* out_ = nullptr;
  const char* residual_in_ = nullptr;
  bool reported_ = false;
};

}  // namespace faltung
