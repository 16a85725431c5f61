// Every type that can cross, there and back, bit for bit.

#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include <selvage/error.hpp>

#include "codec_support.hpp"

namespace selvage::test {
namespace {

using detail::payload_form;
using detail::result_codec;
using namespace std::string_literals;

enum class colour : std::uint16_t { red, green = 65535 };
enum plain_enum { first, second };

struct point {
  double x;
  double y;
  bool operator==(const point&) const = default;
};

struct gapped {
  char letter;
  int number;
  bool truth;
  point where;
  bool operator==(const gapped&) const = default;
};

struct empty {
  bool operator==(const empty&) const = default;
};

struct everything {
  bool truth;
  std::string text;
  std::vector<std::byte> bytes;
  std::vector<std::vector<std::string>> nested;
  std::vector<bool> bits;
  std::array<std::string, 2> pair_of_texts;
  std::array<std::array<std::int16_t, 2>, 2> grid;
  std::optional<double> present;
  std::optional<double> absent;
  std::optional<std::optional<double>> twice;
  std::optional<std::optional<double>> once;
  std::optional<std::string> maybe_text;
  std::optional<std::vector<std::optional<int>>> sparse;
  std::variant<std::monostate, int, std::string, std::vector<int>, std::optional<int>> choice;
  std::tuple<int, std::string, gapped> triple;
  std::pair<std::string, int> couple;
  std::map<std::string, std::map<int, point>> maps;
  std::set<std::string> names;
  std::chrono::nanoseconds duration;
  std::chrono::system_clock::time_point when;
  std::chrono::duration<double> seconds;
  std::filesystem::path path;
  colour paint;
  plain_enum plain;
  std::vector<gapped> many;
  empty nothing;
  std::vector<empty> nothings;
  bool operator==(const everything&) const = default;
};

everything make_everything() {
  return {.truth = true,
          .text = "text",
          .bytes = {std::byte{1}, std::byte{0}, std::byte{255}},
          .nested = {{}, {"a", ""}, {"b"}},
          .bits = {true, false, true},
          .pair_of_texts = {"x", "y"},
          .grid = {{{1, 2}, {3, 4}}},
          .present = -0.0,
          .absent = {},
          .twice = std::optional<double>(2.0),
          .once = std::optional<std::optional<double>>(std::in_place),
          .maybe_text = "",
          .sparse = std::vector<std::optional<int>>{1, std::nullopt},
          .choice = std::vector<int>{1, 2},
          .triple = {1, "t", {'c', 2, true, {3, 4}}},
          .couple = {"k", 5},
          .maps = {{"m", {{1, {2, 3}}}}, {"", {}}},
          .names = {"p", "q"},
          .duration = std::chrono::nanoseconds(-1),
          .when = std::chrono::system_clock::time_point(std::chrono::microseconds(7)),
          .seconds = std::chrono::duration<double>(0.5),
          .path = "/tmp/\xff",
          .paint = colour::green,
          .plain = second,
          .many = {{'a', 1, false, {1, 2}}, {'b', 2, true, {3, 4}}},
          .nothing = {},
          .nothings = {{}, {}, {}}};
}

struct node {
  int value = 0;
  std::vector<node> children;
  bool operator==(const node&) const = default;
};

template <class Number>
void expect_limits() {
  for (const Number number : {std::numeric_limits<Number>::min(), std::numeric_limits<Number>::lowest(),
                              std::numeric_limits<Number>::max(), Number{0}, Number{1}}) {
    EXPECT_EQ(round_trip_result<Number>(number), number);
    EXPECT_EQ(round_trip_argument<Number>(number), number);
    EXPECT_EQ(round_trip_result<std::vector<Number>>({number, number}), (std::vector<Number>{number, number}));
    EXPECT_EQ(round_trip_result<std::optional<Number>>(number), std::optional<Number>(number));
  }
}

TEST(codec, every_integer_keeps_its_smallest_and_largest_value) {
  expect_limits<char>();
  expect_limits<signed char>();
  expect_limits<unsigned char>();
  expect_limits<char8_t>();
  expect_limits<char16_t>();
  expect_limits<char32_t>();
  expect_limits<wchar_t>();
  expect_limits<short>();
  expect_limits<unsigned short>();
  expect_limits<int>();
  expect_limits<unsigned>();
  expect_limits<long>();
  expect_limits<unsigned long>();
  expect_limits<long long>();
  expect_limits<unsigned long long>();
  expect_limits<float>();
  expect_limits<double>();
}

TEST(codec, nans_infinities_and_negative_zero_keep_every_bit) {
  for (const std::uint64_t bits : std::initializer_list<std::uint64_t>{
           0x7ff8000000000000u, 0x7ff0000000000001u, 0xfff8dead0000beefu, 0x7ff0000000000000u, 0xfff0000000000000u,
           0x8000000000000000u, 0x0000000000000001u, 0x8000000000000001u}) {
    const auto number = std::bit_cast<double>(bits);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(round_trip_result<double>(number)), bits);
    expect_bit_exact(std::vector<double>{number});
    expect_bit_exact(std::optional<double>(number));
    expect_bit_exact(std::tuple<double, std::string>(number, "x"));
    expect_bit_exact(std::variant<int, double>(number));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(*round_trip_result<std::optional<double>>(number)), bits);
    EXPECT_EQ(
        std::bit_cast<std::uint64_t>(std::get<0>(round_trip_result<std::tuple<double, std::string>>({number, "x"}))),
        bits);
  }
}

TEST(codec, a_value_equal_to_its_default_is_not_dropped) {
  expect_bit_exact(std::tuple<int, double, bool, std::string>(0, 0.0, false, ""));
  EXPECT_EQ(round_trip_result<std::optional<int>>(0), std::optional<int>(0));
  EXPECT_EQ(round_trip_result<std::optional<std::string>>(std::string()), std::optional<std::string>(""));
  EXPECT_EQ(round_trip_result<std::optional<int>>(std::nullopt), std::nullopt);
}

TEST(codec, text_is_bytes_and_carried_untouched) {
  for (const std::string& text :
       {""s, "\0"s, "a\0b"s, "\xff\xfe"s, "\xc3\xa4 \xe2\x82\xac \xf0\x9f\xa7\xb5"s, std::string(1'000'000, 'x')}) {
    EXPECT_EQ(round_trip_result<std::string>(text), text);
    EXPECT_EQ(round_trip_argument<std::string>(text), text);
    EXPECT_EQ(round_trip_result<std::vector<std::string>>({text, text}), (std::vector<std::string>{text, text}));
    EXPECT_EQ(round_trip_result<std::filesystem::path>(text), std::filesystem::path(text));
  }
}

TEST(codec, an_aggregate_of_every_kind_of_member_survives) {
  const everything all = make_everything();
  EXPECT_EQ(round_trip_result<everything>(all), all);
  EXPECT_EQ(round_trip_argument<everything>(all), all);
  expect_bit_exact(all);
}

TEST(codec, every_alternative_of_a_variant_survives) {
  using choice = std::variant<std::monostate, bool, std::string, std::vector<int>, std::optional<std::string>, point>;
  for (const choice& value :
       {choice(), choice(true), choice("text"s), choice(std::vector<int>{1}),
        choice(std::in_place_index<4>, std::nullopt), choice(std::in_place_index<4>, "x"), choice(point{1, 2})}) {
    EXPECT_EQ(round_trip_result<choice>(value), value);
    EXPECT_EQ(round_trip_argument<choice>(value), value);
  }
}

TEST(codec, unordered_maps_survive) {
  const std::unordered_map<std::string, std::vector<int>> texts{{"a", {1}}, {"", {}}, {"b", {2, 3}}};
  EXPECT_EQ((round_trip_result<std::unordered_map<std::string, std::vector<int>>>(texts)), texts);
  std::unordered_map<int, int> numbers;
  for (int i = 0; i < 10'000; ++i) numbers[i * 7] = i;
  EXPECT_EQ((round_trip_result<std::unordered_map<int, int>>(numbers)), numbers);
  EXPECT_EQ((round_trip_argument<std::unordered_map<int, int>>(numbers)), numbers);
}

TEST(codec, sequences_of_zero_one_and_many_elements_survive) {
  for (const std::size_t count : {0u, 1u, 2u, 3u, 1000u}) {
    expect_bit_exact(std::vector<std::int8_t>(count, -1));
    expect_bit_exact(std::vector<double>(count, 0.5));
    expect_bit_exact(std::vector<bool>(count, true));
    expect_bit_exact(std::vector<gapped>(count, gapped{'x', 1, true, {2, 3}}));
    expect_bit_exact(std::vector<std::string>(count, "text"));
    expect_bit_exact(std::vector<std::vector<std::string>>(count, {"a", "b"}));
    expect_bit_exact(std::vector<std::optional<int>>(count, 1));
    expect_bit_exact(std::vector<std::variant<int, std::string>>(count, "v"));
    expect_bit_exact(std::vector<everything>(count, make_everything()));
  }
}

TEST(codec, a_fixed_type_too_large_for_the_slot_is_a_table) {
  using small = std::array<double, 10>;
  using large = std::array<double, 11>;
  using huge = std::array<double, 10'000>;
  EXPECT_EQ(result_codec<small>::form, payload_form::fixed);
  EXPECT_EQ(result_codec<large>::form, payload_form::table);
  expect_bit_exact(small{1, 2, 3});
  expect_bit_exact(large{1, 2, 3});
  expect_bit_exact(huge{1, 2, 3});
  expect_bit_exact(std::vector<huge>(3, huge{4, 5}));
  expect_bit_exact(std::tuple<huge, std::string, std::optional<huge>>(huge{6}, "x", huge{7}));
}

TEST(codec, the_gaps_of_a_struct_show_nothing_of_the_senders_memory) {
  gapped values[2];
  std::memset(static_cast<void*>(&values[0]), 0x5a, sizeof(gapped));
  std::memset(static_cast<void*>(&values[1]), 0xa5, sizeof(gapped));
  for (gapped& value : values) {
    value.letter = 'c';
    value.number = 1;
    value.truth = true;
    value.where = {2, 3};
  }
  EXPECT_EQ(encode_result<gapped>(values[0]).bytes, encode_result<gapped>(values[1]).bytes);
  EXPECT_EQ(encode_result<std::vector<gapped>>({values[0]}).bytes,
            encode_result<std::vector<gapped>>({values[1]}).bytes);
}

node chain(unsigned depth) {
  node root;
  for (unsigned i = 1; i < depth; ++i) {
    node parent;
    parent.children.push_back(std::move(root));
    root = std::move(parent);
  }
  return root;
}

TEST(codec, a_type_that_contains_itself_survives_to_the_depth_limit) {
  const node tree{1, {{2, {{3, {}}}}, {4, {}}}};
  EXPECT_EQ(round_trip_result<node>(tree), tree);
  EXPECT_EQ(round_trip_argument<node>(tree), tree);
  const node deepest = chain(detail::max_depth - 1);  // the payload's own table is a level, too
  EXPECT_EQ(round_trip_result<node>(deepest), deepest);
}

TEST(codec, nesting_beyond_the_depth_limit_is_refused_by_the_sender) {
  try {
    encode_result<node>(chain(detail::max_depth));
    FAIL() << "not refused";
  } catch (const error& refused) {
    EXPECT_EQ(refused.code(), errc::payload_too_large);
  }
}

TEST(codec, a_variant_that_lost_its_value_is_refused_by_the_sender) {
  struct bomb {
    operator std::string() const { throw 1; }
  };
  using choice = std::variant<int, std::pair<std::string, int>>;
  choice value = 1;
  EXPECT_THROW((value.emplace<1>(bomb{}, 1)), int);
  ASSERT_TRUE(value.valueless_by_exception());
  using codec = result_codec<choice>;
  EXPECT_THROW((void)codec::source(value), std::invalid_argument);
}

TEST(codec, a_million_strings_survive) {
  std::vector<std::string> texts;
  for (int i = 0; i < 1'000'000; ++i) texts.push_back(std::to_string(i));
  EXPECT_EQ(round_trip_result<std::vector<std::string>>(texts), texts);
  EXPECT_EQ(round_trip_argument<std::vector<std::string>>(texts), texts);
}

TEST(codec, two_gibibytes_of_structure_are_refused_before_they_are_written) {
  // 32 views of one string of 64 MiB: the sum counts, and nothing is written.
  const std::string part(64 << 20, 'x');
  const std::vector<std::string_view> parts(32, part);
  const auto held = detail::arguments_codec<const std::vector<std::string_view>&>::hold(parts);
  try {
    (void)detail::arguments_codec<const std::vector<std::string_view>&>::source(held);
    FAIL() << "not refused";
  } catch (const error& refused) {
    EXPECT_EQ(refused.code(), errc::payload_too_large);
  }
}

TEST(codec, no_parameters_and_void_take_no_bytes) {
  EXPECT_EQ(encode_arguments<>().bytes.size(), 0u);
  EXPECT_EQ(detail::arguments_codec<>::invoke(encode_arguments<>().view(), [] { return 7; }), 7);
  EXPECT_EQ(encode(result_codec<void>::source()).bytes.size(), 0u);
  EXPECT_TRUE(result_codec<void>::read({}));
}

}  // namespace
}  // namespace selvage::test
