// Runs as others see them: listed, read, forgotten and compacted, also while somebody writes; and who may have one
// open.

#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <memory>

#include "tests/run/store_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/lane_memory.hpp"

namespace selvage::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

void make_run(const store& in, const std::string& name, int items) {
  journal writer = open(in, {.name = name, .fingerprint = {{"task", "t " + name}}});
  for (int i = 0; i < items; ++i) put(writer, "key " + std::to_string(i));
}

TEST(stores, list_their_runs) {
  const scratch_directory place;
  const store store(place.path());
  EXPECT_TRUE(store.runs().value().empty());
  make_run(store, "b", 3);
  make_run(store, "a", 0);
  std::filesystem::create_directory(place.path() / "something else");
  const auto runs = store.runs().value();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].name, "a");
  EXPECT_EQ(runs[0].items, 0U);
  EXPECT_EQ(runs[1].name, "b");
  EXPECT_EQ(runs[1].items, 3U);
  EXPECT_EQ(runs[1].fingerprint, (fingerprint{{"task", "t b"}}));
  EXPECT_EQ(runs[1].opened_by, 0);
  EXPECT_EQ(runs[1].problem, "");
  EXPECT_GT(runs[1].size, 0_B);
  EXPECT_GT(runs[1].created, std::chrono::system_clock::now() - 1h);
  EXPECT_EQ(store.look_at("b").value().items, 3U);
  EXPECT_EQ(code_of(store.look_at("c")), "store_error");
  EXPECT_THAT(words_of(selvage::store(place.path() / "nowhere").runs()), HasSubstr("No such file"));
}

TEST(stores, read_the_items_of_a_run_in_order) {
  const scratch_directory place;
  const store store(place.path());
  make_run(store, "run", 3);
  std::vector<std::string> keys;
  ASSERT_TRUE(store.for_each("run", [&](const stored_item& item) {
    keys.emplace_back(item.key);
    return keys.size() < 2;
  }));
  EXPECT_THAT(keys, ElementsAre("key 0", "key 1"));
  std::string output;
  EXPECT_TRUE(store.find("run", "key 2", [&](const stored_item& item) { output = owned_item(item).output; }).value());
  EXPECT_EQ(output, output_of("key 2"));
  EXPECT_FALSE(store.find("run", "key 3", {}).value());
  EXPECT_THAT(words_of(store.find("other", "key 3", {})), HasSubstr("there is no such run"));
  EXPECT_FALSE(std::filesystem::exists(place.path() / "other.run")) << "looking makes nothing";
}

TEST(stores, forget_a_run) {
  const scratch_directory place;
  const store store(place.path());
  make_run(store, "run", 3);
  make_run(store, "other", 3);
  EXPECT_TRUE(store.forget("run").value());
  EXPECT_FALSE(store.forget("run").value());
  EXPECT_EQ(store.runs().value().size(), 1U);
  EXPECT_EQ(open(store, {.name = "run"}).found(), 0U);
  EXPECT_EQ(all_of(store, "other").size(), 3U);
}

TEST(stores, compact_a_run) {
  const scratch_directory place;
  const store store(place.path(), {.commit_items = 1});
  {
    journal writer = open(store, {.name = "run"});
    const std::string large(200'000, 'x');
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(writer.put(item_of(std::to_string(i), large)));
      ASSERT_TRUE(writer.flush());
    }
    for (int i = 0; i < 20; ++i) put(writer, std::to_string(i));
  }
  const auto before = all_of(store, "run");
  const auto [old_size, new_size] = store.compact("run").value();
  EXPECT_LT(new_size.count, old_size.count / 4);
  EXPECT_EQ(store.look_at("run").value().size, new_size);
  EXPECT_EQ(all_of(store, "run"), before);
  journal writer = open(store, {.name = "run"});
  put(writer, "one more");
  ASSERT_TRUE(writer.flush());
  EXPECT_EQ(found_in(writer, "one more"), output_of("one more"));
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(place.path())) ++entries;
  EXPECT_EQ(entries, 1U) << "nothing is left behind";
}

TEST(stores, have_a_folder_for_files_of_each_run) {
  const scratch_directory place;
  const store store(place.path());
  const auto file = store.files_of("a run") / "file";
  {
    journal writer = open(store, {.name = "a run"});
    std::ofstream(file) << std::string(10'000, 'x');
    put(writer, "key");
    ASSERT_TRUE(writer.flush());
  }
  EXPECT_GE(store.look_at("a run").value().files.count, 10'000U);
  ASSERT_TRUE(store.compact("a run"));
  EXPECT_EQ(std::filesystem::file_size(file), 10'000U);
  { const journal again = open(store, {.name = "a run"}); }
  EXPECT_TRUE(std::filesystem::exists(file)) << "it goes with the run, and not before";
  { const journal fresh = open(store, {.name = "a run", .fresh = true}); }
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(std::filesystem::is_directory(file.parent_path()));
  ASSERT_TRUE(store.forget("a run").value());
  EXPECT_TRUE(std::filesystem::is_empty(place.path()));
  EXPECT_THROW((void)store.files_of(""), error);
}

TEST(stores, have_each_run_open_once) {
  const scratch_directory place;
  const store store(place.path());
  auto first = std::make_unique<journal>(open(store, {.name = "run"}));
  const auto second = store.open({.name = "run"});
  EXPECT_EQ(code_of(second), "store_busy");
  EXPECT_THAT(words_of(second), HasSubstr("this program has the run open already"));
  EXPECT_EQ(code_of(store.open({.name = "run", .fresh = true})), "store_busy");
  EXPECT_EQ(code_of(store.forget("run")), "store_busy");
  EXPECT_EQ(code_of(store.compact("run")), "store_busy");
  EXPECT_EQ(code_of(store.check("run")), "store_busy");
  EXPECT_EQ(store.runs().value().at(0).opened_by, ::getpid());
  const journal other = open(store, {.name = "other"});
  // A look at the run must not have let go of its lock.
  const std::string child_says =
      tests::said_by_child([&] { return words_of(selvage::store(place.path()).open({.name = "run"})); });
  EXPECT_THAT(child_says, HasSubstr("store_busy"));
  EXPECT_THAT(child_says, HasSubstr("process " + std::to_string(::getpid()) + " has the run open"));
  first.reset();
  EXPECT_EQ(code_of(store.open({.name = "run"})), "done");
}

// What a program forks keeps the descriptors, but neither the lock nor the maps of its store.
TEST(stores, can_be_opened_as_soon_as_their_owner_was_killed) {
  const scratch_directory place;
  const tests::shared_array<std::atomic<std::uint64_t>> words(3);
  {
    tests::child owner([&] {
      const store store(place.path(), {.commit_interval = 1ms});
      journal writer = open(store, {.name = "run"});
      put(writer, "key");
      (void)writer.flush();
      if (const pid_t left_over = ::fork(); left_over == 0) {
        words[1] = 1;
        for (;;) ::pause();
      } else {
        words[2] = static_cast<std::uint64_t>(left_over);
      }
      words[0] = 1;
      for (int i = 0;; ++i) put(writer, std::to_string(i));
      return 0;
    });
    while (words[0] == 0 || words[1] == 0) ::usleep(1000);
    ::usleep(20'000);
  }
  const store store(place.path());
  const auto opened = store.open({.name = "run"});
  EXPECT_EQ(code_of(opened), "done") << words_of(opened);
  EXPECT_EQ(opened ? found_in(*opened, "key") : "", output_of("key"));
  ::kill(static_cast<pid_t>(words[2].load()), SIGKILL);
}

TEST(stores, are_read_while_another_process_writes) {
  const scratch_directory place;
  const tests::shared_array<std::atomic<std::uint64_t>> words(3);
  tests::child writer_process([&] {
    const store store(place.path(), {.commit_interval = 1ms, .map = 64_KiB});
    journal writer = open(store, {.name = "run"});
    for (int i = 0; words[1] == 0; ++i) {
      put(writer, std::to_string(i));
      words[0] = writer.durable();
      if (i % 50 == 0) ::usleep(1000);
    }
    return writer.flush() ? 0 : 1;
  });
  const store store(place.path());
  while (words[0] == 0) ::usleep(1000);
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t least = words[0];
    const auto items = all_of(store, "run");
    EXPECT_GE(items.size(), least);
    for (const auto& [key, item] : items) ASSERT_EQ(item.output, output_of(key));
    const auto seen = store.look_at("run").value();
    EXPECT_EQ(seen.opened_by, writer_process.pid());
    EXPECT_GE(seen.items, least);
    EXPECT_THAT(words_of(store.forget("run")), HasSubstr("process " + std::to_string(writer_process.pid())));
  }
  words[1] = 1;
  EXPECT_EQ(writer_process.exit_status(), 0);
}

TEST(stores, are_of_no_use_to_a_forked_child) {
  const scratch_directory place;
  const store store(place.path());
  std::optional<journal> writer(open(store, {.name = "run"}));
  put(*writer, "a");
  ASSERT_TRUE(writer->flush());
  const std::string said = tests::said_by_child([&] {
    std::string words = words_of(writer->put(item_of("b", "x"))) + "\n" + words_of(writer->find("a")) + "\n" +
                        words_of(writer->flush());
    writer.reset();  // joins no thread that is not there
    return words + "\ndestroyed";
  });
  EXPECT_THAT(said, HasSubstr("the run was opened by another process than this child"));
  EXPECT_THAT(said, HasSubstr("\ndestroyed"));
  EXPECT_THAT(tests::said_by_child([&] { return words_of(store.open({.name = "run"})); }), HasSubstr("store_busy"));
  put(*writer, "b");
  ASSERT_TRUE(writer->flush());
  EXPECT_EQ(found_in(*writer, "b"), output_of("b"));
}

TEST(stores, sweep_up_what_killed_processes_left_half_made) {
  const scratch_directory place;
  std::filesystem::create_directories(place.path() / ".new-1-0");
  std::filesystem::create_directories(place.path() / ".old-1-7");
  std::ofstream(place.path() / ".old-1-7" / "data.mdb") << "x";
  std::ofstream(place.path() / ".old-1-7" / "owner") << "";  // goes last
  std::filesystem::create_directories(place.path() / ".git");
  const store store(place.path());
  { const journal opened = open(store, {.name = "run"}); }
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(place.path())) left.push_back(entry.path().filename());
  EXPECT_THAT(left, ::testing::UnorderedElementsAre(".git", "run.run"));
}

TEST(stores, are_made_by_one_of_many_processes) {
  for (int round = 0; round < 20; ++round) {
    const scratch_directory place;
    std::vector<std::unique_ptr<tests::child>> crowd;
    for (int i = 0; i < 4; ++i) {
      crowd.push_back(std::make_unique<tests::child>([&, i] {
        const store store(place.path());
        for (;;) {
          auto opened = store.open({.name = "run"});
          if (opened) {
            put(*opened, std::to_string(i));
            return opened->flush() ? 0 : 1;
          }
          if (opened.error().code() != errc::store_busy) {
            std::fprintf(stderr, "%s\n", opened.error().what());
            return 2;
          }
        }
      }));
    }
    for (auto& one : crowd) EXPECT_EQ(one->exit_status(), 0);
    EXPECT_EQ(all_of(store(place.path()), "run").size(), 4U);
  }
}

}  // namespace
}  // namespace selvage::test
