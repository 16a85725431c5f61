// The line between a host and its fresh supervisor: whole messages, and never a hang.

#include "start/order_line.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "tests/support/child.hpp"

namespace selvage::launch {
namespace {

constexpr std::size_t no_limit = std::size_t{1} << 30U;

struct ends {
  base::unique_fd a, b;
  ends() {
    int fds[2];
    base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
};

std::uint64_t in_ms(std::uint64_t ms) { return base::now_ns() + ms * 1'000'000; }

TEST(order_line, carries_messages_of_every_size_and_both_ways) {
  ends pair;
  const base::unique_fd self = base::pidfd_open(::getpid());
  order_line left(std::move(pair.a), self.get(), in_ms(30'000));
  order_line right(std::move(pair.b), self.get(), in_ms(30'000));
  for (const std::size_t size : {0U, 1U, 3U, 4096U, 1U << 18U, 5'000'000U}) {  // some over what a socket buffers
    std::vector<std::byte> message(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::byte>(i * 31 + i / 256);
    std::thread sender([&] { EXPECT_TRUE(left.send(message)); });
    const auto got = right.receive(no_limit);
    sender.join();
    ASSERT_TRUE(got) << size;
    EXPECT_TRUE(*got == message) << size;
    ASSERT_TRUE(right.send(std::span(message).first(std::min<std::size_t>(size, 100))));
    EXPECT_EQ(left.receive(100)->size(), std::min<std::size_t>(size, 100));
  }
}

TEST(order_line, refuses_an_announced_length_over_the_limit_before_it_allocates) {
  ends pair;
  const base::unique_fd self = base::pidfd_open(::getpid());
  const std::uint32_t huge = ~0U;
  ASSERT_EQ(::write(pair.a.get(), &huge, sizeof huge), static_cast<ssize_t>(sizeof huge));
  order_line right(std::move(pair.b), self.get(), in_ms(30'000));
  EXPECT_EQ(right.receive(1000).error(), line_problem::too_long);
}

TEST(order_line, is_lost_when_the_other_end_is_closed_within_a_message) {
  ends pair;
  const base::unique_fd self = base::pidfd_open(::getpid());
  const std::uint32_t ten = 10;
  ASSERT_EQ(::write(pair.a.get(), &ten, sizeof ten), static_cast<ssize_t>(sizeof ten));
  ASSERT_EQ(::write(pair.a.get(), "half", 4), 4);
  pair.a.reset();
  order_line right(std::move(pair.b), self.get(), in_ms(30'000));
  EXPECT_EQ(right.receive(no_limit).error(), line_problem::lost);
  const std::vector<std::byte> message(10);
  EXPECT_EQ(right.send(message).error(), line_problem::lost);
}

TEST(order_line, is_lost_when_the_peer_ends_while_somebody_else_holds_the_other_end_open) {
  ends pair;
  tests::child peer([] { return 0; });
  const base::unique_fd peer_pidfd = base::pidfd_open(peer.pid());
  (void)peer.wait();
  order_line right(std::move(pair.b), peer_pidfd.get(), base::never_ns);  // and pair.a stays open
  EXPECT_EQ(right.receive(no_limit).error(), line_problem::lost);
  const std::vector<std::byte> more_than_a_socket_buffers(std::size_t{64} << 20U);
  EXPECT_EQ(right.send(more_than_a_socket_buffers).error(), line_problem::lost);
}

TEST(order_line, still_hears_what_a_peer_said_before_it_ended) {
  ends pair;
  tests::child peer([&] {
    const base::unique_fd self = base::pidfd_open(::getpid());
    order_line left(base::unique_fd(::dup(pair.a.get())), self.get(), in_ms(30'000));
    const std::vector<std::byte> words(7, std::byte{42});
    return left.send(words) ? 0 : 1;
  });
  const base::unique_fd peer_pidfd = base::pidfd_open(peer.pid());
  ASSERT_EQ(peer.exit_status(), 0);
  order_line right(std::move(pair.b), peer_pidfd.get(), base::never_ns);
  EXPECT_EQ(right.receive(no_limit)->size(), 7U);
}

TEST(order_line, is_late_when_nothing_comes_and_nothing_goes) {
  ends pair;
  const base::unique_fd self = base::pidfd_open(::getpid());
  order_line right(std::move(pair.b), self.get(), in_ms(20));
  EXPECT_EQ(right.receive(no_limit).error(), line_problem::late);
  const std::vector<std::byte> more_than_a_socket_buffers(std::size_t{64} << 20U);
  EXPECT_EQ(right.send(more_than_a_socket_buffers).error(), line_problem::late);
}

}  // namespace
}  // namespace selvage::launch
