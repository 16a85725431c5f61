// A future by itself, over a call that the test settles by hand: what it promises without any pool. Futures of real
// pools are in tests/crash/behaviour_future_test.cpp.

#include <selvage/future.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include <selvage/in_place.hpp>

#include "tests/unit/codec_support.hpp"

namespace selvage {
namespace {

using detail::call_ref;
using detail::payload_form;
using detail::payload_view;
using detail::typed_call;
using test::encode_result;

/// A call with its outcome, and the future of it.
template <class R>
future<typename detail::result_codec<R>::host_type> answered(payload_view answer, std::string* fault = nullptr) {
  using host_type = typename detail::result_codec<R>::host_type;
  auto* const call = new typed_call<R>;
  const std::string problem = call->receive(answer);
  if (fault != nullptr) *fault = problem;
  if (!problem.empty()) call->problem.emplace(errc::bad_response, problem);
  call->phase = static_cast<std::uint32_t>(detail::call_phase::settled);
  return future<host_type>(call_ref<detail::result_state<host_type>>(call));
}

template <class R>
std::string fault_of(payload_view answer) {
  std::string fault;
  (void)answered<R>(answer, &fault);
  return fault;
}

TEST(future, without_a_call_is_not_valid) {
  future<int> none;
  EXPECT_FALSE(none.valid());
  EXPECT_FALSE(none.ready());
  none.abort();
  none.detach();
}

TEST(future_death, an_outcome_asked_of_no_call_ends_the_program_in_words) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(future<int>().get(), "selvage: a future without a call");
  EXPECT_DEATH((void)future<void>().result(), "selvage: a future without a call");
  EXPECT_DEATH(future<int>().wait(), "selvage: a future without a call");
  EXPECT_DEATH((void)future<int>().wait_for(std::chrono::nanoseconds(0)), "selvage: a future without a call");
  EXPECT_DEATH(future<int>().then([](const auto&) {}), "selvage: a future without a call");
}

TEST(future, a_value_comes_out_once) {
  const auto bytes = encode_result<int>(42);
  auto sum = answered<int>(bytes.view());
  EXPECT_TRUE(sum.valid());
  EXPECT_TRUE(sum.ready());
  EXPECT_TRUE(sum.wait_for(std::chrono::nanoseconds(0)));
  EXPECT_EQ(sum.get(), 42);
  EXPECT_FALSE(sum.valid());
}

TEST(future, moves_and_leaves_nothing_behind) {
  const auto bytes = encode_result<int>(1);
  auto first = answered<int>(bytes.view());
  auto second = std::move(first);
  EXPECT_FALSE(first.valid());
  first = std::move(second);
  EXPECT_TRUE(first.valid());
  auto& same = first;
  first = std::move(same);
  EXPECT_EQ(first.get(), 1);
}

TEST(future, void_is_nothing_or_an_error) {
  answered<void>({}).get();
  EXPECT_TRUE(answered<void>({}).result().has_value());
}

TEST(future, flat_and_table_answers_are_copied_when_they_are_received) {
  std::vector<std::string> words{"a", std::string(1000, 'b'), ""};
  auto table = encode_result<std::vector<std::string>>(words);
  auto flat = encode_result<std::string>(std::string(5000, 'z'));
  auto first = answered<std::vector<std::string>>(table.view());
  auto second = answered<std::string>(flat.view());
  std::fill(table.bytes.begin(), table.bytes.end(), std::byte{0xff});
  std::fill(flat.bytes.begin(), flat.bytes.end(), std::byte{0xff});
  EXPECT_EQ(first.get(), words);
  EXPECT_EQ(second.get(), std::string(5000, 'z'));
}

TEST(future, an_answer_in_another_form_is_refused) {
  const std::vector<std::byte> bytes(16);
  for (const auto form : {payload_form::none, payload_form::flat, payload_form::table, static_cast<payload_form>(9)}) {
    EXPECT_NE(fault_of<int>({form, bytes}), "");
  }
  for (const auto form : {payload_form::none, payload_form::fixed, payload_form::table})
    EXPECT_NE(fault_of<std::string>({form, bytes}), "");
  EXPECT_NE(fault_of<void>({payload_form::flat, bytes}), "");
}

TEST(future, a_fixed_answer_of_another_size_is_refused) {
  for (const std::size_t size : {0U, 1U, 3U, 5U, 128U, 129U, 4096U}) {
    const std::vector<std::byte> bytes(size);
    EXPECT_NE(fault_of<int>({payload_form::fixed, bytes}), "") << size;
  }
}

TEST(future, a_flat_answer_that_is_no_whole_number_of_elements_is_refused) {
  const std::vector<std::byte> bytes(15);
  EXPECT_NE(fault_of<std::vector<double>>({payload_form::flat, bytes}), "");
}

TEST(future, a_table_that_is_no_table_fails_the_one_who_asks) {
  const std::vector<std::byte> noise(64, std::byte{0xee});
  auto words = answered<std::vector<std::string>>({payload_form::table, noise});
  const auto outcome = words.result();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code(), errc::bad_response);
}

TEST(future, then_of_a_known_outcome_is_called_at_once) {
  const auto bytes = encode_result<int>(7);
  int seen = 0;
  answered<int>(bytes.view()).then([&](tl::expected<int, error> value) { seen = *value; });
  EXPECT_EQ(seen, 7);
}

TEST(trusted_view, of_a_copy_lives_as_long_as_it_is_held) {
  auto* const call = new detail::view_call;
  {
    const std::string text(300, 'v');
    EXPECT_EQ(call->receive({payload_form::flat, std::as_bytes(std::span(text))}), "");
  }
  call->phase = static_cast<std::uint32_t>(detail::call_phase::settled);
  future<trusted_view> given{call_ref<detail::result_state<trusted_view>>(call)};
  trusted_view view = given.get();
  trusted_view other = std::move(view);
  EXPECT_EQ(other.text(), std::string(300, 'v'));
  EXPECT_EQ(other.bytes().size(), 300U);
}

TEST(trusted_view, of_an_answer_in_another_form_is_refused) {
  detail::view_call call;
  EXPECT_NE(call.receive({payload_form::table, {}}), "");
  EXPECT_FALSE(call.keep_in_place({payload_form::fixed, {}}));
}

}  // namespace
}  // namespace selvage
