// selvage::value: what it holds, how it travels, and what a forged one comes to.

#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <selvage/error.hpp>
#include <selvage/value.hpp>

#include "codec_support.hpp"

namespace selvage::test {
namespace {

using namespace std::string_literals;
using detail::result_codec;

value make_value() {
  return value::map{{"null", nullptr},
                    {"truth", true},
                    {"int", -1},
                    {"uint", 1u},
                    {"real", 0.1},
                    {"text", "t\0\xff"s},
                    {"", "empty key"},
                    {"bytes", value::bytes{std::byte{0}, std::byte{255}}},
                    {"integers", value::integers{std::numeric_limits<std::int64_t>::min(), 0, 5}},
                    {"unsigneds", value::unsigneds{std::numeric_limits<std::uint64_t>::max()}},
                    {"reals", value::reals{-0.0, 1.5}},
                    {"array", value::array{1, "two", value::array{}, value::map{{"deep", 3}}}},
                    {"\xff key", value::map{}}};
}

TEST(value, holds_what_it_was_given) {
  const value all = make_value();
  EXPECT_EQ(*all["int"].get_if<std::int64_t>(), -1);
  EXPECT_EQ(*all["uint"].get_if<std::uint64_t>(), 1u);
  EXPECT_EQ(all["array"][1].get<std::string>(), "two");
  EXPECT_TRUE(all["array"][9].is_null());
  EXPECT_TRUE(all["nowhere"]["at"][0].is_null());
  EXPECT_TRUE(all["truth"].is<bool>());
  EXPECT_NE(value(1), value(1u));
  static_assert(!std::is_constructible_v<value, int*>);
}

TEST(value, every_kind_survives_alone_and_together) {
  const value all = make_value();
  EXPECT_EQ(round_trip_result<value>(all), all);
  EXPECT_EQ(round_trip_argument<value>(all), all);
  for (const auto& [key, part] : all.get<value::map>()) {
    EXPECT_EQ(round_trip_result<value>(part), part) << key;
    expect_bit_exact(part);
  }
  const std::pair<std::string, std::vector<value>> within{"x", {all, {}, 1}};
  EXPECT_EQ((round_trip_result<std::pair<std::string, std::vector<value>>>(within)), within);
}

TEST(value, integers_and_reals_keep_every_bit) {
  for (const std::int64_t number :
       {std::numeric_limits<std::int64_t>::min(), std::int64_t{-129}, std::int64_t{-128}, std::int64_t{127},
        std::int64_t{128}, std::int64_t{65535}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(round_trip_result<value>(number), value(number));
    EXPECT_EQ(round_trip_result<value>(value::array{number, 0.1, nullptr}), (value::array{number, 0.1, nullptr}));
    EXPECT_EQ(round_trip_result<value>(static_cast<std::uint64_t>(number)), value(static_cast<std::uint64_t>(number)));
  }
  for (const std::uint64_t bits : std::initializer_list<std::uint64_t>{
           0x7ff8000000000000u, 0x7ff0000000000001u, 0xfff8dead0000beefu, 0x7ff0000000000000u, 0xfff0000000000000u,
           0x8000000000000000u, 1u, 0x3fe0000000000000u, 0x3fb999999999999au}) {
    const auto number = std::bit_cast<double>(bits);
    const value alone = round_trip_result<value>(number);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(alone.get<double>()), bits);
    const value listed = round_trip_result<value>(value::array{number, "x"});
    EXPECT_EQ(std::bit_cast<std::uint64_t>(listed[0].get<double>()), bits);
    const value typed = round_trip_result<value>(value::reals{number});
    EXPECT_EQ(std::bit_cast<std::uint64_t>(typed.get<value::reals>()[0]), bits);
  }
}

TEST(value, lengths_around_every_width_survive) {
  for (const std::size_t length : {0u, 1u, 254u, 255u, 256u, 257u, 65535u, 65536u, 70000u}) {
    EXPECT_EQ(round_trip_result<value>(std::string(length, 'x')), value(std::string(length, 'x')));
    EXPECT_EQ(round_trip_result<value>(value::bytes(length)), value(value::bytes(length)));
    EXPECT_EQ(round_trip_result<value>(value::array(length, value(1))), value(value::array(length, value(1))));
    EXPECT_EQ(round_trip_result<value>(value::integers(length, -1)), value(value::integers(length, -1)));
  }
}

value nested(unsigned depth) {
  value made = 1;
  for (unsigned i = 1; i < depth; ++i) made = i % 2 == 0 ? value(value::array{made}) : value(value::map{{"k", made}});
  return made;
}

TEST(value, nests_to_the_depth_limit_and_no_deeper) {
  EXPECT_EQ(round_trip_result<value>(nested(detail::max_depth)), nested(detail::max_depth));
  try {
    encode_result<value>(nested(detail::max_depth + 1));
    FAIL() << "not refused";
  } catch (const error& refused) {
    EXPECT_EQ(refused.code(), errc::payload_too_large);
  }
}

TEST(value, a_key_with_a_zero_byte_is_refused_by_the_sender) {
  EXPECT_THROW(encode_result<value>(value::map{{"a\0b"s, 1}}), std::invalid_argument);
}

value random_value(std::mt19937_64& random, unsigned depth) {
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  switch (below(depth == 0 ? 10 : 12)) {
    case 0:
      return {};
    case 1:
      return below(2) == 0;
    case 2:
      return static_cast<std::int64_t>(random() >> below(64));
    case 3:
      return random() >> below(64);
    case 4:
      return std::bit_cast<double>(random());
    case 5:
      return std::string(below(300), 'x');
    case 6:
      return value::bytes(below(300));
    case 7:
      return value::integers(below(9), -7);
    case 8:
      return value::unsigneds(below(9), 7);
    case 9:
      return value::reals(below(9), 0.5);
    case 10: {
      value::array made;
      for (std::size_t i = below(6); i > 0; --i) made.push_back(random_value(random, depth - 1));
      return made;
    }
    default: {
      value::map made;
      for (std::size_t i = below(6); i > 0; --i)
        made[std::string(below(20), static_cast<char>(1 + below(255)))] = random_value(random, depth - 1);
      return made;
    }
  }
}

TEST(value, thousands_of_random_values_fit_in_their_bound_and_survive) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5000; ++i) {
    const value made = random_value(random, 5);
    const encoded original = encode_result<value>(made);
    ASSERT_EQ(encode_result<value>(round_trip_result<value>(made)).bytes, original.bytes) << "value " << i;
  }
}

TEST(value, forged_bytes_are_refused_or_read) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const encoded whole = encode_result<value>(make_value());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.bytes.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      encoded changed = whole;
      changed.bytes[at] ^= static_cast<std::byte>(1U << bit);
      refused += result_codec<value>::read(changed.view()) ? 0u : 1u;
    }
  }
  for (int round = 0; round < 20'000; ++round) {
    encoded changed = whole;
    for (auto changes = 1 + random() % 8; changes > 0; --changes) {
      changed.bytes[random() % changed.bytes.size()] = static_cast<std::byte>(random());
    }
    refused += result_codec<value>::read(changed.view()) ? 0u : 1u;
  }
  EXPECT_GT(refused, 1000u);
}

std::string refusal(std::vector<std::uint8_t> flex) {
  try {
    (void)detail::nested_codec<value>::read(std::as_bytes(std::span(flex)));
    return {};
  } catch (const detail::malformed& lie) {
    return lie.text();
  }
}

TEST(value, a_key_that_nothing_terminates_is_refused) {
  // A map of one null under the key "kk...", with no zero byte anywhere behind it: what flexbuffers::Verifier lets
  // through.
  const std::vector<std::uint8_t> flex{'k',     // the key
                                       1,   2,  // keys: one, 2 back
                                       1,   1,  // offset to the keys (1 back), their width
                                       1,   9, 4, 9 << 2 | 0, 1};
  EXPECT_NE(refusal(flex), "");
}

TEST(value, offsets_that_multiply_one_vector_are_refused) {
  // Each vector holds the one before it 16 times: 16^8 leaves in 300 bytes.
  std::vector<std::uint8_t> flex{1, 5, 1 << 2};  // a vector of one int
  std::size_t inner = 1;
  for (int level = 0; level < 8; ++level) {
    flex.push_back(16);
    const std::size_t start = flex.size();
    for (std::size_t i = 0; i < 16; ++i) flex.push_back(static_cast<std::uint8_t>(start + i - inner));
    for (std::size_t i = 0; i < 16; ++i) flex.push_back(10 << 2);
    inner = start;
  }
  flex.push_back(static_cast<std::uint8_t>(flex.size() - inner));
  flex.push_back(10 << 2);
  flex.push_back(1);
  EXPECT_NE(refusal(flex).find("shared"), std::string::npos) << refusal(flex);
}

TEST(value, too_few_bytes_and_widths_that_are_none_are_refused) {
  EXPECT_NE(refusal({}), "");
  EXPECT_NE(refusal({0, 0}), "");
  EXPECT_NE(refusal({0, 0, 3}), "");
  EXPECT_NE(refusal({0, 0, 16}), "");
  EXPECT_NE(refusal({0, 0, 8}), "");
  EXPECT_EQ(refusal({0, 0, 1}), "");
  EXPECT_NE(refusal({0, 4 << 2, 1}), "");  // a bare key: never sent
}

}  // namespace
}  // namespace selvage::test
