#pragma once
// The memory of one lane for tests: both regions, anonymous and shared, so that a forked child sees the same bytes.
// Called by tests only.

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <system_error>

#include "shm/lane.hpp"

namespace selvage::tests {

/// `count` objects of `Element`, zeroed, shared with children forked later.
template <class Element>
class shared_array {
 public:
  explicit shared_array(std::size_t count) : bytes_(count * sizeof(Element)) {
    void* const at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    data_ = static_cast<Element*>(at);
  }
  shared_array(const shared_array&) = delete;
  shared_array& operator=(const shared_array&) = delete;
  ~shared_array() { ::munmap(data_, bytes_); }

  [[nodiscard]] Element* data() const { return data_; }
  [[nodiscard]] std::size_t size_bytes() const { return bytes_; }
  Element& operator[](std::size_t i) const { return data_[i]; }

 private:
  Element* data_ = nullptr;
  std::size_t bytes_;
};

class lane_memory {
 public:
  static constexpr std::size_t arena_bytes = 16 * shm::page_bytes;
  static constexpr std::size_t request_bytes = shm::request_layout::arena + arena_bytes;
  static constexpr std::size_t response_bytes = shm::response_layout::arena + arena_bytes;

  [[nodiscard]] shm::request_view request() const { return shm::request_at(bytes_.data()); }
  [[nodiscard]] shm::response_view response() const { return shm::response_at(response_region()); }
  [[nodiscard]] std::byte* response_region() const { return bytes_.data() + request_bytes; }

 private:
  shared_array<std::byte> bytes_{request_bytes + response_bytes};
};

}  // namespace selvage::tests
