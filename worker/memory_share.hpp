#pragma once
// Whether what a worker's tasks have left behind takes up so much of its limit of memory that it would count against
// the next call: then the worker is to be replaced.
//
// Called by: worker/loop.cpp, where memory is limited. Never: reads /proc, which a strict worker has not; asks the
// kernel for the memory instead, and gives it back untouched. What malloc keeps for the next allocation is not lost.

#include <cstdint>

namespace selvage::worker {

class memory_share {
 public:
  /// `limit_bytes`: as limit_setter has set it; 0: none. Finds out what can be had now. Cost: some 20 system calls.
  explicit memory_share(std::uint64_t limit_bytes) noexcept;

  [[nodiscard]] bool is_limited() const noexcept { return limited_; }

  /// After a call that took so long. Short ones are looked at now and then. Returns: a quarter of the limit is gone.
  /// Cost: two system calls where it looks; where memory seems to be gone, a walk through malloc's free lists.
  [[nodiscard]] bool is_spent(std::uint64_t service_ns) noexcept;

 private:
  bool limited_;
  std::uint64_t wanted_bytes_ = 0;  // to be had after each call
  unsigned passed_over_ = 0;        // short calls since the last look
};

}  // namespace selvage::worker
