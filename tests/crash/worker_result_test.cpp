// Where a worker puts its answers, and what becomes of those that do not fit: inline, arena, cap, waiting for room,
// exceptions.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <new>
#include <numeric>
#include <stdexcept>

#include "schema/exception_report.hpp"
#include "selvage/error.hpp"
#include "tests/crash/lane_rig.hpp"
#include "tests/support/child.hpp"

namespace selvage::test {
namespace {

using shm::response_status;

struct shape {
  std::uint64_t length;
  std::uint64_t bound;  // 0: the length
  std::uint32_t table;  // 1: as a table, built at the end of its buffer
  std::uint32_t first_byte;
};

std::byte pattern(std::uint64_t first, std::uint64_t at) { return static_cast<std::byte>((first + at * 7) & 0xffU); }

// Answers with `length` bytes of a pattern.
void fill(const void*, call_context& context) {
  const auto wanted = argument<shape>(context);
  context.port().reply({.form = wanted.table != 0 ? payload_form::table : payload_form::flat,
                        .bound = wanted.bound != 0 ? wanted.bound : wanted.length,
                        .write = [](const void* value, std::span<std::byte> out) -> detail::extent {
                          const auto& asked = *static_cast<const shape*>(value);
                          const std::size_t offset = asked.table != 0 ? (out.size() - asked.length) / 16 * 16 : 0;
                          for (std::size_t i = 0; i < asked.length; ++i) out[offset + i] = pattern(asked.first_byte, i);
                          return {offset, asked.length};
                        },
                        .value = &wanted});
}

bool holds(const std::vector<std::byte>& bytes, const shape& wanted) {
  if (bytes.size() != wanted.length) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern(wanted.first_byte, i)) return false;
  }
  return true;
}

constexpr std::size_t kib = 1024, mib = 1024 * kib;

TEST(worker_result, every_size_around_the_boundaries_arrives_whole) {
  lane_rig rig({{"fill", nullptr, &fill}},
               {.response_arena = mib, .response_initial = 64 * kib, .payload_cap = mib / 8});
  rig.start_worker();
  std::uint32_t first = 0;
  for (const std::uint64_t length :
       {0UL, 1UL, 79UL, 80UL, 81UL, 96UL, 4096UL, 64 * kib - 1, 64 * kib, 64 * kib + 1, mib / 8}) {
    for (const std::uint32_t table : {0U, 1U}) {
      const shape wanted = {length, 0, table, ++first};
      const unsigned slot = rig.post(0, wanted);
      const shm::response_header& header = rig.await_response(slot);
      EXPECT_EQ(header.status, static_cast<std::uint8_t>(response_status::ok)) << length;
      EXPECT_EQ(header.in_arena, length > shm::inline_payload_bytes ? 1 : 0) << length;
      EXPECT_EQ(header.form, static_cast<std::uint8_t>(table != 0 ? payload_form::table : payload_form::flat));
      EXPECT_EQ(header.offset % detail::payload_alignment, 0U);
      EXPECT_TRUE(holds(rig.payload(slot), wanted)) << length;
      rig.take(slot);
    }
  }
}

TEST(worker_result, one_byte_over_the_cap_is_payload_too_large_with_its_length) {
  lane_rig rig({{"fill", nullptr, &fill}}, {.payload_cap = 100'000});
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(0, shape{100'000, 0, 0, 1})), response_status::ok);
  for (const std::uint32_t table : {0U, 1U}) {
    const unsigned slot = rig.post(0, shape{100'001, 0, table, 1});
    EXPECT_EQ(rig.await_response(slot).length, 100'001U);
    EXPECT_EQ(rig.await_status(slot), response_status::payload_too_large);
  }
}

TEST(worker_result, a_flat_result_over_the_cap_is_not_even_built) {
  lane_rig rig({{"fill", nullptr, &fill}}, {.payload_cap = 100'000});
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(0, shape{std::uint64_t{1} << 40U, 0, 0, 1})), response_status::payload_too_large);
}

TEST(worker_result, a_table_whose_bound_is_over_cap_and_arena_is_measured_when_it_is_built) {
  lane_rig rig({{"fill", nullptr, &fill}}, {.response_arena = mib, .payload_cap = mib});
  rig.start_worker();
  for (const std::uint64_t length : {100UL, mib - 4096, mib}) {
    const shape wanted = {length, 3 * mib, 1, 9};
    const unsigned slot = rig.post(0, wanted);
    rig.await_response(slot);
    EXPECT_TRUE(holds(rig.payload(slot), wanted)) << length;
    EXPECT_EQ(rig.await_status(slot), response_status::ok);
  }
  EXPECT_EQ(rig.await_status(rig.post(0, shape{mib + 1, 3 * mib, 1, 9})), response_status::payload_too_large);
}

TEST(worker_result, a_full_arena_makes_the_worker_wait_and_fails_nothing) {
  // Sixteen results, of which two fit at a time.
  lane_rig rig({{"fill", nullptr, &fill}}, {.response_arena = mib, .response_initial = mib, .payload_cap = mib / 2});
  rig.start_worker();
  std::vector<unsigned> slots;
  for (std::uint32_t i = 0; i < 16; ++i) slots.push_back(rig.post(0, shape{mib / 2, 0, 0, i}));
  ASSERT_TRUE(rig.is_answered(slots[1]));
  ASSERT_TRUE(rig.eventually([&] { return rig.worker_is_parked(); })) << "it waits without burning a core";
  EXPECT_FALSE(shm::test(rig.host.finished(), slots[2]));
  for (std::uint32_t i = 0; i < 16; ++i) {
    ASSERT_EQ(rig.await_response(slots[i]).status, static_cast<std::uint8_t>(response_status::ok));
    ASSERT_TRUE(holds(rig.payload(slots[i]), shape{mib / 2, 0, 0, i})) << i;
    rig.take(slots[i]);
  }
}

TEST(worker_result, a_result_as_large_as_the_arena_waits_for_an_empty_one) {
  lane_rig rig({{"fill", nullptr, &fill}}, {.response_arena = mib, .payload_cap = mib});
  rig.start_worker();
  for (int round = 0; round < 5; ++round) {
    const unsigned small = rig.post(0, shape{100, 0, 0, 1}), large = rig.post(0, shape{mib, 0, 0, 2});
    ASSERT_TRUE(rig.is_answered(small));
    EXPECT_FALSE(shm::test(rig.host.finished(), large));
    EXPECT_EQ(rig.await_status(small), response_status::ok);
    EXPECT_EQ(rig.await_status(large), response_status::ok);
  }
}

TEST(worker_result, thousands_of_results_of_random_sizes_share_a_small_arena_without_overlap) {
  lane_rig rig({{"fill", nullptr, &fill}},
               {.response_arena = 256 * kib, .response_initial = 4 * kib, .payload_cap = 100 * kib});
  rig.start_worker();
  std::uint64_t random = 88172645463325252U;  // xorshift
  const auto next = [&] {
    random ^= random << 13U;
    random ^= random >> 7U;
    return random ^= random << 17U;
  };
  std::vector<std::pair<unsigned, shape>> in_flight;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    if (in_flight.size() == 24) {
      const auto [slot, wanted] = in_flight.front();
      in_flight.erase(in_flight.begin());
      ASSERT_EQ(rig.await_response(slot).status, static_cast<std::uint8_t>(response_status::ok));
      ASSERT_TRUE(holds(rig.payload(slot), wanted)) << i;
      rig.take(slot);
    }
    const shape wanted = {next() % (next() % 8 == 0 ? 60 * kib : 200), 0, static_cast<std::uint32_t>(next() % 2), i};
    in_flight.emplace_back(rig.post(0, wanted), wanted);
  }
  for (const auto& [slot, wanted] : in_flight) {
    rig.await_response(slot);
    ASSERT_TRUE(holds(rig.payload(slot), wanted));
  }
}

// ---- exceptions ---------------------------------------------------------------------------------------------------

struct custom_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void throw_nested(const void*, call_context&) {
  try {
    try {
      throw std::out_of_range("page 7");
    } catch (...) {
      std::throw_with_nested(std::invalid_argument("the index"));
    }
  } catch (...) {
    std::throw_with_nested(custom_error("the document"));
  }
}
void throw_an_int(const void*, call_context&) { throw 42; }
void throw_nothing_to_say(const void*, call_context&) { throw std::runtime_error(""); }
void throw_a_selvage_error(const void*, call_context&) { throw selvage::error(errc::aborted, "stopped half way"); }
void throw_bad_alloc(const void*, call_context&) { throw std::bad_alloc(); }
void throw_a_novel(const void*, call_context&) { throw std::runtime_error(std::string(1U << 20U, 'n')); }
void throw_twenty_deep(const void*, call_context&) {
  const auto nest = [](const auto& self, int depth) -> void {
    try {
      if (depth == 0) throw std::runtime_error("the bottom");
      self(self, depth - 1);
    } catch (...) {
      std::throw_with_nested(std::runtime_error("level " + std::to_string(depth)));
    }
  };
  nest(nest, 20);
}
void throw_while_encoding(const void*, call_context& context) {
  context.port().reply(
      {.form = payload_form::flat,
       .bound = 4096,
       .write = [](const void*, std::span<std::byte>) -> detail::extent { throw custom_error("cannot say"); },
       .value = nullptr});
}
void run_out_of_memory_while_encoding(const void*, call_context& context) {
  context.port().reply({.form = payload_form::flat,
                        .bound = 8,
                        .write = [](const void*, std::span<std::byte>) -> detail::extent { throw std::bad_alloc(); },
                        .value = nullptr});
}
void answer_then_throw(const void*, call_context& context) {
  answer(context, std::array<char, 5000>{});
  throw custom_error("afterwards");
}

schema::exception_report report_of(detail::task_thunk task) {
  lane_rig rig({{"throw", nullptr, task}});
  rig.start_worker();
  const unsigned slot = rig.post(0);
  EXPECT_EQ(rig.await_response(slot).status, static_cast<std::uint8_t>(response_status::exception));
  const auto report = schema::decode(rig.payload(slot));
  EXPECT_TRUE(report.has_value());
  return report.value_or(schema::exception_report{});
}

response_status status_of(detail::task_thunk task) {
  lane_rig rig({{"throw", nullptr, task}});
  rig.start_worker();
  return rig.await_status(rig.post(0));
}

TEST(worker_result, an_exception_keeps_its_type_its_words_and_its_causes) {
  const schema::exception_report report = report_of(&throw_nested);
  EXPECT_NE(report.type.find("custom_error"), std::string::npos) << report.type;
  EXPECT_EQ(report.what, "the document");
  ASSERT_EQ(report.causes.size(), 2U);
  EXPECT_NE(report.causes[0].find("std::invalid_argument"), std::string::npos);
  EXPECT_NE(report.causes[0].find("the index"), std::string::npos);
  EXPECT_EQ(report.causes[1], "std::out_of_range: page 7");
}

TEST(worker_result, an_exception_that_is_no_std_exception_keeps_its_type) {
  const schema::exception_report report = report_of(&throw_an_int);
  EXPECT_EQ(report.type, "int");
  EXPECT_EQ(report.what, "");
}

TEST(worker_result, an_exception_without_words_has_none) { EXPECT_EQ(report_of(&throw_nothing_to_say).what, ""); }

TEST(worker_result, a_selvage_error_out_of_a_task_is_an_exception_like_any_other) {
  const schema::exception_report report = report_of(&throw_a_selvage_error);
  EXPECT_EQ(report.type, "selvage::error");
  EXPECT_NE(report.what.find("stopped half way"), std::string::npos);
}

TEST(worker_result, very_long_words_are_cut) {
  const schema::exception_report report = report_of(&throw_a_novel);
  EXPECT_GT(report.what.size(), 1000U);
  EXPECT_LT(report.what.size(), 16 * kib);
}

TEST(worker_result, causes_are_bounded) { EXPECT_EQ(report_of(&throw_twenty_deep).causes.size(), 8U); }

TEST(worker_result, an_encoder_that_throws_fails_its_call) {
  EXPECT_NE(report_of(&throw_while_encoding).type.find("custom_error"), std::string::npos);
}

TEST(worker_result, an_exception_after_the_answer_replaces_it) {
  EXPECT_EQ(report_of(&answer_then_throw).what, "afterwards");
}

TEST(worker_result, bad_alloc_is_out_of_memory) {
  EXPECT_EQ(status_of(&throw_bad_alloc), response_status::out_of_memory);
  EXPECT_EQ(status_of(&run_out_of_memory_while_encoding), response_status::out_of_memory);
}

TEST(worker_result, a_worker_goes_on_after_an_exception) {
  lane_rig rig({{"throw", nullptr, &throw_nested}, {"fill", nullptr, &fill}});
  rig.start_worker();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(rig.await_status(rig.post(0)), response_status::exception);
    EXPECT_EQ(rig.await_status(rig.post(1, shape{10, 0, 0, 0})), response_status::ok);
  }
}

// ---- /dev/shm is full ---------------------------------------------------------------------------------------------

TEST(worker_result, a_full_dev_shm_is_payload_exhausted_and_not_a_crash) {
  tests::child child([] {
    // 1 MiB for everything, in a mount namespace of its own.
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") != 0) {
      return 77;
    }
    lane_rig rig(
        {{"fill", nullptr, &fill}},
        {.request_arena = 64 * kib, .response_arena = 4 * mib, .response_initial = 64 * kib, .payload_cap = 4 * mib});
    rig.start_worker();
    EXPECT_EQ(rig.await_status(rig.post(0, shape{100 * kib, 0, 0, 1})), response_status::ok);
    const unsigned slot = rig.post(0, shape{2 * mib, 0, 0, 1});
    EXPECT_EQ(rig.await_response(slot).length, 2 * mib);
    EXPECT_EQ(rig.await_status(slot), response_status::payload_exhausted);
    const shape wanted = {200 * kib, 0, 0, 7};
    const unsigned after = rig.post(0, wanted);
    rig.await_response(after);
    EXPECT_TRUE(holds(rig.payload(after), wanted)) << "what fits still works";
    return testing::Test::HasFailure() ? 1 : 0;
  });
  const int status = child.exit_status();
  if (status == 77) GTEST_SKIP() << "no right to mount a small /dev/shm";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace selvage::test
