// Calls whose outcomes are taken as they come: see <selvage/completion_queue.hpp>. A call that settles puts its ticket
// into its list, under the lock; whoever waits for the list collects, as one who waits for a call does.

#include <algorithm>
#include <utility>

#include <selvage/detail/completion_list.hpp>
#include <selvage/detail/contract.hpp>

#include "base/clock.hpp"
#include "pool/core.hpp"

namespace selvage::detail {

// ---- the pool's side -----------------------------------------------------------------------------------------------

void pool_core::make_room(completion_list& list, std::size_t calls) {
  const lock_type held(lock_);
  list.arrived_.reserve(calls);
}

void pool_core::join(completion_list& list, call_state& call, std::uint32_t ticket) {
  const lock_type held(lock_);
  call.completions = &list;
  call.ticket = ticket;
  if (call.settled()) arrive(call);
}

void pool_core::leave(call_state& call) noexcept {
  const lock_type held(lock_);
  call.completions = nullptr;
}

// Requires: the lock. Allocates nothing: the list has made room.
void pool_core::arrive(call_state& call) noexcept {
  completion_list& list = *call.completions;
  list.arrived_.push_back(call.ticket);
  list.news_.store(1, std::memory_order_release);  // SYNC news
  if (list.sleeper_ != nullptr) summon(*list.sleeper_);
}

void pool_core::take_arrived(completion_list& list) {
  const lock_type held(lock_);
  list.taken_.swap(list.arrived_);
}

void pool_core::wait(completion_list& list, std::uint64_t until_ns) {
  (void)wait_for_word(list.sleeper_, list.news_, until_ns, {.ns = patience_ns_});
}

void pool_core::notify(completion_list& list) noexcept {
  list.news_.store(1, std::memory_order_release);  // SYNC news
  const lock_type held(lock_);
  if (list.sleeper_ != nullptr) return summon(*list.sleeper_);
  interrupt_collector();
}

// ---- the list ------------------------------------------------------------------------------------------------------

completion_list::completion_list(std::shared_ptr<pool_core> pool) : pool_(std::move(pool)) {
  require(pool_ != nullptr, "a completion queue was made of a pool that was moved from");
}

completion_list::~completion_list() { require(count_ == 0, "a completion list was destroyed with calls in it"); }

std::uint32_t completion_list::add(call_state& call) {
  require(call.owner == pool_.get() || call.settled(), "a completion queue was given a call of another pool");
  if (free_.empty()) {
    free_.reserve(calls_.size() + 1);
    taken_.reserve(calls_.size() + 1);
    if (pool_->in_owner()) {
      pool_->make_room(*this, calls_.size() + 1);
    } else {
      arrived_.reserve(calls_.size() + 1);
    }
    free_.push_back(static_cast<std::uint32_t>(calls_.size()));
    calls_.push_back(nullptr);
  }
  const std::uint32_t ticket = free_.back();
  free_.pop_back();
  calls_[ticket] = &call;
  ++count_;
  if (pool_->in_owner()) {
    pool_->join(*this, call, ticket);
  } else {
    call.ticket = ticket;  // wait() finds it
  }
  return ticket;
}

void completion_list::remove(std::uint32_t ticket) noexcept {
  call_state* const call = std::exchange(calls_[ticket], nullptr);
  if (pool_->in_owner()) pool_->leave(*call);
  std::erase(taken_, ticket);
  free_.push_back(ticket);
  --count_;
}

bool completion_list::next(std::uint32_t& ticket) {
  if (taken_.empty()) {
    if (news_.load(std::memory_order_acquire) == 0) return false;  // SYNC news
    if (!pool_->in_owner()) {
      // Nothing will ever arrive here: each is settled by the look at it.
      for (std::uint32_t each = 0; each < calls_.size(); ++each) {
        if (calls_[each] != nullptr && wait_until_settled(*calls_[each], 0)) taken_.push_back(each);
      }
    } else {
      news_.store(0, std::memory_order_relaxed);  // relaxed: what is put in after this is seen under the lock
      pool_->take_arrived(*this);
    }
    if (taken_.empty()) return false;
    std::ranges::reverse(taken_);
  }
  ticket = taken_.back();
  taken_.pop_back();
  call_state* const call = std::exchange(calls_[ticket], nullptr);
  call->completions = nullptr;
  free_.push_back(ticket);
  --count_;
  return true;
}

void completion_list::wait(std::uint64_t until_ns) {
  if (!taken_.empty()) return;
  if (!pool_->in_owner()) {
    news_.store(1, std::memory_order_relaxed);  // relaxed: this thread reads it
    return;
  }
  pool_->wait(*this, until_ns);
}

void completion_list::notify() noexcept {
  if (pool_->in_owner()) pool_->notify(*this);
}

}  // namespace selvage::detail
