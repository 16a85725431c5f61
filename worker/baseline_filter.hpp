#pragma once
// The system calls that no worker may make, whatever its permissions: those by which it could reach past its own
// lane, or take from the host what the host must rely on (DESIGN D2).
//
//   refused with EPERM                          because it
//   mremap of the lane's addresses              grows or duplicates the mapping over a neighbour's lane
//   remap_file_pages                            shows another part of the segment in a mapping
//   madvise(MADV_REMOVE), process_madvise       punches a hole that gives the host SIGBUS when /dev/shm is full
//   madvise(MADV_DOFORK)                        hands the lane to children that outlive the worker
//   FUTEX_REQUEUE and its kin, futex_requeue    moves the host's collector to another futex, where nobody wakes it
//   refused with ENOSYS
//   io_uring_setup                              runs MADV_REMOVE (IORING_OP_MADVISE) where no filter looks
//   refused with ENOMEM, where the worker's memory is limited
//   memfd_create, memfd_secret, shmget          is memory that the limit does not count
//   mmap of shared anonymous memory, and of a   the same
//   mapping that grows downwards
//   killed
//   another architecture's calls, x32           have numbers of their own
//
// Unmapping or replacing its own mappings harms only the worker, and mseal refuses that as well where the kernel
// has it.
// Called by: worker/boot.cpp. Never: looks at a path or a permission (the sandbox does, in a filter of its own).

#include <cstdint>
#include <vector>

#include "worker/bpf.hpp"

namespace selvage::worker {

/// The addresses in which everything of a lane is mapped. Both are multiples of a page.
struct address_range {
  std::uint64_t begin;
  std::uint64_t end;
};

/// Cost: a call whose arguments are not looked at is decided once, at installation (the kernel keeps a bitmap of
/// those); futex costs about ten instructions.
[[nodiscard]] std::vector<sock_filter> baseline_filter(const address_range& lane, bool memory_is_limited = false);

}  // namespace selvage::worker
