// Samples of a line as numbers of T, boundaries included, and numbers of T as results.
#pragma once
#include <algorithm>
#include <type_traits>

#include "core/kernels/convert.h"
#include "core/reference/problem.h"

namespace faltung {

// Neighbouring positions of an axis that stand for samples in a row: source, source + step, ...; source -1: the constant.
struct AxisRun {
  int64_t source, step, length;
};

// What stands at position i, and how far it goes on like that.
AxisRun axis_run(int64_t i, int64_t n, Boundary boundary);

template <class T>
constexpr DType dtype_of = std::is_same_v<T, float> ? DType::f32 : DType::f64;

template <class T>
class RowReader {
 public:
  RowReader(const Problem& problem, const ConvAxis& axis, const ConvertTable<T>& convert)
      : axis_(axis),
        parts_(problem.parts()),
        item_(kItemSize[int(problem.in)]),
        load_(convert.load[int(problem.in)]),
        side_by_side_(axis.in_step == parts_ * item_),
        in_place_(side_by_side_ && problem.in == dtype_of<T>) {
    load_(problem.fill, {1, parts_, 0, item_}, fill_);
    if (problem.zero_fill) fill_[0] = fill_[1] = T(0);
  }

  bool in_place() const { return in_place_; }
  bool inside(int64_t first, int64_t n) const { return first >= 0 && first + n <= axis_.in; }
  bool side_by_side() const { return side_by_side_; }

  // The samples first ... first + n - 1 themselves, where they lie in the array as numbers of T; else null.
  const T* at(const char* line, int64_t first, int64_t n) const {
    if (!in_place_ || !line || !inside(first, n)) return nullptr;
    return reinterpret_cast<const T*>(line + first * axis_.in_step);
  }

  // n samples from position `first` of the axis; `line` is where its sample 0 is, null for a line of the constant.
  void read(const char* line, int64_t first, int64_t n, T* dst) const {
    while (n > 0) {
      const AxisRun run = run_at(first, n);
      read_run(line, run, dst);
      first += run.length;
      n -= run.length;
      dst += run.length * parts_;
    }
  }

  // What stands at `first`, and how far, at most n samples.
  AxisRun run_at(int64_t first, int64_t n) const {
    AxisRun run = axis_run(first, axis_.in, axis_.boundary);
    run.length = std::min(run.length, n);
    return run;
  }

  void read_run(const char* line, const AxisRun& run, T* dst) const {
    if (!line || run.source < 0) {
      repeat(fill_, run.length, dst);
    } else if (run.step == 0) {
      T sample[2];
      load(line + run.source * axis_.in_step, 0, 1, sample);
      repeat(sample, run.length, dst);
    } else {
      load(line + run.source * axis_.in_step, run.step * axis_.in_step, run.length, dst);
    }
  }

  void load(const char* src, int64_t step, int64_t n, T* dst) const {
    load_(src, {n, parts_, step, item_}, dst);
  }
  const T* fill() const { return fill_; }

 private:
  void repeat(const T* sample, int64_t n, T* dst) const {
    if (parts_ == 1) {
      std::fill(dst, dst + n, sample[0]);
      return;
    }
    for (int64_t i = 0; i < n; ++i) dst[2 * i] = sample[0], dst[2 * i + 1] = sample[1];
  }

  ConvAxis axis_;
  int64_t parts_, item_;
  void (*load_)(const void*, const StridedLine&, T*);
  bool side_by_side_, in_place_;
  T fill_[2];
};

template <class T>
class RowWriter {
 public:
  RowWriter(const Problem& problem, const ConvAxis& axis, const ConvertTable<T>& convert)
      : step_(axis.out_step),
        parts_(problem.parts()),
        item_(kItemSize[int(problem.out)]),
        store_(convert.store[int(problem.out)]),
        how_(problem.store),
        in_place_(axis.out_step == parts_ * item_ && problem.out == dtype_of<T>) {}

  bool in_place() const { return in_place_; }
  bool side_by_side() const { return step_ == parts_ * item_; }
  char* at(char* line, int64_t output) const { return line + output * step_; }

  // n results side by side into outputs of the axis, the first of which is at dst; true: one was reported.
  bool write(const T* src, int64_t n, char* dst) const {
    return store_(src, dst, {n, parts_, step_, item_}, how_);
  }
  // n results of neighbouring batch items, side by side in the output as well.
  bool write_across(const T* src, int64_t n, char* dst) const {
    return store_(src, dst, {1, n * parts_, 0, item_}, how_);
  }

 private:
  int64_t step_, parts_, item_;
  bool (*store_)(const T*, void*, const StridedLine&, Store);
  Store how_;
  bool in_place_;
};

}  // namespace faltung
