#include "core/base/lease.h"

namespace faltung {
namespace {

// One for a call, one for the call inside it.
constexpr int kDepths = 2;
thread_local Scratch kept[kDepths];
thread_local int depth = 0;

}  // namespace

ScratchLease::ScratchLease(std::size_t bytes) : depth_(depth) {
  Scratch& scratch = depth_ < kDepths ? kept[depth_] : fresh_;
  scratch.reserve(bytes);
  ++depth;
  data_ = static_cast<char*>(scratch.data());
}

ScratchLease::~ScratchLease() {
  depth = depth_;
  if (depth_ < kDepths && kept[depth_].size() > kept_bytes) kept[depth_] = Scratch();
}

}  // namespace faltung
