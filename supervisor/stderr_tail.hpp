#pragma once
// The last bytes that a lane's workers wrote to standard error: a pipe, drained without ever blocking, and a ring.
//
// Called by: ward.cpp. Never: waits for the end of the pipe (a stray descendant may hold it), or keeps more than the
// tail. One pipe serves all workers of a lane, one after the other: both ends stay open here. The bytes are kept in
// pages that no worker inherits.

#include <cstddef>
#include <cstdint>

#include "base/unique_fd.hpp"
#include "shm/layout.hpp"

namespace selvage::supervisor {

class stderr_tail {
 public:
  stderr_tail();
  ~stderr_tail();
  stderr_tail(const stderr_tail&) = delete;
  stderr_tail& operator=(const stderr_tail&) = delete;

  /// Opens the pipe, or, where it is open, forgets the tail and undoes the flags that the last worker may have set on
  /// its end.
  /// Returns 0 or an errno.
  [[nodiscard]] int begin() noexcept;
  /// Closes the pipe: begin() opens another.
  void end() noexcept;
  [[nodiscard]] int read_end() const noexcept { return read_.get(); }
  [[nodiscard]] int write_end() const noexcept { return write_.get(); }

  /// Reads what is there, at most about `limit` bytes: a flood must not keep the supervisor from its other lanes.
  void drain(std::size_t limit) noexcept;
  /// Copies the tail, oldest first. Returns its length.
  std::size_t copy_to(char (&out)[shm::stderr_tail_bytes]) const noexcept;

 private:
  static constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;  // a pipe's default capacity
  struct pages {
    char ring[shm::stderr_tail_bytes];
    char chunk[chunk_bytes];
  };

  void append(const char* bytes, std::size_t count) noexcept;

  base::unique_fd read_;
  base::unique_fd write_;
  pages* pages_;
  std::uint64_t total_ = 0;  // bytes ever appended since begin()
};

}  // namespace selvage::supervisor
