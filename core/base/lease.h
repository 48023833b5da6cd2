// Workspace of one call, from memory that its thread keeps between calls.
#pragma once

#include <cstddef>

#include "core/base/memory.h"

namespace faltung {

/// The thread's own scratch, or its second one inside another lease (layers in layers; a poll may call back into the
/// library), or a fresh one. Leases of a thread end in the reverse order. What is larger than `kept_bytes` goes back to
/// the system at the end: pages that are asked for anew in every call cost more than what is written into them.
class ScratchLease {
 public:
  static constexpr std::size_t kept_bytes = std::size_t{4} << 20;

  explicit ScratchLease(std::size_t bytes);
  ~ScratchLease();
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;

  /// Aligned to a cache line.
  char* data() const { return data_; }

 private:
  Scratch fresh_;
  int depth_;
  char* data_;
};

}  // namespace faltung
