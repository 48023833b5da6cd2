#include "core/base/lease.h"

namespace faltung {
namespace {

thread_local Scratch kept;
thread_local bool busy = false;

}  // namespace

ScratchLease::ScratchLease(std::size_t bytes) : own_(!busy) {
  Scratch& scratch = own_ ? kept : fresh_;
  scratch.reserve(bytes);
  if (own_) busy = true;
  data_ = static_cast<char*>(scratch.data());
}

ScratchLease::~ScratchLease() {
  if (!own_) return;
  busy = false;
  if (kept.size() > kept_bytes) kept = Scratch();
}

}  // namespace faltung
