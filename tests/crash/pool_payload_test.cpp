// FAILURES row 29: payloads of nothing, of each boundary and one beside it, and values that are easily spoilt on the
// way.
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <variant>

#include "shm/layout.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {
namespace {

using pool_payloads = pool_survives;

std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string text(size, '\0');
  std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
  for (char& each : text) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    each = static_cast<char>(state);  // every byte: zeros, and what is no UTF-8
  }
  return text;
}

const auto echo_text = selvage::task("echo_text", [](const std::string& text) { return text; });
const auto fill = selvage::task("fill", [](std::size_t size) { return std::string(size, 'f'); });
const auto size_of = selvage::task("size_of", [](std::string_view text) { return text.size(); });

struct arena_shape {
  const char* name;
  arena_options arena;
  bytes cap;
};
void PrintTo(const arena_shape& how, std::ostream* out) { *out << how.name; }

class pool_boundaries : public pool_survives, public ::testing::WithParamInterface<arena_shape> {};

// FAILURES row 29
TEST_P(pool_boundaries, are_carried_whole_and_one_over_the_cap_is_refused) {
  const arena_shape& how = GetParam();
  pool pool(watched({.workers = 1, .arena = how.arena, .payload_cap = how.cap}), add, echo_text, fill, size_of);
  const std::size_t cap = how.cap.count;
  std::vector<std::size_t> sizes = {
      0,    1,    15,  16, 17, shm::inline_payload_bytes - 1, shm::inline_payload_bytes, shm::inline_payload_bytes + 1,
      4095, 4096, 4097};
  for (const std::size_t edge : {how.arena.initial.count, how.arena.maximum.count, cap}) {
    for (const std::size_t size : {edge - 17, edge - 16, edge - 15, edge - 1, edge, edge + 1}) sizes.push_back(size);
  }
  for (const std::size_t size : sizes) {
    const std::string text = pattern(size, size);
    const auto carried = pool.call(size_of, text).result();
    const auto made = pool.call(fill, size).result();
    const auto echoed = pool.call(echo_text, text).result();
    if (size <= cap) {
      ASSERT_TRUE(carried.has_value()) << size << ": " << carried.error().report();
      EXPECT_EQ(*carried, size);
      ASSERT_TRUE(made.has_value()) << size << ": " << made.error().report();
      EXPECT_EQ(*made, std::string(size, 'f'));
      ASSERT_TRUE(echoed.has_value()) << size << ": " << echoed.error().report();
      EXPECT_TRUE(*echoed == text) << size;
    } else {
      ASSERT_EQ(code_of(carried), errc::payload_too_large) << size;
      EXPECT_NE(carried.error().details().message.find(std::to_string(size)), std::string::npos)
          << carried.error().what();
      EXPECT_EQ(code_of(made), errc::payload_too_large) << size;
      EXPECT_EQ(code_of(echoed), errc::payload_too_large) << size;
    }
  }
  expect_usable(pool);
}

const std::vector<arena_shape> shapes = {
    {"growing", {.initial = 64_KiB, .maximum = 1_MiB}, 256_KiB},
    {"growing_with_the_whole_arena_as_cap", {.initial = 64_KiB, .maximum = 1_MiB}, 1_MiB},
    {"fixed_with_the_whole_arena_as_cap", {.initial = 4_KiB, .maximum = 512_KiB, .growable = false}, 512_KiB},
    {"of_one_page", {.initial = 4_KiB, .maximum = 4_KiB}, 4_KiB},
    {"with_a_cap_that_is_no_multiple_of_anything", {.initial = 8_KiB, .maximum = 128_KiB}, bytes{77'777}},
};
INSTANTIATE_TEST_SUITE_P(of, pool_boundaries, ::testing::ValuesIn(shapes),
                         [](const auto& info) { return std::string(info.param.name); });

// FAILURES row 29: the default is an eighth of the maximum.
TEST_F(pool_payloads, the_default_cap_is_an_eighth_of_the_arena) {
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 1_MiB}}), size_of);
  EXPECT_EQ(pool.call(size_of, std::string(128U << 10U, 'x')).get(), 128U << 10U);
  EXPECT_EQ(code_of(pool.call(size_of, std::string((128U << 10U) + 1, 'x')).result()), errc::payload_too_large);
}

// BEHAVIOURS: sixteen 8 MiB calls, none rejected.
TEST_F(pool_payloads, a_full_arena_makes_calls_wait_and_fails_none) {
  pool pool(watched({.workers = 2, .arena = {.initial = 1_MiB, .maximum = 8_MiB}, .payload_cap = 8_MiB, .queue = 4}),
            echo_text);
  std::vector<future<std::string>> echoes;
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 16; ++i) texts.push_back(pattern((8U << 20U) - i, i));
  for (const std::string& text : texts) echoes.push_back(pool.call(echo_text, text));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = echoes[i].result();
    ASSERT_TRUE(text.has_value()) << text.error().report();
    EXPECT_TRUE(*text == texts[i]);
  }
}

// BEHAVIOURS: thousands of tasks through a small arena never overlap.
TEST_F(pool_payloads, thousands_of_random_sizes_through_a_small_arena_never_overlap) {
  tests::random_source random;
  pool pool(watched({.workers = 2, .arena = {.initial = 16_KiB, .maximum = 256_KiB}, .payload_cap = 64_KiB}),
            echo_text);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> texts;
    std::vector<future<std::string>> echoes;
    for (int i = 0; i < 50; ++i)
      texts.push_back(pattern(random.one_in(8) ? random.below(64U << 10U) : random.below(300), random.bits()));
    for (const std::string& text : texts) echoes.push_back(pool.call(echo_text, text));
    for (std::size_t i = 0; i < texts.size(); ++i) ASSERT_TRUE(echoes[i].get() == texts[i]);
  }
}

// FAILURES row 29: NaN, -0.0, infinities and the ends of every range, bit by bit.
TEST_F(pool_payloads, numbers_keep_every_bit) {
  const auto of_double = selvage::task("of_double", [](double value) { return value; });
  const auto of_float = selvage::task("of_float", [](float value) { return value; });
  const auto of_int = selvage::task("of_int", [](std::int64_t value) { return value; });
  const auto of_unsigned = selvage::task("of_unsigned", [](std::uint64_t value) { return value; });
  const auto of_doubles = selvage::task("of_doubles", [](const std::vector<double>& values) { return values; });
  pool pool(watched({.workers = 1}), of_double, of_float, of_int, of_unsigned, of_doubles);
  using limits = std::numeric_limits<double>;
  const double payload_nan = std::bit_cast<double>(std::uint64_t{0x7ff8dead0000beef});
  const std::vector<double> doubles = {0.0,
                                       -0.0,
                                       limits::quiet_NaN(),
                                       -limits::quiet_NaN(),
                                       payload_nan,
                                       limits::infinity(),
                                       -limits::infinity(),
                                       limits::max(),
                                       limits::lowest(),
                                       limits::min(),
                                       limits::denorm_min(),
                                       -limits::denorm_min(),
                                       limits::epsilon()};
  const auto bits = [](auto value) {
    if constexpr (sizeof value == 8)
      return std::bit_cast<std::uint64_t>(value);
    else
      return std::bit_cast<std::uint32_t>(value);
  };
  for (const double value : doubles) EXPECT_EQ(bits(pool.call(of_double, value).get()), bits(value));
  for (const float value : {-0.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::denorm_min()}) {
    EXPECT_EQ(bits(pool.call(of_float, value).get()), bits(value));
  }
  const auto back = pool.call(of_doubles, doubles).get();
  ASSERT_EQ(back.size(), doubles.size());
  for (std::size_t i = 0; i < back.size(); ++i) EXPECT_EQ(bits(back[i]), bits(doubles[i]));
  for (const std::int64_t value : {INT64_MIN, INT64_MIN + 1, std::int64_t{-1}, std::int64_t{0}, INT64_MAX})
    EXPECT_EQ(pool.call(of_int, value).get(), value);
  for (const std::uint64_t value : {std::uint64_t{0}, UINT64_MAX, std::uint64_t{1} << 63U})
    EXPECT_EQ(pool.call(of_unsigned, value).get(), value);
}

// FAILURES row 29: strings are bytes.
TEST_F(pool_payloads, text_in_every_encoding_and_in_none_is_untouched) {
  pool pool(watched({.workers = 1}), echo_text);
  const std::string units[] = {"a",    "\xc3\xa9", "\xe2\x82\xac",      "\xf0\x9f\x99\x82",
                               "\xff", "\xc3",     std::string(1, '\0')};
  for (const std::string& unit : units) {
    for (const std::size_t size : {std::size_t{0}, shm::inline_payload_bytes - 1, shm::inline_payload_bytes,
                                   shm::inline_payload_bytes + 1, std::size_t{5000}}) {
      std::string text;
      while (text.size() < size) text += unit;
      text.resize(size);
      EXPECT_EQ(pool.call(echo_text, text).get(), text);
    }
  }
}

struct leaf {
  int number = 0;
  std::optional<std::string> name;
  friend bool operator==(const leaf&, const leaf&) = default;
};
struct branch {
  std::vector<leaf> leaves;
  std::map<std::string, std::vector<std::optional<leaf>>> by_name;
  std::variant<int, std::string, leaf> any;
  std::tuple<double, std::array<std::uint8_t, 5>> pair;
  friend bool operator==(const branch&, const branch&) = default;
};

// FAILURES row 29: wide.
TEST_F(pool_payloads, wide_and_nested_values_come_back_equal) {
  tests::random_source random;
  const auto copy = selvage::task("copy", [](const std::vector<branch>& all) { return all; });
  pool pool(watched({.workers = 1}), copy);
  for (const std::size_t width : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{2'000}}) {
    std::vector<branch> all(width);
    for (branch& each : all) {
      for (std::uint64_t i = random.below(4); i > 0; --i)
        each.leaves.push_back({static_cast<int>(random.bits()), pattern(random.below(30), i)});
      if (random.one_in(2)) each.by_name[pattern(random.below(10), 3)] = {std::nullopt, leaf{1, std::nullopt}};
      if (random.one_in(2)) each.any = pattern(5, 1);
      if (random.one_in(3)) each.any = leaf{7, ""};
      each.pair = {static_cast<double>(random.bits()), {1, 2, 3, 4, 5}};
    }
    EXPECT_TRUE(pool.call(copy, all).get() == all) << width;
  }
}

using deep =
    std::vector<std::vector<std::vector<std::vector<std::vector<std::vector<std::vector<std::vector<std::string>>>>>>>>;

// FAILURES row 29: deep.
TEST_F(pool_payloads, deeply_nested_values_come_back_equal) {
  const auto copy = selvage::task("copy", [](const deep& it) { return it; });
  pool pool(watched({.workers = 1}), copy);
  const deep it(2, deep::value_type(2, deep::value_type::value_type(2, {{{{{"a", ""}, {}}, {}}, {}}, {}})));
  EXPECT_TRUE(pool.call(copy, it).get() == it);
  EXPECT_TRUE(pool.call(copy, deep{}).get().empty());
}

value nested(std::size_t depth) {
  value it = 1;
  for (std::size_t i = 0; i < depth; ++i) {
    value::array outer;
    outer.push_back(std::move(it));
    it = std::move(outer);
  }
  return it;
}

/// The outcome of a call, or what was thrown while its arguments were encoded.
template <class Call>
errc refusal_of(Call call) {
  try {
    return code_of(call().result());
  } catch (const error& problem) {
    return problem.code();
  }
}

// FAILURES row 29: dynamic values, up to the depth that the codec carries, and not one level more.
TEST_F(pool_payloads, a_dynamic_value_is_carried_up_to_the_deepest_level_and_refused_below) {
  const auto copy = selvage::task("copy", [](const value& it) { return it; });
  const auto make = selvage::task("make", [](std::size_t depth) { return nested(depth); });
  pool pool(watched({.workers = 1}), add, copy, make);
  std::size_t deepest = 0;
  for (std::size_t depth = 1; depth <= detail::max_depth + 3; ++depth) {
    const errc refused = refusal_of([&] { return pool.call(copy, nested(depth)); });
    if (refused == errc{}) {
      EXPECT_TRUE(pool.call(copy, nested(depth)).get() == nested(depth));
      EXPECT_EQ(deepest, depth - 1) << "a smaller one was refused";
      deepest = depth;
    } else {
      EXPECT_EQ(refused, errc::payload_too_large) << depth;
    }
    EXPECT_EQ(pool.call(make, depth).result().has_value(), refused == errc{}) << "as a result of " << depth;
  }
  EXPECT_GE(deepest, detail::max_depth - 1);
  EXPECT_LE(deepest, detail::max_depth);
  EXPECT_EQ(refusal_of([&] { return pool.call(copy, nested(2'000)); }), errc::payload_too_large);
  EXPECT_NE(refusal_of([&] { return pool.call(make, std::size_t{2'000}); }), errc{});
  expect_usable(pool);
}

// BEHAVIOURS: an exception keeps type, message and nested causes.
TEST_F(pool_payloads, a_huge_exception_is_carried_or_cut_but_never_lost) {
  const auto fail = selvage::task("fail", [](std::size_t size) { throw std::runtime_error(std::string(size, 'w')); });
  pool pool(watched({.workers = 1, .arena = {.initial = 4_KiB, .maximum = 64_KiB}, .payload_cap = 8_KiB}), add, fail);
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{5'000}, std::size_t{1} << 20U}) {
    const auto outcome = pool.call(fail, size).result();
    ASSERT_EQ(code_of(outcome), errc::task_failed) << outcome.error().report();
    EXPECT_NE(outcome.error().details().exception_type.find("runtime_error"), std::string::npos);
    EXPECT_EQ(outcome.error().details().message.substr(0, 10), std::string(std::min<std::size_t>(size, 10), 'w'));
  }
  expect_usable(pool);
}

}  // namespace
}  // namespace selvage::test
