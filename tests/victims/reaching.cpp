// Victims that go for what is not theirs. Raw system calls, so that no wrapper refuses before the kernel does. See
// victims.hpp.
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "tests/victims/victims.hpp"

namespace selvage::victims {
namespace {

int outcome(long result) { return result == -1 ? errno : 0; }

void* start_of(const void* region) { return const_cast<void*>(region); }

long remap(const void* old_address, std::size_t old_size, std::size_t new_size, int flags, const void* new_address) {
  return ::syscall(SYS_mremap, old_address, old_size, new_size, flags, new_address);
}

}  // namespace

int write_the_request_region() {
  const int memory = ::open("/proc/self/mem", O_RDWR);
  if (memory < 0) return errno;
  const std::uint64_t word = 1;
  const int result = outcome(::pwrite(memory, &word, sizeof word, reinterpret_cast<off_t>(own_lane().request.words)));
  ::close(memory);
  return result;
}

int make_the_requests_writable() {
  return outcome(::syscall(SYS_mprotect, start_of(own_lane().request.words), shm::page_bytes, PROT_READ | PROT_WRITE));
}

int grow_a_mapping() {
  const lane_of_worker lane = own_lane();
  return outcome(remap(lane.response.words, lane.response_bytes, 4 * lane.response_bytes, MREMAP_MAYMOVE, nullptr));
}

int duplicate_a_mapping() {
  return outcome(remap(own_lane().response.words, 0, shm::page_bytes, MREMAP_MAYMOVE, nullptr));
}

int move_a_mapping() {
  return outcome(
      remap(own_lane().response.words, shm::page_bytes, shm::page_bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr));
}

int move_a_range_that_reaches_in() {
  const lane_of_worker lane = own_lane();
  auto* const window = reinterpret_cast<std::byte*>(lane.request.words);
  void* const before = ::mmap(window - shm::page_bytes, shm::page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const std::size_t bytes = shm::page_bytes + lane.request_bytes;
  void* const elsewhere = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const int result = outcome(remap(before, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere));
  ::munmap(before, shm::page_bytes);
  return result;
}

int map_over_a_mapping() {
  void* const own = ::mmap(nullptr, shm::page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return outcome(
      remap(own, shm::page_bytes, shm::page_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, own_lane().response.arena));
}

int remap_its_pages() {
  return outcome(::syscall(SYS_remap_file_pages, own_lane().response.words, shm::page_bytes, 0, 1, 0));
}

int punch_a_hole() { return outcome(::syscall(SYS_madvise, own_lane().response.words, shm::page_bytes, MADV_REMOVE)); }

int punch_a_hole_by_process_madvise() {
  const int self = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  const iovec range = {own_lane().response.words, shm::page_bytes};
  const int result = outcome(::syscall(SYS_process_madvise, self, &range, 1, MADV_REMOVE, 0));
  ::close(self);
  return result;
}

int hand_down_the_lane() {
  return outcome(::syscall(SYS_madvise, own_lane().response.words, shm::page_bytes, MADV_DOFORK));
}

int requeue_a_waiter(int operation) {
  const lane_of_worker lane = own_lane();
  alignas(4) static std::uint32_t own_word = 0;
  // Wake none, requeue one: the host would then sleep on own_word. Long enough for WAIT_REQUEUE_PI to be refused, too.
  const timespec soon = {0, 1'000'000};
  const auto third = (operation & 0x7f) == FUTEX_WAIT_REQUEUE_PI ? reinterpret_cast<long>(&soon) : 1L;
  return outcome(::syscall(SYS_futex, &lane.response.words->doorbell, operation, 0, third, &own_word,
                           lane.response.words->doorbell.load()));
}

int requeue_a_waiter_anew() {
  constexpr long sys_futex_requeue = 456;
  struct waiter {
    std::uint64_t value, address;
    std::uint32_t flags, reserved;
  };
  static std::uint32_t own_word = 0;
  shm::word32& doorbell = own_lane().response.words->doorbell;
  const waiter both[2] = {{doorbell.load(), reinterpret_cast<std::uintptr_t>(&doorbell), FUTEX_32, 0},
                          {0, reinterpret_cast<std::uintptr_t>(&own_word), FUTEX_32, 0}};
  return outcome(::syscall(sys_futex_requeue, both, 0, 0, 1));
}

int set_up_io_uring() {
  alignas(8) unsigned char parameters[256] = {};
  return outcome(::syscall(SYS_io_uring_setup, 8, parameters));
}

}  // namespace selvage::victims
