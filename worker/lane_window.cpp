// Reserves, fills and seals the window of lane_window.hpp.
#include "worker/lane_window.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>

#include "base/kernel.hpp"
#include "base/syscalls.hpp"

namespace selvage::worker {
namespace {

// Reserves `bytes` of address space, a power of two, at a multiple of itself.
std::byte* reserve_aligned(std::size_t bytes) {
  void* const found = ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) base::throw_errno(errno, "reserving the addresses of a lane");
  const auto begin = reinterpret_cast<std::uintptr_t>(found);
  const std::uintptr_t aligned = (begin + bytes - 1) & ~(static_cast<std::uintptr_t>(bytes) - 1);
  const std::size_t before = aligned - begin, behind = bytes - before;
  std::byte* const window = static_cast<std::byte*>(found) + before;
  if (before != 0) ::munmap(found, before);
  if (behind != 0) ::munmap(window + bytes, behind);
  return window;
}

std::byte* map_for_good(int fd, shm::access rights, std::uint64_t offset, std::size_t bytes, std::byte* at) {
  shm::mapping piece(fd, rights, offset, bytes, at);
  std::byte* const data = piece.data();
  piece.abandon();  // not unmapped: it lives as long as the process
  return data;
}

}  // namespace

lane_window map_lane(const shm::geometry& shape, unsigned lane, int read_write_fd, int read_only_fd) {
  const std::size_t request = shape.request_region_bytes(), response = shape.response_region_bytes();
  const std::size_t window = std::bit_ceil(request + response + shm::page_bytes);
  std::byte* const base = reserve_aligned(window);
  const auto begin = reinterpret_cast<std::uintptr_t>(base);

  std::byte* const requests =
      map_for_good(read_only_fd, shm::access::read_only, shape.request_offset(lane), request, base);
  std::byte* const responses =
      map_for_good(read_write_fd, shm::access::read_write, shape.response_offset(lane), response, base + request);
  std::byte* const orders = map_for_good(read_only_fd, shm::access::read_only, shape.supervisor_lane_offset(lane),
                                         shm::page_bytes, base + request + response);
  return {.addresses = {begin, begin + window},
          .request = shm::request_at(requests),
          .response = shm::response_at(responses),
          .orders = reinterpret_cast<const shm::supervisor_words*>(orders)};
}

void seal(const lane_window& window) {
  const std::size_t bytes = window.addresses.end - window.addresses.begin;
  const long result = ::syscall(base::sys_mseal, window.addresses.begin, bytes, 0UL);
  if (result != 0 && errno != ENOSYS) base::throw_errno(errno, "mseal of the lane");
}

}  // namespace selvage::worker
