// Memory of exactly the bytes that are used, so that AddressSanitizer sees the first byte beyond either end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace faltung::tests {

template <class T>
class Heap {
 public:
  Heap() = default;
  explicit Heap(std::int64_t count) : size_(count), memory_(new T[static_cast<std::size_t>(count)]) {}

  T* data() { return memory_.get(); }
  const T* data() const { return memory_.get(); }
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }
  T& operator[](std::int64_t i) { return memory_[static_cast<std::size_t>(i)]; }
  const T& operator[](std::int64_t i) const { return memory_[static_cast<std::size_t>(i)]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }

  void fill_bytes(int byte) { std::memset(static_cast<void*>(data()), byte, bytes()); }
  bool same_bytes(const Heap& other) const {
    return size_ == other.size_ && (size_ == 0 || std::memcmp(data(), other.data(), bytes()) == 0);
  }

 private:
  std::int64_t size_ = 0;
  std::unique_ptr<T[]> memory_;
};

}  // namespace faltung::tests
