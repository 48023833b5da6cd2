// Sleeping until a word changes: the one blocking primitive of the pool.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace faltung::park {

inline constexpr std::chrono::nanoseconds forever{-1};

/// Returns at once where `word` no longer holds `seen`, else after a wake() on it or after `timeout`; may
/// return early. The caller looks at the word again.
void wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
          std::chrono::nanoseconds timeout) noexcept;

/// Wakes at least min(count, waiters of `word`) of its waiters.
void wake(const std::atomic<std::uint32_t>& word, int count) noexcept;

/// To be called in a forked child, before anything waits there.
void reset_after_fork() noexcept;

}  // namespace faltung::park
