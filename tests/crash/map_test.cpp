// selvage::map: a function over a range in worker processes, results in input order, and the first error.

#include <array>
#include <list>
#include <numeric>
#include <stdexcept>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/shared_words.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

class mapping : public pool_survives {};

/// The error that `body` throws. Fails the test where it throws none.
template <class Body>
failure thrown_by(Body&& body) {
  try {
    body();
  } catch (const error& problem) {
    return problem.details();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST_F(mapping, of_nothing_is_nothing) {
  const std::vector<int> none;
  EXPECT_TRUE(selvage::map(none, [](int i) { return i; }, {.workers = 1}).empty());
}

TEST_F(mapping, of_one_and_of_many_keeps_their_order) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{10'000}}) {
    std::vector<int> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0);
    const std::vector<std::string> words =
        selvage::map(numbers, [](int i) { return std::to_string(i); }, {.workers = 2});
    ASSERT_EQ(words.size(), count);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(words[i], std::to_string(i));
  }
}

// The elements reach the workers by fork: nothing of them is encoded.
TEST_F(mapping, takes_elements_of_any_type_and_functions_with_captures) {
  struct node {
    std::array<int, 4> parts;
    const node* next;
  };
  std::list<node> nodes;
  for (int i = 0; i < 50; ++i) nodes.push_back({{i, i, i, i}, nodes.empty() ? nullptr : &nodes.back()});
  const int factor = 3;
  const auto sums = selvage::map(nodes,
                                 [&factor](const node& it) {
                                   const int before = it.next == nullptr ? 0 : it.next->parts[0];
                                   return factor * (it.parts[3] + before);
                                 },
                                 {.workers = 2});
  ASSERT_EQ(sums.size(), 50U);
  EXPECT_EQ(sums.front(), 0);
  EXPECT_EQ(sums.back(), 3 * (49 + 48));
}

TEST_F(mapping, without_a_result_runs_each_once) {
  const shared_words runs(200);
  const std::vector<int> numbers = [] {
    std::vector<int> all(200);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }();
  selvage::map(numbers, [&runs](int i) { runs[static_cast<std::size_t>(i)].fetch_add(1); }, {.workers = 2});
  for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(runs[i].load(), 1U);
}

TEST_F(mapping, throws_the_first_error_in_input_order) {
  const std::vector<int> numbers = {1, 2, 3, 4};
  const failure why = thrown_by([&] {
    (void)selvage::map(numbers,
                       [](int i) -> int {
                         if (i == 2) ::usleep(20'000);  // the later one fails earlier
                         if (i % 2 == 0) throw std::runtime_error("even: " + std::to_string(i));
                         return i;
                       },
                       {.workers = 2});
  });
  EXPECT_EQ(why.code, errc::task_failed);
  EXPECT_EQ(why.message, "even: 2");
}

TEST_F(mapping, survives_a_crash_and_throws_it) {
  const std::vector<int> numbers = {1, 2, 3};
  const failure why = thrown_by([&] {
    selvage::map(numbers, [](int i) {
      if (i == 2) victims::dereference_null();
    });
  });
  EXPECT_EQ(why.code, errc::crashed);
  EXPECT_EQ(why.signal, SIGSEGV);
}

TEST_F(mapping, ends_an_element_that_takes_too_long) {
  const std::vector<int> numbers = {1, 2};
  const failure why = thrown_by([&] {
    selvage::map(numbers, [](int i) { return i == 2 ? victims::sleep_for_ever() : void(); },
                 {.workers = 1, .timeout = 50ms});
  });
  EXPECT_EQ(why.code, errc::timed_out);
}

TEST_F(mapping, refuses_options_that_are_out_of_range) {
  const std::vector<int> numbers = {1};
  const auto same = [](int i) { return i; };
  EXPECT_EQ(thrown_by([&] { (void)selvage::map(numbers, same, {.workers = 100'000}); }).code, errc::invalid_options);
  EXPECT_EQ(thrown_by([&] { (void)selvage::map(numbers, same, {.timeout = -1s}); }).code, errc::invalid_options);
}

class mapping_memory : public pool_survives {};

TEST_F(mapping_memory, is_bounded_for_each_worker) {
  const std::vector<std::size_t> sizes = {1U << 20U, std::size_t{1} << 30U};
  const failure why = thrown_by([&] {
    (void)selvage::map(sizes,
                       [](std::size_t size) {
                         const std::vector<char> filled(size, 'x');
                         return filled[size / 2];
                       },
                       {.workers = 1, .memory = 64_MiB});
  });
  EXPECT_EQ(why.code, errc::out_of_memory);
}

}  // namespace
}  // namespace selvage::test
