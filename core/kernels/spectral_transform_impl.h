// Transforms of one line: passes in such an order that the next one finds near what one leaves.
//
// A short line goes through its stages one by one. A long one is a matrix, row after row: the first stages run down its
// columns, a few columns at a time, the others along its rows, one row at a time. Either fits into 16 KB, so the line comes
// from the second cache twice, however many stages it has, and while one part is worked on the next is asked for. That is
// what counts there: a pass over a line in L2 costs 7.6 cycles a pair of 128 bytes whatever it computes (Xeon with AVX-512,
// 2026-11-22), one of radix 8 in L1 5.5.
#pragma once
#include "core/kernels/spectral_pass_impl.h"

namespace faltung {
namespace {

template <class T, int Bytes>
struct Spectral : Passes<T, Bytes> {
  using P = Passes<T, Bytes>;
  static constexpr int64_t kPair = P::kPair;

  // Transforms by some of the stages of a line: of every `apart`-th of its points from `point` on, within block number
  // `block` of the first of the stages; and of `beside` neighbouring points the same.
  struct Part {
    const FourierStage<T>* stages;
    int count;
    int64_t apart, point, block;
    int64_t step;  // between these points, in numbers
    int64_t beside, beside_step;
  };

  template <Way W>
  static Pass<T> stage(const Part& p, int i, int64_t ahead) {
    const FourierStage<T>& s = p.stages[i];
    const int64_t set = 2 * fourier_twiddles(s.radix), points = s.n / p.apart, quotient = points / s.radix;
    const int64_t blocks = p.stages[0].n / s.n;
    const bool forward = W == Way::forward;
    const bool plain = forward ? p.block + i == 0 : s.n == s.radix;
    const T* twiddles = plain     ? nullptr
                        : forward ? s.by_block + p.block * blocks * set
                                  : s.by_point + p.point * set;
    const int64_t by_point = forward ? 0 : p.apart * set;
    Pass<T> pass{quotient * p.step, blocks,        points * p.step, quotient,          p.step,
                 p.beside,          p.beside_step, twiddles,        forward ? set : 0, by_point,
                 forward ? 0 : set, ahead};
    if (p.beside == 1) {  // the points are the inner loop
      pass.points = 1;
      pass.beside = quotient;
      pass.beside_step = p.step;
      pass.twiddles_beside = by_point;
    }
    return pass;
  }
  // What a pass asks for: the cache lines of the next part are spread over the first two passes.
  static int64_t share(int64_t ahead, int turn) {
    return ahead == 0 || turn > (Bytes == 64) ? 0 : ahead + turn * P::L;
  }
  static void forward(T* z, const Part& p, int64_t ahead) {
    for (int i = 0; i < p.count; ++i)
      P::template pass<Way::forward>(p.stages[i].radix, z, stage<Way::forward>(p, i, share(ahead, i)));
  }
  static void inverse(T* z, const Part& p, int64_t ahead) {
    for (int i = p.count - 1; i >= 0; --i)
      P::template pass<Way::inverse>(p.stages[i].radix, z,
                                     stage<Way::inverse>(p, i, share(ahead, p.count - 1 - i)));
  }
  static void convolve(T* z, const Part& p, int64_t ahead, const T* h, bool lanes) {
    const int last = p.count - 1;
    for (int i = 0; i < last; ++i)
      P::template pass<Way::forward>(p.stages[i].radix, z, stage<Way::forward>(p, i, 0));
    P::middle(p.stages[last].radix, z, stage<Way::forward>(p, last, share(ahead, 0)), h, lanes);
    for (int i = last - 1; i >= 0; --i)
      P::template pass<Way::inverse>(p.stages[i].radix, z, stage<Way::inverse>(p, i, share(ahead, last - i)));
  }

  // A line as a matrix of rows of `run` points.
  struct Matrix {
    const FourierStages<T>& t;
    int64_t step, rows, pitch;
    Matrix(const FourierStages<T>& transform, int64_t step_)
        : t(transform), step(step_ * kPair), rows(t.n / t.run), pitch((t.run + t.gap) * step) {}

    Part columns_from(int64_t j, int64_t beside) const {
      return {t.stages, t.columns, t.run, j, 0, pitch, beside, step};
    }
    Part row(int64_t r) const { return {t.stages + t.columns, t.count - t.columns, 1, 0, r, step, 1, 0}; }
    int64_t next_row() const { return rows > 1 ? pitch : 0; }

    // How many columns go through their stages together. A single stage takes all: its rows are passed side by side. And
    // where rows begin at the same places of pages, a column would not stay in the near cache, and its loads would wait for
    // stores that only look alike: then every stage takes all of the line, too.
    int64_t together() const {
      const int64_t bytes = pitch * int64_t(sizeof(T)), spread_over = bytes & -bytes;
      const bool near = t.columns > 1 && (t.gap != 0 || rows * spread_over <= 2 * 4096);
      const int64_t fit = 16384 / (rows * 2 * Bytes);
      return !near ? t.run : fit > 1 ? fit : 1;
    }
  };

  template <Way W>
  static void columns(T* z, const Matrix& m) {
    if (m.rows == 1) return;
    const int64_t run = m.t.run, together = m.together();
    for (int64_t j = 0; j < run; j += together) {
      const Part part = m.columns_from(j, run - j < together ? run - j : together);
      const int64_t ahead = together < run ? together * m.step : 0;
      W == Way::forward ? forward(z + j * m.step, part, ahead) : inverse(z + j * m.step, part, ahead);
    }
  }

  static void forward(T* z, int64_t step, const FourierStages<T>& transform) {
    const Matrix m(transform, step);
    columns<Way::forward>(z, m);
    for (int64_t r = 0; r < m.rows; ++r) forward(z + r * m.pitch, m.row(r), m.next_row());
  }
  static void inverse(T* z, int64_t step, const FourierStages<T>& transform) {
    const Matrix m(transform, step);
    for (int64_t r = 0; r < m.rows; ++r) inverse(z + r * m.pitch, m.row(r), m.next_row());
    columns<Way::inverse>(z, m);
  }
  static void convolve(T* z, int64_t step, const FourierStages<T>& transform, const T* h, bool lanes) {
    if (transform.count == 0) return lanes ? P::multiply_lanes(z, h, 1) : P::multiply(z, h, 1);
    const Matrix m(transform, step);
    columns<Way::forward>(z, m);
    const int64_t factors = transform.run * (lanes ? kPair : 2);
    for (int64_t r = 0; r < m.rows; ++r)
      convolve(z + r * m.pitch, m.row(r), m.next_row(), h + r * factors, lanes);
    columns<Way::inverse>(z, m);
  }
};

}  // namespace
}  // namespace faltung
