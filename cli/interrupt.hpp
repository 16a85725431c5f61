#pragma once
// Signals as stop requests: SIGINT once lets what runs finish, twice ends it; SIGTERM and SIGHUP end it. Until there
// is something to stop they do what they always do. Then they are blocked in every thread that is started, and a thread
// of its own waits for them.

#include <signal.h>

#include <atomic>
#include <stop_token>
#include <thread>

namespace selvage::cli {

class interrupts {
 public:
  interrupts();
  interrupts(const interrupts&) = delete;
  interrupts& operator=(const interrupts&) = delete;
  ~interrupts();

  /// Blocks them: before there are threads, or anything to lose.
  void block();
  /// Begins to listen: once the pool's processes are forked. What has come since block() is heard.
  void listen();
  [[nodiscard]] std::stop_token soon() const { return soon_.get_token(); }
  [[nodiscard]] std::stop_token now() const { return now_.get_token(); }
  /// The last signal that came, 0 for none.
  [[nodiscard]] int signal() const noexcept { return last_.load(std::memory_order_relaxed); }  // relaxed: a number
  void stop_soon() { soon_.request_stop(); }

 private:
  void wait_for_signals(const std::stop_token& end);

  sigset_t watched_{};
  sigset_t before_{};
  std::stop_source soon_;
  std::stop_source now_;
  std::atomic<int> last_{0};
  bool is_blocked_ = false;
  int wake_ = -1;
  std::jthread listener_;
};

}  // namespace selvage::cli
