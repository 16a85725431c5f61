// What tells a process from the children that it forked, and who is counted while entering a pool.

#include "base/this_process.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/child.hpp"

namespace selvage::base {
namespace {

TEST(this_process, keeps_its_token) {
  const std::uint64_t token = token_of_this_process();
  EXPECT_EQ(token_of_this_process(), token);
  EXPECT_TRUE(is_this_process(token));
  EXPECT_FALSE(is_this_process(token + 1));
}

TEST(this_process, is_none_of_its_forked_children_which_have_tokens_of_their_own) {
  const std::uint64_t token = token_of_this_process();
  tests::child child([token] {
    if (is_this_process(token)) return 1;
    const std::uint64_t own = token_of_this_process();
    if (own == token || is_this_process(token) || !is_this_process(own)) return 2;
    tests::child grandchild([=] { return is_this_process(token) || is_this_process(own) ? 1 : 0; });
    return grandchild.exit_status() == 0 ? 0 : 3;
  });
  EXPECT_EQ(child.exit_status(), 0);
  EXPECT_TRUE(is_this_process(token));
}

TEST(visitors, are_waited_for_one_and_all) {
  (void)token_of_this_process();
  process_page& page = *the_process_page.load();
  page.visitors.front().inside = 1;
  page.visitors.back().inside = 2;
  std::atomic<bool> back{false};
  std::thread waits([&back] {
    wait_for_visitors();
    back = true;
  });
  // These cannot fail by being too early: whoever waits is held for as long as somebody is inside.
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(back);
  page.visitors.front().inside = 0;
  page.visitors.back().inside = 1;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(back);
  page.visitors.back().inside = 0;
  waits.join();
  EXPECT_TRUE(back);
}

TEST(visitors, of_the_parent_are_not_waited_for_in_a_forked_child) {
  (void)token_of_this_process();
  process_page& page = *the_process_page.load();
  page.visitors[3].inside = 1;
  tests::child child([] {
    (void)token_of_this_process();
    wait_for_visitors();
    return 0;
  });
  EXPECT_EQ(child.exit_status(), 0);
  page.visitors[3].inside = 0;
}

}  // namespace
}  // namespace selvage::base
