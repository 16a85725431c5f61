#pragma once
// The segment: created, opened twice, unlinked, sized, reserved; and mapped piece by piece by each process, with just
// the rights that its role has.
//
// Called by: pool/ (creates it), supervisor/ and worker/ (map their parts). Never: left with a name, mapped in a child
// by inheritance (MADV_DONTFORK), or touched before it is reserved.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "shm/layout.hpp"

namespace selvage::shm {

/// Where everything is. A value: host, supervisor and workers compute the same.
struct geometry {
  std::uint32_t lanes = 1;
  std::uint64_t request_arena_bytes = 0;  ///< multiples of a page
  std::uint64_t response_arena_bytes = 0;

  [[nodiscard]] std::uint64_t supervisor_lanes_offset() const noexcept { return 3 * page_bytes; }
  [[nodiscard]] std::uint64_t supervisor_lane_offset(unsigned lane) const noexcept {
    return supervisor_lanes_offset() + lane * sizeof(supervisor_lane);
  }
  [[nodiscard]] std::uint64_t request_region_bytes() const noexcept {
    return request_layout::arena + request_arena_bytes;
  }
  [[nodiscard]] std::uint64_t response_region_bytes() const noexcept {
    return response_layout::arena + response_arena_bytes;
  }
  [[nodiscard]] std::uint64_t request_offset(unsigned lane) const noexcept {
    return supervisor_lane_offset(lanes) + lane * (request_region_bytes() + response_region_bytes());
  }
  [[nodiscard]] std::uint64_t response_offset(unsigned lane) const noexcept {
    return request_offset(lane) + request_region_bytes();
  }
  [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return request_offset(lanes); }
};

/// The two open descriptions of one segment.
struct descriptors {
  base::unique_fd read_write;
  base::unique_fd read_only;
};

/// Makes a segment: an unpredictable name, two opens, the name removed, and only then the size, the reservation of
/// every control page, and the header. Sweeps empty names that a killed predecessor left. Both descriptors are
/// close-on-exec.
/// Errors: selvage::error payload_exhausted where shared memory is full (with the numbers), else std::system_error.
[[nodiscard]] descriptors create_segment(const geometry& shape);

/// Throws selvage::error where the segment's header is not of this build or of this geometry.
void check_segment(const descriptors& segment, const geometry& shape);

/// Reserves bytes of the segment, so that touching them cannot fail. Returns 0 or an errno. Source: fallocate(2).
[[nodiscard]] int reserve(int read_write_fd, std::uint64_t offset, std::uint64_t bytes) noexcept;

/// The same through a mapping, for a process that holds no descriptor.
/// Source: madvise(2), MADV_POPULATE_WRITE, Linux 5.14.
[[nodiscard]] int reserve_mapped(std::byte* address, std::size_t bytes) noexcept;

/// "requested N bytes; /dev/shm has F free of S": for error messages.
[[nodiscard]] std::string shared_memory_figures(std::uint64_t requested);

enum class access { read_only, read_write };

/// One mapped piece of a segment. Move-only; unmapped by the destructor.
class mapping {
 public:
  mapping() noexcept;
  /// `at`: a page-aligned address inside a range that the caller has reserved and that this mapping replaces, or null.
  mapping(int fd, access rights, std::uint64_t offset, std::size_t bytes, void* at = nullptr);
  mapping(mapping&&) noexcept;
  mapping& operator=(mapping&&) noexcept;
  ~mapping();

  [[nodiscard]] std::byte* data() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  /// Forgets the range without unmapping it: for a forked child, in which it is not mapped and may be somebody else's.
  void abandon() noexcept;

 private:
  struct region;
  std::unique_ptr<region> region_;
};

}  // namespace selvage::shm
