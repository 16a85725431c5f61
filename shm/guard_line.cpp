// One descriptor with a note, over a pair of sockets: see guard_line.hpp.

#include "shm/guard_line.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

#include "base/syscalls.hpp"

namespace selvage::shm {
namespace {

union control_space {
  cmsghdr header;  // for its alignment
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

guard_line make_guard_line() {
  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
  guard_line line{.supervisors = base::unique_fd(ends[0]), .workers = base::unique_fd(ends[1])};
  base::check(::fcntl(ends[0], F_SETFL, O_NONBLOCK), "fcntl(F_SETFL)");
  return line;
}

void send_guard(int line, const guard_note& note, int listener) {
  control_space control{};
  iovec text{.iov_base = const_cast<guard_note*>(&note), .iov_len = sizeof note};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof listener);
  std::memcpy(CMSG_DATA(rights), &listener, sizeof listener);
  base::check(base::retry_eintr([&] { return ::sendmsg(line, &message, MSG_NOSIGNAL); }), "sendmsg of the listener");
}

std::optional<received_guard> receive_guard(int line) noexcept {
  control_space control{};
  received_guard got{};
  iovec text{.iov_base = &got.note, .iov_len = sizeof got.note};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t length = base::retry_eintr([&] { return ::recvmsg(line, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
  if (length < 0) return std::nullopt;
  const cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  if (rights != nullptr && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
      rights->cmsg_len == CMSG_LEN(sizeof(int))) {
    int listener = -1;
    std::memcpy(&listener, CMSG_DATA(rights), sizeof listener);
    got.listener.reset(listener);
  }
  if (static_cast<std::size_t>(length) != sizeof got.note || !got.listener) return std::nullopt;
  return got;
}

}  // namespace selvage::shm
