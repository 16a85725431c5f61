// See interrupt.hpp.

#include "interrupt.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>

namespace selvage::cli {

interrupts::interrupts() {
  ::sigemptyset(&watched_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&watched_, signal);
  ::signal(SIGPIPE, SIG_IGN);  // a closed output is an error of write()
}

void interrupts::block() {
  ::pthread_sigmask(SIG_BLOCK, &watched_, &before_);
  is_blocked_ = true;
}

interrupts::~interrupts() {
  if (listener_.joinable()) {
    listener_.request_stop();
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
    listener_.join();
    ::close(wake_);
  }
  if (is_blocked_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void interrupts::listen() {
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  listener_ = std::jthread([this](const std::stop_token& end) { wait_for_signals(end); });
}

void interrupts::wait_for_signals(const std::stop_token& end) {
  const int signals = ::signalfd(-1, &watched_, SFD_CLOEXEC);
  while (!end.stop_requested()) {
    std::array<pollfd, 2> waits{pollfd{signals, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), -1) <= 0 || (waits[0].revents & POLLIN) == 0) continue;
    signalfd_siginfo came{};
    if (::read(signals, &came, sizeof came) != sizeof came) continue;
    const int signal = static_cast<int>(came.ssi_signo);
    last_.store(signal, std::memory_order_relaxed);  // relaxed: a number
    if (signal != SIGINT || soon_.stop_requested()) {
      soon_.request_stop();
      now_.request_stop();
    } else {
      std::fputs("\nselvage: what runs may finish; once more ends it\n", stderr);
      soon_.request_stop();
    }
  }
  ::close(signals);
}

}  // namespace selvage::cli
