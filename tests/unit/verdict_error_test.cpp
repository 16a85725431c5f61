// From the supervisor's verdict and the dead worker's own record to words: the verdict is believed, the record only
// where it agrees. BEHAVIOURS, "Errors": always a code, the cause, and what is known of the worker.

#include "pool/verdict_error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace selvage::host {
namespace {

symbol_names symbols;

using shm::crash_kind;
using shm::verdict_reason;
using ::testing::HasSubstr;

constexpr std::uint64_t epoch = 3;
constexpr std::uint64_t call = 17;

shm::verdict verdict_of(verdict_reason reason, int signal = 0, int exit_status = 0) {
  shm::verdict it{};
  it.epoch = epoch;
  it.reason = static_cast<std::uint32_t>(reason);
  it.pid = 4242;
  it.signal = signal;
  it.exit_status = exit_status;
  return it;
}

void tell(shm::crash_record& record, crash_kind kind, int signal = 0, std::uint64_t of_epoch = epoch) {
  record.kind.store(static_cast<std::uint32_t>(kind));
  record.epoch = of_epoch;
  record.signal = signal;
  record.signal_code = 1;
  record.fault_address = 0xdead0;
}

struct described {
  failure what;
  bool agreed;
};
described describe(const shm::verdict& verdict, const shm::crash_record& record = {}, std::uint64_t grace_ns = 0) {
  described it{};
  it.agreed =
      describe_death(it.what, symbols, verdict, record, {.id = call, .timeout_ns = 250'000'000, .grace_ns = grace_ns});
  return it;
}

TEST(verdict_error, a_signal_that_the_worker_recorded_has_its_address) {
  shm::crash_record record{};
  tell(record, crash_kind::signal, SIGSEGV);
  const auto [what, agreed] = describe(verdict_of(verdict_reason::signalled, SIGSEGV), record);
  EXPECT_TRUE(agreed);
  EXPECT_EQ(what.code, errc::crashed);
  EXPECT_EQ(what.signal, SIGSEGV);
  EXPECT_EQ(what.signal_code, 1);
  EXPECT_EQ(what.fault_address, 0xdead0U);
  EXPECT_EQ(what.worker_pid, 4242);
  EXPECT_THAT(what.message, HasSubstr("SIGSEGV"));
  EXPECT_THAT(what.message, HasSubstr("0xdead0"));
}

TEST(verdict_error, a_signal_without_a_record_is_named) {
  const auto [what, agreed] = describe(verdict_of(verdict_reason::signalled, SIGKILL));
  EXPECT_TRUE(agreed);
  EXPECT_EQ(what.code, errc::crashed);
  EXPECT_THAT(what.message, HasSubstr("SIGKILL"));
  EXPECT_EQ(what.fault_address, 0U);
}

TEST(verdict_error, a_signal_without_a_name_is_numbered) {
  EXPECT_THAT(describe(verdict_of(verdict_reason::signalled, SIGRTMIN + 3)).what.message,
              ::testing::AnyOf(HasSubstr("RTMIN"), HasSubstr(std::to_string(SIGRTMIN + 3))));
}

TEST(verdict_error, a_record_of_another_signal_or_epoch_is_ignored) {
  shm::crash_record other_signal{};
  tell(other_signal, crash_kind::signal, SIGSEGV);
  shm::crash_record other_epoch{};
  tell(other_epoch, crash_kind::signal, SIGKILL, epoch - 1);
  shm::crash_record an_exit{};
  tell(an_exit, crash_kind::exit, SIGKILL);
  for (const shm::crash_record* const record : {&other_signal, &other_epoch, &an_exit}) {
    const auto [what, agreed] = describe(verdict_of(verdict_reason::signalled, SIGKILL), *record);
    EXPECT_FALSE(agreed);
    EXPECT_EQ(what.code, errc::crashed);
    EXPECT_EQ(what.signal, SIGKILL);
    EXPECT_EQ(what.fault_address, 0U);
    EXPECT_TRUE(what.stack.empty());
  }
}

TEST(verdict_error, a_forged_frame_count_reads_no_further_than_the_frames) {
  shm::crash_record record{};
  tell(record, crash_kind::signal, SIGSEGV);
  record.frame_count = 0xffffffffU;
  record.image_base = 1;
  std::memset(record.frames, 0xff, sizeof record.frames);
  const auto [what, agreed] = describe(verdict_of(verdict_reason::signalled, SIGSEGV), record);
  EXPECT_TRUE(agreed);
  EXPECT_LE(what.stack.size(), shm::max_crash_frames);
}

TEST(verdict_error, a_record_that_is_nothing_but_noise_describes_the_verdict) {
  shm::crash_record record;
  std::memset(static_cast<void*>(&record), 0xa5, sizeof record);
  for (std::uint32_t reason = 0; reason <= 9; ++reason) {
    shm::verdict verdict = verdict_of(static_cast<verdict_reason>(reason), SIGABRT, 5);
    const auto [what, agreed] = describe(verdict, record);
    EXPECT_EQ(what.signal, SIGABRT);
    EXPECT_EQ(what.worker_pid, 4242);
    EXPECT_TRUE(what.stack.empty());
  }
}

TEST(verdict_error, each_way_to_exit_is_told_apart) {
  const std::pair<crash_kind, const char*> ways[] = {{crash_kind::exit, "by exit(3)"},
                                                     {crash_kind::quick_exit, "by quick_exit(3)"},
                                                     {crash_kind::none, "by _exit(3)"}};
  for (const auto& [kind, words] : ways) {
    shm::crash_record record{};
    if (kind != crash_kind::none) tell(record, kind);
    const auto [what, agreed] = describe(verdict_of(verdict_reason::exited, 0, 3), record);
    EXPECT_TRUE(agreed);
    EXPECT_EQ(what.code, errc::exited);
    EXPECT_EQ(what.exit_status, 3);
    EXPECT_THAT(what.message, HasSubstr(words));
  }
}

TEST(verdict_error, the_call_that_was_over_its_limit_is_told_from_those_beside_it) {
  for (const auto& [reason, code] :
       {std::pair{verdict_reason::timed_out, errc::timed_out}, std::pair{verdict_reason::aborted, errc::aborted}}) {
    shm::verdict verdict = verdict_of(reason, SIGKILL);
    verdict.call_id = call;
    EXPECT_EQ(describe(verdict).what.code, code);
    verdict.call_id = call + 1;
    const failure beside = describe(verdict).what;
    EXPECT_EQ(beside.code, errc::crashed);
    EXPECT_THAT(beside.message, HasSubstr("call 18"));
  }
}

TEST(verdict_error, a_limit_is_told_with_its_length_and_its_grace_where_there_is_one) {
  shm::verdict verdict = verdict_of(verdict_reason::timed_out, SIGKILL);
  verdict.call_id = call;
  EXPECT_THAT(describe(verdict).what.message, HasSubstr("(timeout 250 ms)"));
  constexpr std::uint64_t grace_ns = 1'500'000;
  EXPECT_THAT(describe(verdict, {}, grace_ns).what.message, HasSubstr("(timeout 250 ms, grace 1.5 ms)"));
}

TEST(verdict_error, a_violation_is_named_where_the_workers_own_handler_ended_it) {
  const host::refusal refused{.call_id = call, .call = "ptrace(16, 1, 0)", .remedy = "no grant for it"};
  shm::crash_record record{};
  failure by_kernel;
  EXPECT_TRUE(
      describe_death(by_kernel, symbols, verdict_of(verdict_reason::signalled, SIGSYS), record, {.id = call}, refused));
  EXPECT_EQ(by_kernel.code, errc::permission_denied);
  EXPECT_EQ(by_kernel.refused_call, "");
  tell(record, crash_kind::signal, SIGSYS);
  failure by_handler;
  EXPECT_TRUE(describe_death(by_handler, symbols, verdict_of(verdict_reason::signalled, SIGSYS), record, {.id = call},
                             refused));
  EXPECT_EQ(by_handler.code, errc::permission_denied);
  EXPECT_EQ(by_handler.refused_call, refused.call);
  EXPECT_THAT(by_handler.message, HasSubstr("ptrace(16, 1, 0): no grant for it"));
}

TEST(verdict_error, a_shutdown_is_the_pools_doing) {
  EXPECT_EQ(describe(verdict_of(verdict_reason::shut_down, SIGKILL)).what.code, errc::pool_closed);
}

TEST(verdict_error, usage_and_standard_error_are_carried) {
  shm::verdict verdict = verdict_of(verdict_reason::signalled, SIGKILL);
  verdict.user_us = 11;
  verdict.system_us = 22;
  verdict.peak_resident_bytes = 33;
  verdict.minor_faults = 44;
  verdict.major_faults = 55;
  std::memcpy(verdict.stderr_tail, "last words", 10);
  verdict.stderr_length = 10;
  const failure what = describe(verdict).what;
  EXPECT_EQ(what.usage.user_time.count(), 11);
  EXPECT_EQ(what.usage.system_time.count(), 22);
  EXPECT_EQ(what.usage.peak_resident_bytes, 33U);
  EXPECT_EQ(what.usage.minor_faults, 44U);
  EXPECT_EQ(what.usage.major_faults, 55U);
  EXPECT_EQ(what.stderr_tail, "last words");
}

TEST(verdict_error, a_tail_is_never_longer_than_its_place) {
  shm::verdict verdict = verdict_of(verdict_reason::exited);
  std::memset(verdict.stderr_tail, 'x', sizeof verdict.stderr_tail);
  verdict.stderr_length = 0xffffffffU;
  EXPECT_EQ(stderr_of(verdict), std::string(shm::stderr_tail_bytes, 'x'));
}

TEST(verdict_error, why_no_worker_became_ready_is_said_in_words) {
  shm::verdict crashed = verdict_of(verdict_reason::signalled, SIGSEGV);
  std::memcpy(crashed.stderr_tail, "no licence", 10);
  crashed.stderr_length = 10;
  EXPECT_THAT(describe_start_failure(crashed), HasSubstr("SIGSEGV"));
  EXPECT_THAT(describe_start_failure(crashed), HasSubstr("no licence"));
  EXPECT_THAT(describe_start_failure(verdict_of(verdict_reason::exited, 0, 7)), HasSubstr("status 7"));
  EXPECT_THAT(describe_start_failure(verdict_of(verdict_reason::start_timeout)),
              HasSubstr("restart_options::start_timeout"));
  shm::verdict no_fork{};
  no_fork.error = EAGAIN;
  EXPECT_THAT(describe_start_failure(no_fork), HasSubstr("could not be started"));
}

TEST(verdict_error, the_last_start_failure_is_the_newer_of_the_two_records) {
  const auto lane = std::make_unique<shm::supervisor_lane>();
  lane->death = verdict_of(verdict_reason::exited, 0, 1);
  lane->start_failure = verdict_of(verdict_reason::exited, 0, 2);
  lane->start_failure.epoch = epoch + 1;
  EXPECT_EQ(last_start_failure(*lane).exit_status, 2);
  lane->death.epoch = epoch + 2;
  EXPECT_EQ(last_start_failure(*lane).exit_status, 1);
}

// Its lock would be held for ever otherwise.
TEST(verdict_error, a_supervisor_killed_half_way_through_a_record_keeps_nobody_waiting) {
  const auto lane = std::make_unique<shm::supervisor_lane>();
  lane->death = verdict_of(verdict_reason::exited, 0, 7);
  lane->start_failure = verdict_of(verdict_reason::exited, 0, 8);
  lane->start_failure.epoch = epoch + 1;
  lane->words.failures.store(3);  // odd: being written
  EXPECT_EQ(last_start_failure(*lane).exit_status, 7);
}

// ---- limits ---------------------------------------------------------------------------------------------------------

TEST(verdict_error, processor_time_that_ran_out_is_the_limit_of_the_call_that_used_it) {
  shm::verdict verdict = verdict_of(verdict_reason::cpu_limit, SIGKILL);
  verdict.call_id = call;
  verdict.used = 2'050'000'000;
  failure what;
  EXPECT_TRUE(describe_death(what, symbols, verdict, {}, {.id = call, .limits = {.cpu_ns = 2'000'000'000}}));
  EXPECT_EQ(what.code, errc::cpu_limit);
  EXPECT_THAT(what.message, HasSubstr("2050 ms"));
  EXPECT_THAT(what.message, HasSubstr("2000 ms (pool_options::cpu)"));
  failure beside;
  EXPECT_TRUE(describe_death(beside, symbols, verdict, {}, {.id = call + 1}));
  EXPECT_EQ(beside.code, errc::crashed);
  EXPECT_THAT(beside.message, HasSubstr("call " + std::to_string(call)));
}

TEST(verdict_error, the_kernels_signals_for_limits_are_limits) {
  failure size;
  EXPECT_TRUE(describe_death(size, symbols, verdict_of(verdict_reason::signalled, SIGXFSZ), {},
                             {.id = call, .limits = {.file_bytes = 4096}}));
  EXPECT_EQ(size.code, errc::file_limit);
  EXPECT_THAT(size.message, HasSubstr("4096 bytes (pool_options::file_size)"));
  const auto [program, agreed] = describe(verdict_of(verdict_reason::signalled, SIGXCPU));
  EXPECT_TRUE(agreed);
  EXPECT_EQ(program.code, errc::cpu_limit);
  EXPECT_THAT(program.message, HasSubstr("RLIMIT_CPU"));
}

TEST(verdict_error, a_kill_of_nobody_here_is_told_from_the_machines_oom_killer) {
  shm::verdict verdict = verdict_of(verdict_reason::signalled, SIGKILL);
  EXPECT_EQ(describe(verdict).what.code, errc::crashed);
  verdict.oom_killer = 1;
  const failure what = describe(verdict).what;
  EXPECT_EQ(what.code, errc::out_of_memory);
  EXPECT_THAT(what.message, HasSubstr("OOM killer"));
}

}  // namespace
}  // namespace selvage::host
