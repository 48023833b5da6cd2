// What carries out the blocks of a spectral correlation. Two layouts do it: blocks beside each other in lanes, and one pair of
// blocks whose own points fill the lanes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/base/memory.h"
#include "core/base/pool.h"
#include "core/kernels/select.h"
#include "core/ops/spectral_rows.h"
#include "core/ops/spectral_slot.h"

namespace faltung {

// What a set of lanes is multiplied by, all by one kernel or each by its own.
template <class T>
struct KernelSet {
  int64_t first;  // of the batch's kernels
  const std::vector<Taps<T>>& taps;
  const T* spectrum;
};

// How the columns of one block of a pair are read: in place, or from the panel where they stand now.
struct StripHalf {
  bool in_place = false;
  int64_t panel_begin = 0, panel_end = 0;
};

// Of one thread, or of one use of one.
template <class T>
struct SpectralWorkspace {
  SpectralWorkspace* lead = nullptr;  // whose block, lines and places this one works on; itself, if its own
  Scratch memory;
  std::vector<Slot<T>> slots;
  std::vector<Lifted<T>> lifted;
  std::vector<T> pieces;           // sums of squares of parts of the blocks
  std::vector<const char*> lines;  // sample 0 of the line that a row of a block reads
  bool reported = false;
  // Of the second layout: column 0 of every row, in the array and in the panel, and its place among the outputs.
  std::vector<StripHalf> halves;
  std::vector<const char*> rows, panel_rows;
  std::vector<char*> targets;
  std::vector<int64_t> indices;
};

struct SpectralArrays {
  const char *in, *kernel;
  char* out;
};

// Threads that share one unit, the first's workspace holds the block. How many they are changes no bit.
template <class T>
struct SpectralTeam {
  std::vector<SpectralWorkspace<T>*> members;

  SpectralWorkspace<T>& lead() const { return *members[0]; }
  // Cuts [0, n) into a range for each member: f(begin, end, member's workspace).
  template <class F>
  void share(int64_t n, F f) const {
    const int64_t size = int64_t(members.size());
    if (size == 1) return f(int64_t(0), n, lead());
    parallel_for(size, int(size),
                 [&](int64_t i, int) { f(n * i / size, n * (i + 1) / size, *members[size_t(i)]); });
  }
};

template <class T>
class SpectralEngine {
 public:
  virtual ~SpectralEngine() = default;
  virtual std::string name() const = 0;
  virtual int64_t kernels_at_once() const { return 1; }  // of a set
  virtual int64_t units() const = 0;                     // of work, for each set of kernels
  virtual size_t workspace_bytes() const = 0;
  virtual size_t spectrum_bytes() const = 0;
  // Of the workspace of a team's further members; 0: a unit is for one thread.
  virtual size_t member_bytes() const { return 0; }

  // Sizes the workspace, of a lead or of a member of `lead`, and makes its memory harmless to read.
  virtual void prepare(SpectralWorkspace<T>& w, SpectralWorkspace<T>& lead) const = 0;
  virtual void transform_kernels(const std::vector<Taps<T>>& taps, T* spectrum,
                                 const SpectralTeam<T>& team) const = 0;
  // Leaves the slots of blocks that the direct method shall compute marked so.
  virtual void run(int64_t unit, const KernelSet<T>& kernels, const SpectralArrays& arrays,
                   const SpectralTeam<T>& team) const = 0;
};

// What both layouts need.
template <class T>
struct SpectralBasis {
  SpectralBasis(const Problem& problem, const std::vector<int64_t>& block, bool lift_spikes, Isa isa)
      : grid(problem, block),
        table(spectral_table<T>(isa)),
        convert(convert_table<T>(isa)),
        local(lift_spikes) {}

  // Blocks that one set of lanes holds: real ones in both halves.
  int64_t slots() const { return grid.problem.complex_samples ? table.lanes : 2 * table.lanes; }

  BlockGrid grid;
  const SpectralTable<T>& table;
  const ConvertTable<T>& convert;
  bool local;
};

// The kernels that take and give columns of the arrays as they are, where they lie side by side in a type that a kernel knows.
template <class T>
struct SpectralColumns {
  using Take = void (*)(const char* const*, int64_t, const int64_t*, int64_t, T*, T*, T*);
  using Give = void (*)(const T*, const int64_t*, int64_t, char* const*, int64_t);

  SpectralColumns(const Problem& p, const SpectralTable<T>& table) {
    const bool complex = p.complex_samples;
    const auto& takes = complex ? table.take_complex : table.take;
    const auto& gives = complex ? table.give_complex : table.give;
    take_panel = takes[0];
    if (p.in == dtype_of<T> || p.in == DType::f32) take = takes[p.in != dtype_of<T>];
    if (p.out == dtype_of<T> || p.out == DType::f32) give = gives[p.out != dtype_of<T>];
  }

  Take take = nullptr, take_panel;  // of the array, of rows of T
  Give give = nullptr;
};

// Rows of n samples as the array would hold them: zeros, and the boundary's constant.
inline void fill_rows(const Problem& p, int64_t n, std::vector<std::byte>& zeros,
                      std::vector<std::byte>& constants) {
  const size_t size = size_t(p.parts() * kItemSize[int(p.in)]);
  zeros.assign(size_t(n) * size, std::byte{0});
  constants = zeros;
  for (size_t i = 0; i < size_t(n) * size && !p.zero_fill; ++i) constants[i] = p.fill[i % size];
}

template <class T>
std::unique_ptr<SpectralEngine<T>> make_lanes_engine(const SpectralBasis<T>& basis);
// `rows`: into how many rows the points of a single axis are folded (four-step), or 0.
template <class T>
std::unique_ptr<SpectralEngine<T>> make_strips_engine(const SpectralBasis<T>& basis, int64_t rows);

// re, im += sample * tap, as the definition multiplies.
template <class T>
void add_product(const Lifted<T>& sample, const T* tap, bool complex_kernel, T& re, T* im) {
  if (!complex_kernel) {
    re += sample.re * tap[0];
    if (im) *im += sample.im * tap[0];
    return;
  }
  re += sample.re * tap[0] - sample.im * tap[1];
  *im += sample.re * tap[1] + sample.im * tap[0];
}

// The powers of two that bring a block's results back to their size.
template <class T>
int result_exponent(const Slot<T>& slot, const KernelSet<T>& kernels) {
  return -(slot.exponent + kernels.taps[size_t(slot.kernel)].exponent);
}

}  // namespace faltung
