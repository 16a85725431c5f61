// See order_line.hpp.

#include "start/order_line.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.hpp"
#include "base/syscalls.hpp"

namespace selvage::launch {
namespace {

using problem = tl::unexpected<line_problem>;

int milliseconds_until(std::uint64_t until_ns) {
  const std::uint64_t now = base::now_ns();
  if (until_ns <= now) return 0;
  return static_cast<int>(std::min<std::uint64_t>((until_ns - now) / 1'000'000 + 1, 1'000'000'000));
}

std::span<std::byte> bytes_of(std::uint32_t& length) { return std::as_writable_bytes(std::span(&length, 1)); }

}  // namespace

tl::expected<void, line_problem> order_line::send(std::span<const std::byte> message) {
  auto length = static_cast<std::uint32_t>(message.size());
  return send_part(bytes_of(length)).and_then([&] { return send_part(message); });
}

tl::expected<std::vector<std::byte>, line_problem> order_line::receive(std::size_t max_bytes) {
  std::uint32_t length = 0;
  if (const auto got = receive_part(bytes_of(length)); !got) return problem(got.error());
  if (length > max_bytes) return problem(line_problem::too_long);
  std::vector<std::byte> message(length);
  if (const auto got = receive_part(message); !got) return problem(got.error());
  return message;
}

tl::expected<void, line_problem> order_line::send_part(std::span<const std::byte> part) {
  while (!part.empty()) {
    const ssize_t sent =
        base::retry_eintr([&] { return ::send(socket_.get(), part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
    if (sent >= 0) {
      part = part.subspan(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN) {
      return problem(line_problem::lost);
    } else if (const auto ready = wait_for(POLLOUT); !ready) {
      return ready;
    }
  }
  return {};
}

tl::expected<void, line_problem> order_line::receive_part(std::span<std::byte> part) {
  while (!part.empty()) {
    const ssize_t got =
        base::retry_eintr([&] { return ::recv(socket_.get(), part.data(), part.size(), MSG_DONTWAIT); });
    if (got > 0) {
      part = part.subspan(static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EAGAIN) {
      return problem(line_problem::lost);
    } else if (const auto ready = wait_for(POLLIN); !ready) {
      return ready;
    }
  }
  return {};
}

// The socket alone would not do: a stray fork of either process may hold the other end open. Called once more after
// the peer has ended, for what it said last.
tl::expected<void, line_problem> order_line::wait_for(short events) {
  if (peer_ended_) return problem(line_problem::lost);
  pollfd watched[2] = {{.fd = socket_.get(), .events = events, .revents = 0},
                       {.fd = peer_, .events = POLLIN, .revents = 0}};
  const int ready = base::retry_eintr([&] { return ::poll(watched, 2, milliseconds_until(until_ns_)); });
  if (ready == 0) return problem(line_problem::late);
  if (ready < 0) return problem(line_problem::lost);
  peer_ended_ = watched[1].revents != 0;
  return {};
}

}  // namespace selvage::launch
