// The limits by themselves, as figures without a goal: what this machine can do, and how steadily (--limits).

#include <memory>

#include "groups.hpp"
#include "limits/copy.hpp"
#include "limits/fork.hpp"
#include "limits/futex.hpp"
#include "limits/mailbox.hpp"
#include "limits/ping_pong.hpp"

namespace selvage::bench {
namespace {

template <class Limit>
sides alone(std::shared_ptr<Limit> limit) {
  return {.figure = [limit](std::size_t count) { return limit->sample(count); }};
}

template <class Limit>
std::function<sides(const settings&)> opens() {
  return [](const settings& as) { return alone(std::make_shared<Limit>(as.peer_cpu)); };
}

std::function<sides(const settings&)> opens_copy(limits::echo kind) {
  return [kind](const settings& as) {
    return alone(std::make_shared<limits::memcpy_two_process>(kind, limits::copy_options{}, as.peer_cpu));
  };
}

}  // namespace

void add_limits(suite& to) {
  using namespace std::chrono_literals;
  to.add(
      {.name = "ping_pong", .unit = "ns", .rhythm = {.turns = 5, .samples = 200}, .open = opens<limits::ping_pong>()});
  to.add(
      {.name = "mailbox_64", .unit = "ns", .rhythm = {.turns = 5, .samples = 20}, .open = opens<limits::mailbox_64>()});
  to.add({.name = "futex_pair",
          .unit = "us",
          .rhythm = {.turns = 50, .samples = 1, .gap = 3ms},
          .open = opens<limits::futex_pair>()});
  to.add({.name = "futex_one_way",
          .unit = "us",
          .rhythm = {.turns = 50, .samples = 1, .gap = 3ms, .figure_is_gap = true},
          .open = [](const settings& as) {
            return alone(std::make_shared<limits::futex_one_way>(5'000'000, as.peer_cpu));
          }});
  to.add({.name = "memcpy_copied",
          .unit = "GB/s",
          .rhythm = {.turns = 2, .samples = 3},
          .open = opens_copy(limits::echo::copied)});
  to.add({.name = "memcpy_in_place",
          .unit = "GB/s",
          .rhythm = {.turns = 2, .samples = 3},
          .open = opens_copy(limits::echo::in_place)});
  to.add({.name = "fork_exit_wait", .unit = "us", .rhythm = {.turns = 2, .samples = 50}, .open = [](const settings&) {
            return sides{.figure = limits::fork_exit_wait};
          }});
  to.add({.name = "five_forks", .unit = "us", .rhythm = {.turns = 2, .samples = 20}, .open = [](const settings&) {
            return sides{.figure = limits::five_forks};
          }});
}

}  // namespace selvage::bench
