// The limits do what they say: right results, no child left behind, no hang where their second process dies. No time is
// asserted, but that none is negative or infinite.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "limits/copy.hpp"
#include "limits/fork.hpp"
#include "limits/futex.hpp"
#include "limits/mailbox.hpp"
#include "limits/ping_pong.hpp"

namespace {

void expect_times(const std::vector<double>& samples, std::size_t count) {
  EXPECT_EQ(samples.size(), count);
  for (const double each : samples) {
    EXPECT_TRUE(std::isfinite(each));
    EXPECT_GT(each, 0);
  }
}

void expect_no_child() {
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(limits, a_round_trip_takes_time_and_leaves_no_child) {
  {
    limits::ping_pong raw;
    expect_times(raw.sample(3), 3);
    expect_times(raw.sample(1), 1);  // the peer slept in between
    expect_times(raw.sample(0), 0);
  }
  expect_no_child();
}

TEST(limits, the_mailbox_returns_every_result_in_its_slot) {
  {
    limits::mailbox_64 raw;  // throws where a result is wrong
    expect_times(raw.sample(2), 2);
    expect_times(raw.sample(1), 1);
  }
  expect_no_child();
}

TEST(limits, sleeping_processes_wake_each_other) {
  {
    limits::futex_pair pair;
    expect_times(pair.sample(5), 5);
    limits::futex_one_way one_way(1'000'000);
    expect_times(one_way.sample(2), 2);
  }
  expect_no_child();
}

TEST(limits, children_are_waited_for) {
  expect_times(limits::fork_exit_wait(2), 2);
  expect_times(limits::five_forks(2), 2);
  expect_no_child();
}

TEST(limits, payloads_of_any_size_and_depth_come_back_unchanged) {
  for (const auto kind : {limits::echo::copied, limits::echo::in_place}) {
    for (const std::size_t bytes : {1, 4095, 4096, 4097, 65'537}) {
      for (const unsigned depth : {1U, 2U, 64U}) {
        limits::memcpy_two_process raw(kind, {.bytes = bytes, .depth = depth, .echoes_per_sample = 5});
        expect_times(raw.sample(2), 2);
        expect_times(raw.sample(1), 1);
      }
    }
  }
  expect_no_child();
}

TEST(limits, copy_options_out_of_range_are_refused) {
  using limits::memcpy_two_process;
  EXPECT_THROW(memcpy_two_process(limits::echo::copied, {.depth = 0}), std::invalid_argument);
  EXPECT_THROW(memcpy_two_process(limits::echo::copied, {.depth = 65}), std::invalid_argument);
  EXPECT_THROW(memcpy_two_process(limits::echo::copied, {.bytes = 0}), std::invalid_argument);
  EXPECT_THROW(memcpy_two_process(limits::echo::copied, {.echoes_per_sample = 0}), std::invalid_argument);
}

TEST(limits, the_sum_is_that_of_a_plain_loop) {
  for (const std::size_t bytes : {0, 1, 7, 8, 9, 1023, 1024, 1025, 100'003}) {
    std::vector<std::byte> data(bytes);
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      data[i] = static_cast<std::byte>(i * 37 + i / 256);
      expected += std::to_integer<std::uint64_t>(data[i]);
    }
    EXPECT_EQ(limits::sum(data.data(), bytes), expected) << bytes;
    std::fill(data.begin(), data.end(), std::byte{0xff});
    EXPECT_EQ(limits::sum(data.data(), bytes), 255 * bytes) << bytes;
  }
}

TEST(limits, fill_writes_every_byte_and_differs_from_call_to_call) {
  std::vector<std::byte> data(1001, std::byte{0});
  limits::fill(data.data(), data.size(), 0);
  const std::byte first = data[0];
  EXPECT_NE(first, std::byte{0});
  EXPECT_EQ(data, std::vector<std::byte>(data.size(), first));
  limits::fill(data.data(), data.size(), 1);
  EXPECT_EQ(data, std::vector<std::byte>(data.size(), data[0]));
  EXPECT_NE(data[0], first);
}

TEST(limits, shared_memory_has_no_name_and_is_shared) {
  const limits::shared_memory memory(8192);
  EXPECT_EQ(::shm_open(("/limit-" + std::to_string(::getpid())).c_str(), O_RDONLY, 0), -1);
  EXPECT_EQ(errno, ENOENT);
  {
    auto& word = *new (memory.data()) std::atomic<std::uint32_t>(0);
    const limits::peer other(limits::any_cpu, [&] { word.store(7); });
    EXPECT_NO_THROW(other.spin_until([&] { return word.load() == 7; }));
  }
}

TEST(limits, more_shared_memory_than_there_is_is_an_error) {
  EXPECT_THROW(limits::shared_memory(std::size_t{1} << 60), std::system_error);
}

TEST(limits, a_peer_that_died_is_noticed) {
  const limits::shared_memory memory(4096);
  auto& word = *new (memory.data()) std::atomic<std::uint32_t>(0);
  const limits::peer dead(limits::any_cpu, [] {});
  EXPECT_THROW(dead.spin_until([] { return false; }), std::runtime_error);
  EXPECT_THROW(dead.sleep_until(word, 1), std::runtime_error);
}

TEST(limits, a_processor_that_is_not_there_is_an_error_and_leaves_no_child) {
  EXPECT_THROW(limits::ping_pong(1023), std::system_error);
  expect_no_child();
}

TEST(limits, the_time_of_a_task_passes) {
  for (const std::uint64_t ns : {0U, 1000U, 1'000'000U}) {
    const std::uint64_t begin = limits::now_ns();
    limits::pass_time(ns);
    EXPECT_GE(limits::now_ns() - begin, ns);
  }
}

}  // namespace
