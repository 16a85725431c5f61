#pragma once
// How a worker may die, and that one call pays for it, whatever the pool's options are.

#include <csignal>
#include <span>
#include <vector>

#include "tests/support/pool_fixture.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {

struct manner_of_death {
  void (*victim)();
  errc code;
  int signal;
};

/// Those for which a worker needs nothing that strict permissions refuse.
inline constexpr manner_of_death manners_of_death[] = {
    {&victims::kill_itself, errc::crashed, SIGKILL},
    {&victims::dereference_null, errc::crashed, SIGSEGV},
    {&victims::divide_by_zero, errc::crashed, SIGFPE},
    {&victims::abort_itself, errc::crashed, SIGABRT},
    {&victims::throw_in_a_detached_thread, errc::crashed, SIGABRT},
    {&victims::overflow_the_stack, errc::crashed, SIGSEGV},
};

/// `options` makes those of a pool of two, for each manner anew.
template <class Options>
void expect_one_call_to_pay(std::span<const manner_of_death> manners, Options&& options) {
  for (const manner_of_death& how : manners) {
    const auto die = selvage::task("die", how.victim);
    pool pool(options(), add, die);
    std::vector<future<int>> sums;
    for (int i = 0; i < 20; ++i) sums.push_back(pool.call(add, i, 1));
    const auto outcome = pool.call(die).result();
    ASSERT_EQ(code_of(outcome), how.code) << &how - manners.data();
    EXPECT_EQ(outcome.error().details().signal, how.signal) << outcome.error().report();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sums[static_cast<std::size_t>(i)].get(), i + 1);
    expect_usable(pool);
  }
}

}  // namespace selvage::test
