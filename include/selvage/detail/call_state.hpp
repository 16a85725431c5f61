#pragma once
// One call, from `call` to its outcome: the record that a future and the pool share. Reference-counted; the typed part
// (how the answer becomes a T) is in <selvage/future.hpp>.
//
// Thread-safety: `phase` hands the outcome over: written before it becomes settled (release), read after (acquire). The
// pool's fields are the pool's, under its lock.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <selvage/detail/payload.hpp>
#include <selvage/error.hpp>

namespace selvage::detail {

class call_state;
class completion_list;
class pool_core;
struct task_record;
struct waiter;

/// Encoded arguments kept in this process while no worker has room for them.
struct kept_payload {
  payload_form form = payload_form::none;
  std::unique_ptr<std::byte[]> storage;  // new[] aligns to 16
  extent used;
  std::size_t capacity = 0;
};

enum class call_phase : std::uint32_t {
  pending = 0,
  settled = 1,
};

/// Where the pool has the call. Under the pool's lock.
enum class call_place : std::uint8_t { nowhere, queued, queued_inline, claimed, posted, running_inline, settled };

/// Aborts the call when its stop token is triggered.
struct stop_trigger {
  call_state* call;
  void operator()() const noexcept;
};

class call_state {
 public:
  call_state() noexcept = default;
  call_state(const call_state&) = delete;
  call_state& operator=(const call_state&) = delete;
  virtual ~call_state() = default;

  /// The worker's answer: copies what it needs out of `answer`, whose bytes may be changing while it reads. Returns:
  /// empty, or what is wrong with the answer. Called once, by whoever collects.
  virtual std::string receive(const payload_view& answer) = 0;
  /// A trusted view wants the bytes left in place: returns true. Where there is no room for it, receive() follows.
  virtual bool keep_in_place(const payload_view& /*answer*/) { return false; }

  [[nodiscard]] bool settled() const noexcept {
    return phase.load(std::memory_order_acquire) == static_cast<std::uint32_t>(call_phase::settled);  // SYNC settled
  }

  std::atomic<std::uint32_t> references{1};
  std::atomic<std::uint32_t> phase{0};  ///< call_phase. SYNC settled: release by the pool, acquire by the future
  std::optional<error> problem;         ///< the outcome, where it is no value; valid once settled

  // -- the pool's
  pool_core* owner = nullptr;  ///< may be gone once the call is settled
  std::uint64_t process = 0;   ///< that built the owner: in a forked child the owner is not there
  const task_record* task = nullptr;
  std::uint64_t id = 0;
  std::uint64_t timeout_ns = 0;
  std::uint64_t grace_ns = 0;
  call_state* next = nullptr;      ///< in the pool's queue
  call_state* previous = nullptr;  ///< in the pool's queue
  waiter* sleeper = nullptr;
  completion_list* completions = nullptr;  ///< where its outcome is to be told
  std::uint32_t ticket = 0;                ///< of it in there
  std::uint32_t attempts = 0;
  std::uint16_t task_index = 0;
  std::uint8_t lane = 0;
  std::uint8_t slot = 0;
  std::uint8_t deaths = 0;
  call_place place = call_place::nowhere;
  bool abort_wanted = false;
  bool in_place = false;             ///< settled without a copy: the slot is still held
  std::shared_ptr<void> keeps_pool;  ///< in_place only: the mapping must outlive the view
  kept_payload kept;
  std::atomic<std::uint64_t> abort_word{0};  ///< the inline lane's abort signal: raised when 1
  std::atomic<std::uint32_t> abort_bell{0};
  std::function<void()> on_settled;  ///< run once by the pool's helper thread
  std::optional<std::stop_callback<stop_trigger>> stop;
};

/// Intrusive pointer to a call of type C.
template <class C>
class call_ref {
 public:
  call_ref() noexcept = default;
  /// Takes over one reference.
  explicit call_ref(C* call) noexcept : call_(call) {}
  call_ref(call_ref&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  call_ref& operator=(call_ref&& other) noexcept {
    if (this != &other) {
      reset();
      call_ = std::exchange(other.call_, nullptr);
    }
    return *this;
  }
  ~call_ref() { reset(); }

  [[nodiscard]] static call_ref share(C* call) noexcept {
    // The caller already holds one, and has no one to race with where it is the only one: then it acquires what those
    // that have let go did before. relaxed, the others: nothing is read by them
    if (call->references.load(std::memory_order_acquire) == 1) {
      call->references.store(2, std::memory_order_relaxed);
    } else {
      call->references.fetch_add(1, std::memory_order_relaxed);
    }
    return call_ref(call);
  }
  void reset() noexcept {
    C* call = std::exchange(call_, nullptr);
    if (call == nullptr) return;
    // Release our use, acquire everybody's before the destructor. The last one has no one to race with.
    if (call->references.load(std::memory_order_acquire) == 1 ||
        call->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete call;
  }
  [[nodiscard]] C* get() const noexcept { return call_; }
  C* operator->() const noexcept { return call_; }
  [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }
  [[nodiscard]] C* detach() noexcept { return std::exchange(call_, nullptr); }

 private:
  C* call_ = nullptr;
};

// -- what a future asks of the pool (pool/futures.cpp)

/// Blocks until the call is settled, or until the time has come. The caller collects for everybody meanwhile.
bool wait_until_settled(call_state& call, std::uint64_t until_ns);
/// Asks for the call to stop: before its start it is removed; while it runs its signal is raised, and after its grace,
/// where it has one, its worker is killed. Nothing where it is settled.
void abort_call(call_state& call) noexcept;
/// Runs `callback` on the helper thread once the call is settled.
void notify_when_settled(call_state& call, std::function<void()> callback);
/// Gives the slot of an in-place answer back.
void release_in_place(call_state& call) noexcept;

[[nodiscard]] std::uint64_t deadline_after(std::chrono::nanoseconds time) noexcept;

}  // namespace selvage::detail
