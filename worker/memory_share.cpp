// See memory_share.hpp.

#include "worker/memory_share.hpp"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>

namespace selvage::worker {
namespace {

constexpr std::uint64_t step_bytes = std::uint64_t{64} << 10U;
constexpr std::uint64_t short_call_ns = 20'000;
constexpr unsigned short_calls_between_looks = 64;

// Counted by RLIMIT_DATA as soon as it is mapped; no page of it comes to be.
bool can_be_had(std::uint64_t bytes) noexcept {
  if (bytes == 0) return true;
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  ::munmap(memory, bytes);
  return true;
}

std::uint64_t most_to_be_had(std::uint64_t limit) noexcept {
  std::uint64_t can = 0, cannot = limit + step_bytes;
  while (cannot - can > step_bytes) {
    const std::uint64_t middle = can + (cannot - can) / 2;
    (can_be_had(middle) ? can : cannot) = middle;
  }
  return can;
}

}  // namespace

memory_share::memory_share(std::uint64_t limit_bytes) noexcept : limited_(limit_bytes != 0) {
  if (!limited_) return;
  const std::uint64_t most = most_to_be_had(limit_bytes);
  wanted_bytes_ = most - std::min(most, limit_bytes / 4);
}

bool memory_share::is_spent(std::uint64_t service_ns) noexcept {
  if (!limited_) return false;
  if (service_ns < short_call_ns && ++passed_over_ < short_calls_between_looks) return false;
  passed_over_ = 0;
  if (can_be_had(wanted_bytes_)) return false;
  const std::uint64_t kept_by_malloc = ::mallinfo2().fordblks;
  return !can_be_had(wanted_bytes_ - std::min(wanted_bytes_, kept_by_malloc));
}

}  // namespace selvage::worker
