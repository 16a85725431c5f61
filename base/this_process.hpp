#pragma once
// What belongs to this process and to no copy of it: a token that tells it from a child that it forked, and a count of
// the threads that are just entering a pool.
//
// Called by: the pool's core and the store's journal (is this still the process that built me?), and pool/visit.hpp.
// Never: makes a system call once the first token is there.
//
// Both lie in one page that the kernel empties in a forked child: there no pool of the parent is mapped, none of its
// threads runs, and so nobody is entering. Source: madvise(2), MADV_WIPEONFORK.
//
// Thread-safety: any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace selvage::base {

/// Threads that are entering a pool, counted in one of these. More of them than cores are of no use: they only keep
/// threads from sharing a cache line.
struct alignas(64) visitor_count {
  std::atomic<std::uint32_t> inside{0};
};

struct process_page {
  std::atomic<std::uint64_t> token{0};  ///< 0: nobody has asked for one here yet
  std::array<visitor_count, 16> visitors;
};

inline constinit std::atomic<process_page*> the_process_page = nullptr;  // mapped for the first token, for ever

/// The token of this process, which is made up where it has none. Errors: std::system_error where there is no memory.
[[nodiscard]] std::uint64_t token_of_this_process();

/// `token` came from token_of_this_process() in this process, and not in one that has forked it. Two loads.
[[nodiscard]] inline bool is_this_process(std::uint64_t token) noexcept {
  const process_page* const page = the_process_page.load(std::memory_order_acquire);  // SYNC process_page
  // relaxed: the kernel empties the page before a child runs
  return page != nullptr && page->token.load(std::memory_order_relaxed) == token;
}

/// Returns once no thread is inside that was there at the time of the call. They stay for a dozen instructions.
void wait_for_visitors() noexcept;

}  // namespace selvage::base
