// Time of a short piece of work.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace faltung::bench {

/// Seconds of one call: the fastest of several batches, each long enough for the clock.
template <class Work>
double seconds(Work work) {
  using Clock = std::chrono::steady_clock;
  constexpr double batch_seconds = 1e-3;
  constexpr int batches = 8;
  const auto time = [&](std::int64_t calls) {
    const Clock::time_point begin = Clock::now();
    for (std::int64_t i = 0; i < calls; ++i) work();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  std::int64_t calls = 1;
  while (time(calls) < batch_seconds) calls *= 2;
  double best = time(calls);
  for (int i = 1; i < batches; ++i) best = std::min(best, time(calls));
  return best / static_cast<double>(calls);
}

}  // namespace faltung::bench
