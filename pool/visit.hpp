#pragma once
// How a thread that has nothing but a call in its hands enters the call's pool, which another thread may be destroying
// just then.
//
// A call that is not settled has a pool: a pool settles all its calls before it goes. But between that look and the
// first use of the pool both may happen. So a visitor counts itself in first, then looks, takes a counted reference of
// the pool and counts itself out; and a pool that goes has settled its calls, then waits until nobody is counted
// (this_process.hpp). Either the visitor sees the call settled, or the pool sees the visitor.
//
// Called by: futures.cpp. Never: waits. Cost: two locked operations beside those of the reference.

#include <cstdint>
#include <memory>

#include "base/this_process.hpp"
#include "pool/core.hpp"

namespace selvage::host {

class visit {
 public:
  /// Requires: the call's process is this one. Empty where the call is settled.
  explicit visit(const detail::call_state& call) noexcept {
    base::process_page& page = *base::the_process_page.load(std::memory_order_acquire);  // SYNC process_page
    std::atomic<std::uint32_t>& inside = page.visitors[place_of_this_thread() % page.visitors.size()].inside;
    inside.fetch_add(1, std::memory_order_seq_cst);  // SYNC visitor: before the look
    if (call.phase.load(std::memory_order_seq_cst) != static_cast<std::uint32_t>(detail::call_phase::settled))
      pool_ = call.owner->weak_from_this().lock();   // none: the pool is going, and has settled the call meanwhile
    inside.fetch_sub(1, std::memory_order_release);  // SYNC visitor: the pool goes after what we read of it
  }

  [[nodiscard]] explicit operator bool() const noexcept { return pool_ != nullptr; }
  detail::pool_core* operator->() const noexcept { return pool_.get(); }

 private:
  // Stacks of threads lie megabytes apart.
  static std::uintptr_t place_of_this_thread() noexcept {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) >> 20;
  }

  std::shared_ptr<detail::pool_core> pool_;
};

}  // namespace selvage::host
