#pragma once
// The untyped half of a completion_queue: which of its calls have settled. Implemented in pool/completions.cpp.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <selvage/detail/call_state.hpp>

namespace selvage::detail {

class completion_list {
 public:
  explicit completion_list(std::shared_ptr<pool_core> pool);
  completion_list(const completion_list&) = delete;
  completion_list& operator=(const completion_list&) = delete;
  ~completion_list();

  /// Returns: a ticket, free again once next() has given it or remove() has taken it back.
  /// Requires: the call is of this pool, and in no other list. Errors: std::bad_alloc.
  std::uint32_t add(call_state& call);
  void remove(std::uint32_t ticket) noexcept;
  /// Gives the ticket of a call that has settled. Returns: whether there was one. Never blocks.
  bool next(std::uint32_t& ticket);
  /// Blocks until next() has something, notify() was called since the last wait, or the time is over. Collects.
  void wait(std::uint64_t until_ns);
  void notify() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  friend class pool_core;

  const std::shared_ptr<pool_core> pool_;
  std::vector<call_state*> calls_;    // by ticket; null: free
  std::vector<std::uint32_t> free_;   // tickets
  std::vector<std::uint32_t> taken_;  // settled, to be given by next(), last first
  std::size_t count_ = 0;

  // Under the pool's lock.
  std::vector<std::uint32_t> arrived_;  // settled since next() looked; has room for all calls
  waiter* sleeper_ = nullptr;

  std::atomic<std::uint32_t> news_{0};  // 1: something has arrived, or notify() was called
};

}  // namespace selvage::detail
