// A transposed layer by residues that are woven: layers of stride 1 write some blocks of the output into scratch memory,
// from where whole lines are stored.
#pragma once
#include "core/ops/transposed.h"
#include "core/ops/transposed_cut.h"

namespace faltung {

class WovenLayer final : public Layer {
 public:
  // The problem's store must not report: numbers that are cropped are computed too.
  WovenLayer(const LayerProblem& problem, TransposedCut cut, const PlanLayer& plan, Isa isa);
  int64_t packed_bytes() const override { return packed_bytes_; }
  void pack(const void* weights, void* packed, int threads) const override;
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 private:
  // Where the residues of a combo lie in scratch memory.
  struct Place {
    int64_t offset, batch_step, channel_step;  // of the layer's own channels
    std::vector<int64_t> steps;
    int64_t bytes;
  };
  // Weights of some channels for one plan.
  struct Prepared {
    size_t layer, combo;
    PairRange channels;
    int64_t packed;
  };
  struct Job {
    size_t prepared;
    int64_t in;  // bytes to the samples
    Place place;
    int64_t begin, end;  // blocks of the first axis, counted as the set's; none where they are equal
  };
  struct Unit {
    PairRange items, strip, channels;
    size_t first_job;  // one for each combo
    int64_t bytes;     // of scratch memory
  };
  // What distinguishes plans.
  struct Shape {
    size_t combo;
    int64_t items, channels, rows, in, pad;
    bool operator==(const Shape&) const = default;
  };

  void add_unit(PairRange items, PairRange strip, PairRange channels, const PlanLayer& plan);
  Place place_of(const LayerProblem& problem, const TransposedCombo& combo, int64_t offset) const;
  LayerProblem problem_of(const TransposedCombo& combo, PairRange items, PairRange channels, int64_t begin,
                          int64_t end, int64_t& in) const;
  bool arranged(const TransposedCombo& combo) const;
  void arrange(const Prepared& prepared, const char* weights, char* to) const;
  int64_t channel_at(const TransposedCombo& combo, PairRange channels, int64_t channel,
                     int64_t residue) const;
  // Lines of an array of the output's shape, and their residues in scratch memory: into the lines, or out of them.
  struct Lines {
    char* at;
    int64_t batch_step, channel_step;
    std::vector<int64_t> steps;
  };
  void move_lines(const Unit& unit, const Lines& lines, char* scratch, bool into_lines, int threads) const;
  Outcome run_unit(const Unit& unit, const LayerArrays& arrays, int threads, Poll poll) const;

  LayerProblem p_;
  TransposedCut cut_;
  Isa isa_;
  int64_t item_;  // bytes of a number of the output
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<Shape> shapes_;
  std::vector<Prepared> prepared_;
  std::vector<Job> jobs_;
  std::vector<Unit> units_;
  // Of every output along an axis: its set (-1 for none), its phase, and its block as the set counts.
  struct Spot {
    int set, phase;
    int64_t block;
  };
  std::vector<std::vector<Spot>> spots_;
  int64_t packed_bytes_ = 0, scratch_bytes_ = 0, most_channels_ = 0;
  LayerSummary summary_;
};

}  // namespace faltung
