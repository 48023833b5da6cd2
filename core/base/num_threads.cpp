// The setting: how many threads work uses where nobody asks for a number.
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "core/base/pool.h"

namespace faltung {
namespace {

// A number of threads, or one of these.
constexpr int unread = -1;    // the environment has not been looked at
constexpr int automatic = 0;  // cpu_limit() decides, anew each time
constinit std::atomic<int> setting{unread};

int read_environment() {
  const char* text = std::getenv("FALTUNG_NUM_THREADS");
  if (text == nullptr || *text == '\0') return automatic;
  int n = 0;
  const char* end = text + std::strlen(text);
  const std::from_chars_result result = std::from_chars(text, end, n);
  if (result.ec != std::errc() || result.ptr != end || n < 1 || n > max_threads) {
    throw std::invalid_argument("`FALTUNG_NUM_THREADS` (=" + std::string(text) +
                                ") must be an integer from 1 to " + std::to_string(max_threads) +
                                "; unset it to use every CPU allowed here (" + std::to_string(cpu_limit()) +
                                ")");
  }
  return n;
}

}  // namespace

int num_threads() {
  int n = setting.load();
  if (n == unread) {
    const int read = read_environment();
    if (setting.compare_exchange_strong(n, read)) n = read;
  }
  return n == automatic ? cpu_limit() : n;
}

void set_num_threads(int n) {
  if (n < 1 || n > max_threads) {
    throw std::invalid_argument("`n` (=" + std::to_string(n) + ") must be an integer from 1 to " +
                                std::to_string(max_threads) + "; " + std::to_string(cpu_limit()) +
                                " uses every CPU allowed here");
  }
  setting.store(n);
}

}  // namespace faltung
