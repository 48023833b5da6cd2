// Workspace memory: aligned, owned, uninitialized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace faltung {

/// A raw buffer aligned to a cache line, which is also the widest vector register. Never initialized.
///
/// Growing gives up the old contents: a workspace is written before it is read, so nothing is copied.
/// Every request that cannot be met throws std::bad_alloc and leaves the buffer as it was.
class Scratch {
 public:
  static constexpr std::size_t alignment = 64;

  Scratch() noexcept = default;
  explicit Scratch(std::size_t bytes) { reserve(bytes); }
  Scratch(Scratch&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Scratch& operator=(Scratch&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { release(data_); }

  /// Null exactly while size() is 0.
  void* data() noexcept { return data_; }
  const void* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

  /// Makes size() at least `bytes`; never shrinks. Pointers from data() are invalid where it grew.
  void reserve(std::size_t bytes) {
    if (bytes <= size_) return;
    // Some operator new round such a size up to 0.
    if (bytes > static_cast<std::size_t>(PTRDIFF_MAX)) throw std::bad_alloc();
    void* grown = ::operator new(bytes, std::align_val_t{alignment});
    release(data_);
    data_ = grown;
    size_ = bytes;
  }

 private:
  static void release(void* data) noexcept {
    if (data != nullptr) ::operator delete(data, std::align_val_t{alignment});
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace faltung
