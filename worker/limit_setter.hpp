#pragma once
// The limits of a worker that the kernel keeps for a process: what it may have is counted from what it has.
//
// Called by: worker/boot.cpp: constructed before the seal, for it reads /proc; set behind it. Never: raises a limit.

#include <cstdint>

#include "base/limits.hpp"

namespace selvage::worker {

class limit_setter {
 public:
  /// Errors: std::system_error where /proc does not say how much memory this process has.
  explicit limit_setter(const base::limits& given);

  /// For good: soft and hard. Errors: std::system_error.
  void set() const;

 private:
  base::limits given_;
  std::uint64_t data_bytes_ = 0;  // private writable memory of this process
};

}  // namespace selvage::worker
