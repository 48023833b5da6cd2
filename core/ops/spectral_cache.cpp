#include "core/ops/spectral_cache.h"

#include <atomic>
#include <list>
#include <string_view>
#include <unordered_map>

namespace faltung {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;
constexpr int kPatience = 200;  // looks at a cache in use: a few microseconds, longer than any use of it

struct Key {
  uint64_t owner;
  std::vector<std::byte> kernel;
  bool operator==(const Key&) const = default;
};

struct Hash {
  size_t operator()(const Key& key) const {
    const std::string_view bytes(reinterpret_cast<const char*>(key.kernel.data()), key.kernel.size());
    return std::hash<std::string_view>()(bytes) ^ size_t(key.owner * 0x9e3779b97f4a7c15u);
  }
};

struct Entry {
  const Key* key;
  std::shared_ptr<const Spectrum> spectrum;
  size_t bytes;
};

struct Cache {
  std::list<Entry> entries;  // the latest used first
  std::unordered_map<Key, std::list<Entry>::iterator, Hash> at;
  size_t bytes = 0;

  void drop(std::list<Entry>::iterator entry) {
    bytes -= entry->bytes;
    const Key* key = entry->key;
    entries.erase(entry);
    at.erase(at.find(*key));
  }
};

constinit std::atomic<bool> in_use{false};

// Never destroyed: plans may outlive every other static object.
Cache& cache() {
  static Cache& one = *new Cache;
  return one;
}

class Claim {
 public:
  Claim() {
    for (int look = 0; look < kPatience && !claimed_; ++look)
      claimed_ = !in_use.load(std::memory_order_relaxed) && !in_use.exchange(true, std::memory_order_acquire);
  }
  ~Claim() {
    if (claimed_) in_use.store(false, std::memory_order_release);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  explicit operator bool() const { return claimed_; }

 private:
  bool claimed_ = false;
};

}  // namespace

uint64_t new_spectrum_owner() {
  static constinit std::atomic<uint64_t> next{0};
  return next.fetch_add(1, std::memory_order_relaxed);
}

std::shared_ptr<const Spectrum> find_spectrum(uint64_t owner, const std::vector<std::byte>& kernel) {
  const Key key{owner, kernel};
  const Claim claim;
  if (!claim) return nullptr;
  Cache& c = cache();
  const auto found = c.at.find(key);
  if (found == c.at.end()) return nullptr;
  c.entries.splice(c.entries.begin(), c.entries, found->second);
  return found->second->spectrum;
}

void keep_spectrum(uint64_t owner, const std::vector<std::byte>& kernel,
                   std::shared_ptr<const Spectrum> spectrum) {
  const size_t bytes = spectrum->size() + kernel.size() + 256;
  if (bytes > kMostBytes) return;
  std::list<Entry> entry;  // made, and others freed, outside the claim where that can be
  entry.push_back({nullptr, std::move(spectrum), bytes});
  Key key{owner, kernel};
  const Claim claim;
  if (!claim) return;
  Cache& c = cache();
  const auto [place, added] = c.at.try_emplace(std::move(key), entry.begin());
  if (!added) return;
  entry.front().key = &place->first;
  c.entries.splice(c.entries.begin(), entry);
  c.bytes += bytes;
  while (c.bytes > kMostBytes) c.drop(std::prev(c.entries.end()));
}

void forget_spectra(uint64_t owner) {
  const Claim claim;
  if (!claim) return;
  Cache& c = cache();
  for (auto entry = c.entries.begin(); entry != c.entries.end();) {
    const auto next = std::next(entry);
    if (entry->key->owner == owner) c.drop(entry);
    entry = next;
  }
}

}  // namespace faltung
