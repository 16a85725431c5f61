// How a worker dies, and what its crash record says (FAILURES row 1), and at which step of the protocol (row 2).
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <string>

#include "tests/crash/lane_rig.hpp"
#include "tests/support/child.hpp"
#include "tests/support/processes.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

void* pointer_to(std::uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): a recorded frame
}

struct death {
  int status = 0;  // of wait
  std::uint32_t kind = 0;
  std::int32_t signal = 0, signal_code = 0, exit_status = 0;
  std::uint64_t epoch = 0, call_id = 0, fault_address = 0;
  std::vector<std::uint64_t> frames;
  std::uint32_t thread = 0;
  pid_t pid = 0;
  std::string errors;

  [[nodiscard]] bool died_of(int wanted) const { return WIFSIGNALED(status) && WTERMSIG(status) == wanted; }
  [[nodiscard]] bool exited_with(int wanted) const { return WIFEXITED(status) && WEXITSTATUS(status) == wanted; }
  [[nodiscard]] bool recorded(shm::crash_kind wanted) const { return kind == static_cast<std::uint32_t>(wanted); }
  // The test and its forked worker have the same image at the same addresses.
  [[nodiscard]] bool passed_through(const std::string& name) const {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      // All but the first are return addresses: the call lies before them.
      const std::uint64_t address = i == 0 ? frames[i] : frames[i] - 1;
      Dl_info symbol = {};
      if (::dladdr(pointer_to(address), &symbol) == 0 || symbol.dli_sname == nullptr) continue;
      if (std::string(symbol.dli_sname).find(name) != std::string::npos) return true;
    }
    return false;
  }
};

death examine(lane_rig& rig) {
  death found;
  found.pid = rig.pid();
  found.status = rig.wait_for_the_end();
  found.errors = rig.errors();
  const shm::crash_record& record = rig.host.crash();
  found.kind = record.kind.load();
  found.signal = record.signal;
  found.signal_code = record.signal_code;
  found.exit_status = record.exit_status;
  found.epoch = record.epoch;
  found.call_id = record.call_id;
  found.fault_address = record.fault_address;
  found.thread = record.thread_id;
  EXPECT_LE(record.frame_count, shm::max_crash_frames);
  found.frames.assign(record.frames, record.frames + std::min(record.frame_count, shm::max_crash_frames));
  return found;
}

void answer_at_once(const void*, call_context& context) { answer_nothing(context); }

// Runs one call that goes well, then the victim as call 1000, with another call waiting behind it.
death die(detail::task_thunk victim, lane_options options = {}) {
  lane_rig rig({{"well", nullptr, &answer_at_once}, {"victim", nullptr, victim}}, std::move(options));
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(0)), shm::response_status::ok);
  const unsigned well = rig.prepare(0, {}), fatal = rig.prepare(1, {}, {.call_id = 1000}), behind = rig.prepare(0, {});
  for (const unsigned slot : {well, fatal, behind}) rig.host.publish(slot);
  rig.wake();
  death found = examine(rig);
  EXPECT_TRUE(shm::test(rig.host.finished(), well));
  EXPECT_TRUE(shm::test(rig.host.started(), fatal));
  EXPECT_FALSE(shm::test(rig.host.finished(), fatal));
  EXPECT_FALSE(shm::test(rig.host.started(), behind)) << "the call behind it is free to move elsewhere";
  EXPECT_EQ(rig.host.in_flight(), shm::bit(well) | shm::bit(fatal) | shm::bit(behind));
  // The lane is good for another worker.
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(0)), shm::response_status::ok);
  EXPECT_EQ(rig.host.crash().kind.load(), 0U) << "the old record is gone";
  return found;
}

template <int status>
void exit_at_once(const void*, call_context&) {
  victims::exit_at_once(status);
}
template <int status>
void exit_politely(const void*, call_context&) {
  victims::exit_politely(status);
}
template <int status>
void exit_quickly(const void*, call_context&) {
  victims::exit_quickly(status);
}

void expect_signal(const death& found, int signal) {
  EXPECT_TRUE(found.died_of(signal)) << "wait status " << found.status;
  EXPECT_TRUE(found.recorded(shm::crash_kind::signal));
  EXPECT_EQ(found.signal, signal);
  EXPECT_EQ(found.epoch, 1U);
  EXPECT_EQ(found.call_id, 1000U);
  EXPECT_FALSE(found.frames.empty());
}

TEST(worker_death, sigkill_leaves_no_record) {
  const death found = die(&call_victim<&victims::kill_itself>);
  EXPECT_TRUE(found.died_of(SIGKILL));
  EXPECT_TRUE(found.recorded(shm::crash_kind::none));
}

TEST(worker_death, a_null_dereference_is_recorded_with_its_address_and_stack) {
  const death found = die(&call_victim<&victims::dereference_null>);
  expect_signal(found, SIGSEGV);
  EXPECT_EQ(found.signal_code, SEGV_MAPERR);
  EXPECT_EQ(found.fault_address, 0U);
  EXPECT_EQ(found.thread, static_cast<std::uint32_t>(found.pid));
  EXPECT_TRUE(found.passed_through("write_at"));
  EXPECT_TRUE(found.passed_through("worker4loop"));
}

void write_at_1234560(const void*, call_context&) { victims::write_at(0x1234560); }

TEST(worker_death, the_fault_address_is_the_one_that_was_touched) {
  const death found = die(&write_at_1234560);
  expect_signal(found, SIGSEGV);
  EXPECT_EQ(found.fault_address, 0x1234560U);
}

TEST(worker_death, a_call_through_a_null_pointer_still_has_a_stack) {
  const death found = die(&call_victim<&victims::call_null>);
  expect_signal(found, SIGSEGV);
  EXPECT_TRUE(found.passed_through("call_null"));
}

TEST(worker_death, sigbus_is_recorded) {
  const death found = die(&call_victim<&victims::touch_behind_the_end>);
  expect_signal(found, SIGBUS);
  EXPECT_NE(found.fault_address, 0U);
  EXPECT_TRUE(found.passed_through("touch_behind_the_end"));
}

TEST(worker_death, sigfpe_is_recorded) { expect_signal(die(&call_victim<&victims::divide_by_zero>), SIGFPE); }
TEST(worker_death, sigill_is_recorded) {
  expect_signal(die(&call_victim<&victims::run_an_illegal_instruction>), SIGILL);
}
TEST(worker_death, sigtrap_is_recorded) { expect_signal(die(&call_victim<&victims::hit_a_breakpoint>), SIGTRAP); }

TEST(worker_death, abort_is_recorded_with_the_stack_that_led_to_it) {
  const death found = die(&call_victim<&victims::abort_itself>);
  expect_signal(found, SIGABRT);
  EXPECT_EQ(found.fault_address, 0U) << "a signal that was sent has no address";
  EXPECT_TRUE(found.passed_through("abort_itself"));
}

TEST(worker_death, an_uncaught_exception_in_a_detached_thread_is_an_abort_with_words) {
  const death found = die(&call_victim<&victims::throw_in_a_detached_thread>);
  expect_signal(found, SIGABRT);
  EXPECT_NE(found.thread, static_cast<std::uint32_t>(found.pid));
  EXPECT_NE(found.errors.find("nobody catches this"), std::string::npos) << found.errors;
}

TEST(worker_death, a_crash_in_a_second_thread_is_recorded) {
  const death found = die(&call_victim<&victims::crash_in_a_second_thread>);
  expect_signal(found, SIGSEGV);
  EXPECT_NE(found.thread, static_cast<std::uint32_t>(found.pid));
  EXPECT_TRUE(found.passed_through("write_at"));
}

TEST(worker_death, a_stack_overflow_is_recorded_on_the_alternate_stack) {
  const death found = die(&call_victim<&victims::overflow_the_stack>);
  expect_signal(found, SIGSEGV);
  EXPECT_EQ(found.frames.size(), shm::max_crash_frames);
  EXPECT_TRUE(found.passed_through("descend"));
}

TEST(worker_death, a_smashed_stack_is_recorded_as_far_as_it_goes) {
  const death found = die(&call_victim<&victims::smash_its_stack>);
  expect_signal(found, SIGSEGV);
  EXPECT_TRUE(found.passed_through("write_at") || found.passed_through("dereference_null"));
}

TEST(worker_death, _exit_is_seen_in_the_wait_status_only) {
  const death found = die(&exit_at_once<0>);
  EXPECT_TRUE(found.exited_with(0));
  EXPECT_TRUE(found.recorded(shm::crash_kind::none));
}

TEST(worker_death, exit_is_recorded_with_its_status) {
  const death found = die(&exit_politely<3>);
  EXPECT_TRUE(found.exited_with(3));
  EXPECT_TRUE(found.recorded(shm::crash_kind::exit));
  EXPECT_EQ(found.exit_status, 3);
  EXPECT_EQ(found.call_id, 1000U);
}

TEST(worker_death, exit_0_is_recorded_too) {
  const death found = die(&exit_politely<0>);
  EXPECT_TRUE(found.exited_with(0));
  EXPECT_TRUE(found.recorded(shm::crash_kind::exit));
}

TEST(worker_death, quick_exit_is_recorded_with_its_status) {
  const death found = die(&exit_quickly<7>);
  EXPECT_TRUE(found.exited_with(7));
  EXPECT_TRUE(found.recorded(shm::crash_kind::quick_exit));
  EXPECT_EQ(found.exit_status, 7);
}

TEST(worker_death, pthread_exit_in_a_task_ends_the_worker_as_an_exit) {
  const death found = die(&call_victim<&victims::leave_its_main_thread>);
  EXPECT_TRUE(found.exited_with(0));
  EXPECT_TRUE(found.recorded(shm::crash_kind::exit));
  EXPECT_EQ(found.call_id, 1000U);
}

// ---- the program that the worker was forked from stays out of it --------------------------------------------------

TEST(worker_death, exit_in_a_task_runs_no_handler_of_the_host_and_flushes_nothing_of_it) {
  static int marks[2];
  base::check(::pipe(marks), "pipe");
  tests::child host([]() -> int {
    static const auto tell = [](const char* what) { (void)!::write(marks[1], what, 1); };
    static const pid_t self = ::getpid();
    std::atexit([] {
      if (::getpid() != self) tell("a");
    });
    std::at_quick_exit([] {
      if (::getpid() != self) tell("q");
    });
    ::dup2(marks[1], STDOUT_FILENO);
    std::setvbuf(stdout, nullptr, _IOFBF, 1U << 16U);
    std::printf("pending");
    die(&exit_politely<3>, {.inherit = {marks[1]}});
    die(&exit_quickly<3>, {.inherit = {marks[1]}});
    ::_exit(testing::Test::HasFailure() ? 1 : 0);  // without a flush of its own
  });
  ::close(marks[1]);
  EXPECT_EQ(host.exit_status(), 0);
  char seen[64] = {};
  EXPECT_EQ(::read(marks[0], seen, sizeof seen), 0) << "a handler ran or a buffer was flushed: " << seen;
  ::close(marks[0]);
}

void print_and_exit(const void*, call_context&) {
  std::printf("the task's own words");
  std::exit(0);
}

TEST(worker_death, what_a_task_has_printed_is_not_lost_when_it_exits) {
  int marks[2];
  base::check(::pipe(marks), "pipe");
  const int saved = ::dup(STDOUT_FILENO);
  std::fflush(stdout);
  ::dup2(marks[1], STDOUT_FILENO);
  die(&print_and_exit);
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(marks[1]);
  char seen[64] = {};
  EXPECT_GT(::read(marks[0], seen, sizeof seen - 1), 0);
  EXPECT_STREQ(seen, "the task's own words");
  ::close(marks[0]);
}

void fork_a_child_that_crashes(const void*, call_context& context) {
  const pid_t child = ::fork();
  if (child == 0) victims::dereference_null();
  int status = 0;
  ::waitpid(child, &status, 0);
  answer(context, status);
}

void fork_a_child_that_exits(const void*, call_context& context) {
  const pid_t child = ::fork();
  if (child == 0) std::exit(9);
  int status = 0;
  ::waitpid(child, &status, 0);
  answer(context, status);
}

TEST(worker_death, the_death_of_a_tasks_own_child_is_not_the_workers) {
  lane_rig rig({{"crash", nullptr, &fork_a_child_that_crashes}, {"exit", nullptr, &fork_a_child_that_exits}});
  rig.start_worker();
  const int crashed = rig.await<int>(rig.post(0));
  EXPECT_TRUE(WIFSIGNALED(crashed) && WTERMSIG(crashed) == SIGSEGV);
  const int exited = rig.await<int>(rig.post(1));
  EXPECT_TRUE(WIFEXITED(exited) && WEXITSTATUS(exited) == 9);
  EXPECT_EQ(rig.host.crash().kind.load(), 0U);
}

// ---- before the first task ----------------------------------------------------------------------------------------

TEST(worker_death, an_initializer_that_throws_ends_the_worker_with_words_and_touches_nothing) {
  lane_rig rig({}, {.initializer = [] { throw std::runtime_error("no licence server"); }});
  rig.fork_worker();
  rig.host.open(rig.epoch());
  const death found = examine(rig);
  EXPECT_TRUE(found.exited_with(worker::exit_unfit));
  EXPECT_NE(found.errors.find("std::runtime_error: no licence server"), std::string::npos) << found.errors;
  EXPECT_FALSE(rig.host.ready());
}

TEST(worker_death, an_initializer_that_crashes_writes_no_record_into_a_lane_that_is_not_its_own_yet) {
  lane_rig rig({}, {.initializer = &victims::dereference_null});
  rig.fork_worker();
  const death found = examine(rig);
  EXPECT_TRUE(found.died_of(SIGSEGV));
  EXPECT_TRUE(found.recorded(shm::crash_kind::none));
}

// ---- every step of the protocol -----------------------------------------------------------------------------------

void stop(const void*, call_context& context) {
  victims::stop_itself();
  answer_nothing(context);
}
void half(const void*, call_context&) { victims::die_after_half_a_result(0); }
void publish(const void*, call_context&) { victims::die_after_publishing(0); }

TEST(worker_death, killed_before_it_starts_a_call) {
  lane_rig rig({{"well", nullptr, &answer_at_once}});
  rig.start_worker();
  tests::stop_process(rig.pid());
  const unsigned slot = rig.post(0);
  ::kill(rig.pid(), SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(rig.wait_for_the_end()));
  EXPECT_EQ(rig.host.in_flight(), shm::bit(slot));
  EXPECT_EQ(rig.host.started(), 0U) << "it moves to another worker";
  EXPECT_EQ(rig.host.finished(), 0U);
}

TEST(worker_death, killed_after_it_started_a_call) {
  lane_rig rig({{"stop", nullptr, &stop}});
  rig.start_worker();
  const unsigned slot = rig.post(0);
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), slot); }));
  ::kill(rig.pid(), SIGKILL);
  rig.wait_for_the_end();
  EXPECT_EQ(rig.host.started(), shm::bit(slot)) << "it fails";
  EXPECT_EQ(rig.host.finished(), 0U);
}

TEST(worker_death, killed_with_half_a_result_written) {
  lane_rig rig({{"half", nullptr, &half}});
  rig.start_worker();
  const unsigned slot = rig.post(0);
  ASSERT_EQ(slot, 0U);
  rig.wait_for_the_end();
  EXPECT_EQ(rig.host.started(), shm::bit(slot));
  EXPECT_EQ(rig.host.finished(), 0U) << "half an answer is none";
}

TEST(worker_death, killed_after_it_published_and_before_it_rang) {
  lane_rig rig({{"publish", nullptr, &publish}});
  rig.start_worker();
  const unsigned slot = rig.post(0, 0, {.call_id = 77});
  ASSERT_EQ(slot, 0U);
  rig.wait_for_the_end();
  EXPECT_EQ(rig.host.finished(), shm::bit(slot)) << "it is delivered";
  EXPECT_EQ(rig.host.response(slot).call_id, 77U);
}

TEST(worker_death, killed_with_a_full_mailbox) {
  lane_rig rig({{"stop", nullptr, &stop}});
  rig.start_worker();
  const unsigned running = rig.post(0);
  for (unsigned i = 1; i < shm::slots_per_lane; ++i) rig.post(0);
  ASSERT_TRUE(rig.eventually([&] { return shm::test(rig.host.started(), running); }));
  ::kill(rig.pid(), SIGKILL);
  rig.wait_for_the_end();
  EXPECT_EQ(rig.host.in_flight(), ~std::uint64_t{0});
  EXPECT_EQ(rig.host.started(), shm::bit(running)) << "one fails, sixty-three move";
  rig.start_worker();
  EXPECT_EQ(rig.host.in_flight(), 0U);
}

TEST(worker_death, a_worker_whose_supervisor_is_gone_ends_at_once) {
  // The middle process stands for the supervisor: it forks the worker and dies. The orphan becomes ours to reap.
  base::check(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)");
  int ends[2];
  base::check(::pipe(ends), "pipe");
  tests::child middle([&]() -> int {
    lane_rig rig({{"well", nullptr, &answer_at_once}});
    rig.fork_worker();
    const pid_t grandchild = rig.pid();
    (void)!::write(ends[1], &grandchild, sizeof grandchild);
    ::_exit(0);  // without killing it
  });
  ::close(ends[1]);
  pid_t worker = 0;
  ASSERT_EQ(::read(ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  EXPECT_EQ(middle.exit_status(), 0);
  int status = 0;
  EXPECT_TRUE(lane_rig::eventually([&] { return ::waitpid(worker, &status, WNOHANG) == worker; }));
  EXPECT_TRUE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
              (WIFEXITED(status) && WEXITSTATUS(status) == worker::exit_orphaned));
  ::close(ends[0]);
}

}  // namespace
}  // namespace selvage::test
