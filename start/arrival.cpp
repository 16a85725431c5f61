// The fresh process's side of start::spawn: proves that it was started by a pool, takes its orders, checks them
// against itself, answers, and becomes the supervisor. Called by selvage::init. Never: returns to main().

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "start/order_line.hpp"
#include "start/spawn.hpp"

namespace selvage::launch {
namespace {

constexpr std::uint64_t patience_ns = 30'000'000'000;  // the host writes at once
constexpr int exit_by_hand = 64;                       // EX_USAGE
constexpr int exit_unfit = 70;                         // EX_SOFTWARE

[[noreturn]] void not_for_you(const char* why) {
  std::fprintf(
      stderr,
      "selvage: %s... is what a pool with start::spawn gives to the supervisor that it starts, and is of no use "
      "by hand: %s\n",
      std::string(supervisor_argument).c_str(), why);
  ::_exit(exit_by_hand);
}

// The socket that our parent made for us, whoever else may have started us with a descriptor of that number.
base::unique_fd line_named_by(std::string_view argument) {
  const std::string_view digits = argument.substr(supervisor_argument.size());
  int fd = -1;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
  if (wrong != std::errc() || end != digits.data() + digits.size() || fd < 0) not_for_you("it names no descriptor");
  int type = 0;
  socklen_t length = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) {
    not_for_you("the descriptor is not a pool's socket");
  }
  base::check(::fcntl(fd, F_SETFD, FD_CLOEXEC), "fcntl(F_SETFD)");
  return base::unique_fd(fd);
}

struct parent {
  int pid;
  base::unique_fd pidfd;
};

parent maker_of(const base::unique_fd& line) {
  ucred maker = {};
  socklen_t length = sizeof maker;
  if (::getsockopt(line.get(), SOL_SOCKET, SO_PEERCRED, &maker, &length) != 0 || maker.pid <= 0) {
    not_for_you("the descriptor is not a pool's socket");
  }
  parent it{.pid = maker.pid, .pidfd = {}};
  try {
    it.pidfd = base::pidfd_open(maker.pid);
  } catch (const std::system_error&) {
    not_for_you("the pool's process is gone");
  }
  if (::getppid() != maker.pid) not_for_you("its pool is not the parent of this process, or is gone");
  return it;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Tells the host why not. It is the host that reports it to the user.
[[noreturn]] void refuse(order_line& line, const char* why) {
  (void)line.send(bytes_of(why));
  ::_exit(exit_unfit);
}

std::unique_ptr<told_crew> take_orders(order_line& line) {
  const auto message = line.receive(schema::max_spawn_orders_bytes);
  if (!message) throw std::runtime_error("its orders did not come, or are too long");
  const auto orders = schema::decode_spawn_orders(*message);
  if (!orders) throw std::runtime_error(orders.error());
  return crew_of(*orders);
}

}  // namespace

void arrive(std::string_view argument) {
  base::unique_fd socket = line_named_by(argument);
  parent host = maker_of(socket);
  order_line line(std::move(socket), host.pidfd.get(), base::saturating_add(base::now_ns(), patience_ns));
  try {
    told_crew& told = *take_orders(line).release();  // lives as long as the process
    if (!line.send({})) ::_exit(exit_unfit);         // nothing to say: it agrees
    become_supervisor(told.workers, {.segment = std::move(told.segment),
                                     .bell = std::move(told.bell),
                                     .host_pidfd = std::move(host.pidfd),
                                     .host_pid = host.pid});
  } catch (const std::exception& problem) {
    refuse(line, problem.what());
  }
}

}  // namespace selvage::launch
