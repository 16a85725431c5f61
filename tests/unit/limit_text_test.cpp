// Which limit was behind an exception, and what the machine says of its OOM killer.

#include "pool/limit_text.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "supervisor/oom_killer.hpp"

namespace selvage::host {
namespace {

constexpr base::limits all = {.file_bytes = 4096, .files = 7, .threads = 3};

TEST(limit_behind, an_exception_is_known_by_its_errno) {
  EXPECT_EQ(limit_behind(EMFILE, all, false).value().code, errc::file_limit);
  EXPECT_EQ(limit_behind(EFBIG, all, false).value().code, errc::file_limit);
  EXPECT_EQ(limit_behind(EAGAIN, all, true).value().code, errc::thread_limit);
  EXPECT_NE(limit_behind(EMFILE, all, false)->text.find("7 descriptors"), std::string::npos);
  EXPECT_NE(limit_behind(EFBIG, all, false)->text.find("4096 bytes"), std::string::npos);
  EXPECT_NE(limit_behind(EAGAIN, all, true)->text.find("3 threads"), std::string::npos);
}

TEST(limit_behind, an_errno_is_not_enough_where_nothing_was_limited_or_refused) {
  EXPECT_FALSE(limit_behind(EMFILE, {}, false));
  EXPECT_FALSE(limit_behind(EFBIG, {}, false));
  EXPECT_FALSE(limit_behind(EAGAIN, all, false)) << "a socket that would block, for one";
  EXPECT_FALSE(limit_behind(0, all, true));
  EXPECT_FALSE(limit_behind(ENOENT, all, true));
}

}  // namespace
}  // namespace selvage::host

namespace selvage::supervisor {
namespace {

TEST(oom_killer, its_victims_are_counted_by_the_kernel) {
  EXPECT_EQ(oom_kills_in("nr_free_pages 12\noom_kill 42\nnuma_hit 7\n"), 42U);
  EXPECT_EQ(oom_kills_in("oom_kill 0"), 0U);
  EXPECT_EQ(oom_kills_in("memcg_oom_kill 3\nnr_oom_kill 4\n"), std::nullopt);
  EXPECT_EQ(oom_kills_in("oom_kill many\n"), std::nullopt);
  EXPECT_EQ(oom_kills_in(""), std::nullopt);
}

TEST(oom_killer, was_at_work_where_there_are_more_than_before) {
  std::uint64_t seen = oom_kills();
  EXPECT_LE(seen, oom_kills());
  if (seen == 0) return;  // nothing was ever killed here, or the kernel does not count
  seen = 0;
  EXPECT_TRUE(oom_killer_was_at_work(seen));
  EXPECT_NE(seen, 0U);
}

}  // namespace
}  // namespace selvage::supervisor
