// start::spawn when it cannot be: what is refused by name before anything is started, what the host hears of a
// fresh process that does not come up, and what becomes of somebody who plays supervisor by hand.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "schema/spawn_orders.hpp"
#include "shm/segment.hpp"
#include "start/fresh_program.hpp"
#include "start/order_line.hpp"
#include "tests/crash/fresh_orders.hpp"
#include "tests/support/child.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {
namespace {

// The error of a pool that cannot be built.
template <class... F>
error refusal(pool_options options, const task<F>&... tasks) {
  options.start = start::spawn;
  options.workers = 1;
  try {
    const pool built(std::move(options), tasks...);
  } catch (const error& problem) {
    return problem;
  }
  return error(errc::task_failed, "the pool was built");
}

// ---- before anything is started -----------------------------------------------------------------------------------

using spawn_refused = pool_survives;

TEST_F(spawn_refused, to_a_task_with_captured_state_by_its_name) {
  int captured = 7;
  const auto harmless = task("harmless", [] { return 1; });
  const auto stateful = task("stateful", [captured] { return captured; });
  const error problem = refusal({}, harmless, stateful);
  EXPECT_EQ(problem.code(), errc::invalid_options);
  EXPECT_EQ(problem.details().task, "stateful");
  EXPECT_THAT(problem.what(), ::testing::HasSubstr("captured state"));
}

TEST_F(spawn_refused, to_hooks_that_are_no_plain_functions_by_the_name_of_the_field) {
  const std::function<void()> lambda = [] {};
  const error first = refusal({.initializer = lambda}, add);
  EXPECT_EQ(first.code(), errc::invalid_options);
  EXPECT_THAT(first.what(), ::testing::HasSubstr("pool_options::initializer"));
  const error second = refusal({.finalizer = lambda}, add);
  EXPECT_EQ(second.code(), errc::invalid_options);
  EXPECT_THAT(second.what(), ::testing::HasSubstr("pool_options::finalizer"));
}

// ---- a fresh process that does not come up ------------------------------------------------------------------------

class fresh_process : public pool_survives {
 protected:
  fresh_process() {
    sweep();
    folder_ = std::filesystem::temp_directory_path() / (std::string(stem) + std::to_string(::getpid()));
    std::filesystem::create_directory(folder_);
    std::filesystem::current_path(folder_);
  }
  ~fresh_process() override {
    std::filesystem::current_path("/");
    std::filesystem::remove_all(folder_);
  }
  static void is_told_to(const char* order) { std::ofstream(fresh_orders_file) << order << "\n"; }

 private:
  static constexpr std::string_view stem = "selvage-spawn-";
  /// Tests that were killed leave their folders.
  static void sweep() {
    for (const auto& each : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
      const std::string name = each.path().filename().string();
      std::error_code gone;  // another test sweeps as well
      if (name.starts_with(stem) && is_gone(std::atoi(name.c_str() + stem.size()))) {
        std::filesystem::remove_all(each.path(), gone);
      }
    }
  }

  std::filesystem::path folder_;
};

TEST_F(fresh_process, that_exits_early_is_reported_with_its_status) {
  is_told_to("exit");
  const error problem = refusal({}, add);
  EXPECT_EQ(problem.code(), errc::worker_start_failed);
  EXPECT_THAT(problem.what(), ::testing::HasSubstr("exited with status 3 before selvage::init"));
}

TEST_F(fresh_process, that_is_killed_early_is_reported_with_its_signal) {
  is_told_to("die");
  const error problem = refusal({}, add);
  EXPECT_EQ(problem.code(), errc::worker_start_failed);
  EXPECT_THAT(problem.what(), ::testing::HasSubstr("was killed by signal 9"));
}

TEST_F(fresh_process, that_hangs_is_killed_at_the_start_timeout) {
  is_told_to("hang");
  const error problem = refusal({.restart = {.start_timeout = 100ms}}, add);
  EXPECT_EQ(problem.code(), errc::worker_start_failed);
  EXPECT_THAT(problem.what(), ::testing::HasSubstr("within 100 ms"));
}

TEST_F(fresh_process, is_reported_although_stray_forks_hold_its_line_open) {
  is_told_to("exit");
  std::atomic<bool> over{false};
  std::thread forker([&] {  // children of the host that keep whatever end of a line is open just then
    std::vector<std::unique_ptr<tests::child>> strays;
    while (!over && strays.size() < 300) {
      strays.push_back(std::make_unique<tests::child>([] { return ::pause(); }));
      ::usleep(300);
    }
    while (!over) ::usleep(1000);
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(refusal({}, add).what(), ::testing::HasSubstr("exited with status 3"));
  }
  over = true;
  forker.join();
}

TEST_F(fresh_process, never_starts_another_one) {
  // In it, init was not called at all, or was not told the truth. 9: refused with invalid_options.
  for (const char* const order : {"spawn without init", "spawn after a lie to init"}) {
    is_told_to(order);
    const error problem = refusal({}, add);
    EXPECT_EQ(problem.code(), errc::worker_start_failed);
    EXPECT_THAT(problem.what(), ::testing::HasSubstr("exited with status 9")) << order;
  }
}

// ---- by hand ------------------------------------------------------------------------------------------------------

struct ending {
  int status;
  std::string words;
};

ending shell(const std::string& arguments) {
  FILE* const output = ::popen(("/proc/" + std::to_string(::getpid()) + "/exe " + arguments + " 2>&1").c_str(), "r");
  std::string words;
  for (int each = std::fgetc(output); each != EOF; each = std::fgetc(output)) words += static_cast<char>(each);
  const int status = ::pclose(output);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, words};
}

using supervisor_by_hand = pool_survives;

TEST_F(supervisor_by_hand, is_told_that_it_is_of_no_use) {
  for (const char* const arguments :
       {"--selvage-supervisor=", "--selvage-supervisor=x", "--selvage-supervisor=-1", "--selvage-supervisor=3x",
        "--selvage-supervisor=999", "--selvage-supervisor=99999999999999", "--selvage-supervisor=0 < /dev/null",
        "--selvage-supervisor=1"}) {
    const ending it = shell(arguments);
    EXPECT_EQ(it.status, 64) << arguments;
    EXPECT_THAT(it.words, ::testing::HasSubstr("of no use by hand")) << arguments;
  }
}

TEST_F(supervisor_by_hand, is_only_taken_for_one_as_the_sole_argument) {
  const ending it = shell("--gtest_list_tests --selvage-supervisor=3");
  EXPECT_EQ(it.status, 0);
  EXPECT_THAT(it.words, ::testing::HasSubstr("supervisor_by_hand."));
}

// ---- orders that are no orders ------------------------------------------------------------------------------------

// A fresh process under the test's own hands.
class arrival {
 public:
  explicit arrival(std::vector<int> handed = {}) {
    int ends[2];
    base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    const base::unique_fd theirs(ends[1]);
    handed.push_back(ends[1]);
    std::sort(handed.begin(), handed.end());
    const std::string argument = "--selvage-supervisor=" + std::to_string(ends[1]);
    const char* arguments[] = {"selvage-supervisor", argument.c_str(), nullptr};
    process_ = launch::start_afresh(arguments, handed);
    line_.emplace(base::unique_fd(ends[0]), process_.pidfd.get(), base::now_ns() + 20'000'000'000U);
  }
  /// Returns: what it said, then how it ended.
  ending answer_to(std::span<const std::byte> orders) {
    (void)line_->send(orders);
    const auto said = line_->receive(1U << 16U);
    int status = 0;
    ::waitpid(process_.pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            said ? std::string(reinterpret_cast<const char*>(said->data()), said->size()) : "nothing"};
  }
  void hang_up() { line_.reset(); }
  [[nodiscard]] pid_t pid() const { return process_.pid; }

 private:
  launch::fresh_program process_;
  std::optional<launch::order_line> line_;
};

/// Valid orders, without tasks, of a pool of one worker.
struct sample {
  shm::geometry shape{.lanes = 1, .request_arena_bytes = 1U << 20U, .response_arena_bytes = 1U << 20U};
  shm::descriptors segment = shm::create_segment(shape);
  base::unique_fd bell = base::make_eventfd();
  base::unique_fd event = base::make_eventfd();

  [[nodiscard]] schema::spawn_orders orders() const {
    schema::spawn_orders it;
    it.format = shm::format_word;
    it.lanes = 1;
    it.request_arena_bytes = it.response_arena_bytes = 1U << 20U;
    it.read_write_fd = segment.read_write.get();
    it.read_only_fd = segment.read_only.get();
    it.bell_fd = bell.get();
    it.event_fds = {event.get()};
    it.recycle = std::make_unique<schema::wire::RecycleOrdersT>();
    it.restart = std::make_unique<schema::wire::RestartOrdersT>();
    it.worker = std::make_unique<schema::wire::WorkerOrdersT>();
    return it;
  }
  [[nodiscard]] std::vector<int> handed() const {
    return {segment.read_write.get(), segment.read_only.get(), bell.get(), event.get()};
  }
};

using fresh_supervisor = pool_survives;

TEST_F(fresh_supervisor, refuses_bytes_that_are_no_orders) {
  const std::vector<std::byte> good = schema::encode(sample().orders());
  tests::random_source random;
  for (int round = 0; round < 30; ++round) {
    std::vector<std::byte> bad(random.below(300));
    for (std::byte& each : bad) each = static_cast<std::byte>(random.bits());
    if (round % 2 == 0) bad.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(random.below(good.size())));
    const ending it = arrival().answer_to(bad);
    EXPECT_EQ(it.status, 70);
    EXPECT_THAT(it.words, ::testing::AnyOf(::testing::HasSubstr("do not verify"), ::testing::HasSubstr("cannot have")));
  }
}

TEST_F(fresh_supervisor, refuses_another_build_of_its_host) {
  const sample given;
  schema::spawn_orders orders = given.orders();
  orders.format ^= 1;
  const ending it = arrival(given.handed()).answer_to(schema::encode(orders));
  EXPECT_EQ(it.status, 70);
  EXPECT_THAT(it.words, ::testing::HasSubstr("another build of Selvage"));
}

TEST_F(fresh_supervisor, refuses_a_segment_of_another_shape) {
  const sample given;
  schema::spawn_orders orders = given.orders();
  orders.request_arena_bytes *= 2;
  const ending it = arrival(given.handed()).answer_to(schema::encode(orders));
  EXPECT_EQ(it.status, 70);
  EXPECT_THAT(it.words, ::testing::HasSubstr("another build of Selvage"));
}

TEST_F(fresh_supervisor, refuses_descriptors_that_did_not_arrive) {
  const sample given;
  const ending it = arrival().answer_to(schema::encode(given.orders()));
  EXPECT_EQ(it.status, 70);
  EXPECT_THAT(it.words, ::testing::HasSubstr("did not arrive"));
}

TEST_F(fresh_supervisor, refuses_a_module_that_it_has_not_loaded_by_its_path) {
  const sample given;
  schema::spawn_orders orders = given.orders();
  auto& plugin = *orders.modules.emplace_back(std::make_unique<schema::wire::ModuleT>());
  plugin.build_id = {1, 2, 3, 4};
  plugin.path = "/opt/plugin.so";
  const ending it = arrival(given.handed()).answer_to(schema::encode(orders));
  EXPECT_EQ(it.status, 70);
  EXPECT_THAT(it.words, ::testing::HasSubstr("/opt/plugin.so is not loaded"));
}

TEST_F(fresh_supervisor, refuses_a_task_that_is_in_no_module) {
  const sample given;
  schema::spawn_orders orders = given.orders();
  auto& lost = *orders.tasks.emplace_back(std::make_unique<schema::wire::SpawnedTaskT>());
  lost.name = "lost";
  lost.run = std::make_unique<schema::wire::Place>(5, 0);
  lost.signature_check = std::make_unique<schema::wire::Place>(5, 0);
  const ending it = arrival(given.handed()).answer_to(schema::encode(orders));
  EXPECT_EQ(it.status, 70);
  EXPECT_THAT(it.words, ::testing::HasSubstr("lost is not where the orders say"));
}

TEST_F(fresh_supervisor, ends_when_its_host_hangs_up) {
  arrival silent;
  silent.hang_up();
  int status = 0;
  ::waitpid(silent.pid(), &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 70);
}

}  // namespace
}  // namespace selvage::test
