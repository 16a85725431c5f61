// A pipe, a ring, and pages that no worker inherits. Called by: ward.cpp. Never: blocks.

#include "supervisor/stderr_tail.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/syscalls.hpp"

namespace selvage::supervisor {

stderr_tail::stderr_tail() {
  void* where = ::mmap(nullptr, sizeof(pages), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (where == MAP_FAILED) base::throw_errno(errno, "mmap of a lane's standard error tail");
  ::madvise(where, sizeof(pages), MADV_DONTFORK);  // another lane's worker must not read it
  pages_ = static_cast<pages*>(where);
}

stderr_tail::~stderr_tail() { ::munmap(pages_, sizeof(pages)); }

int stderr_tail::begin() noexcept {
  total_ = 0;
  if (read_) return ::fcntl(write_.get(), F_SETFL, 0) == 0 ? 0 : errno;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
  read_.reset(ends[0]);
  write_.reset(ends[1]);
  // Only this end: the two have separate flags.
  if (::fcntl(read_.get(), F_SETFL, O_NONBLOCK) == 0) return 0;
  const int error = errno;
  end();
  return error;
}

void stderr_tail::end() noexcept {
  read_.reset();
  write_.reset();
}

void stderr_tail::drain(std::size_t limit) noexcept {
  for (std::size_t drained = 0; read_ && drained < limit;) {
    const ssize_t count = base::retry_eintr([&] { return ::read(read_.get(), pages_->chunk, chunk_bytes); });
    if (count <= 0) return;
    append(pages_->chunk, static_cast<std::size_t>(count));
    if (static_cast<std::size_t>(count) < chunk_bytes) return;  // a short read: it is empty
    drained += static_cast<std::size_t>(count);
  }
}

void stderr_tail::append(const char* bytes, std::size_t count) noexcept {
  constexpr std::size_t capacity = shm::stderr_tail_bytes;
  if (count > capacity) {
    total_ += count - capacity;
    bytes += count - capacity;
    count = capacity;
  }
  const std::size_t at = total_ % capacity;
  const std::size_t first = std::min(count, capacity - at);
  std::memcpy(pages_->ring + at, bytes, first);
  std::memcpy(pages_->ring, bytes + first, count - first);
  total_ += count;
}

std::size_t stderr_tail::copy_to(char (&out)[shm::stderr_tail_bytes]) const noexcept {
  constexpr std::size_t capacity = shm::stderr_tail_bytes;
  if (total_ <= capacity) {
    std::memcpy(out, pages_->ring, total_);
    return total_;
  }
  const std::size_t oldest = total_ % capacity;
  std::memcpy(out, pages_->ring + oldest, capacity - oldest);
  std::memcpy(out + capacity - oldest, pages_->ring, oldest);
  return capacity;
}

}  // namespace selvage::supervisor
