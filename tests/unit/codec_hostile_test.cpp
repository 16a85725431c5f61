// What a lying worker may write: every wrong byte ends in a value or in words, never in a crash, a hang or a flood
// of memory.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "codec_support.hpp"

namespace selvage::test {
namespace {

using detail::payload_form;
using detail::result_codec;

struct node {
  int value = 0;
  std::vector<node> children;
};

struct report {
  std::string title;
  std::vector<std::string> lines;
  std::map<std::string, double> numbers;
  std::optional<std::variant<int, std::string>> choice;
  std::vector<node> trees;
  std::array<std::string, 2> ends;
};

report make_report() {
  return {"title", {"one", "two"}, {{"a", 1}, {"b", 2}}, "x", {{1, {{2, {}}}}}, {"first", "last"}};
}

template <class R>
std::string refusal(payload_form form, std::vector<std::byte> bytes) {
  const auto read = result_codec<R>::read({form, bytes});
  return read ? std::string() : read.error();
}

template <class Number>
void put(std::vector<std::byte>& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

/// A table at byte 8 with one field, an offset at byte 12 to what begins at byte 20; the vtable follows at byte 32.
std::vector<std::byte> one_field_table(std::size_t size) {
  std::vector<std::byte> bytes(size);
  put<std::uint32_t>(bytes, 0, 8);
  put<std::int32_t>(bytes, 8, -8);
  put<std::uint32_t>(bytes, 12, 8);
  put<std::uint16_t>(bytes, 16, 6);
  put<std::uint16_t>(bytes, 18, 8);
  put<std::uint16_t>(bytes, 20, 4);
  return bytes;
}

TEST(codec_hostile, a_form_that_is_not_the_types_is_refused) {
  EXPECT_NE(refusal<int>(payload_form::table, std::vector<std::byte>(4)), "");
  EXPECT_NE(refusal<std::string>(payload_form::none, {}), "");
  EXPECT_NE(refusal<report>(payload_form::flat, std::vector<std::byte>(100)), "");
  EXPECT_FALSE(result_codec<void>::read({payload_form::flat, {}}));
}

TEST(codec_hostile, a_fixed_result_of_another_size_is_refused) {
  for (const std::size_t size : {0u, 1u, 3u, 5u, 80u}) {
    EXPECT_NE(refusal<int>(payload_form::fixed, std::vector<std::byte>(size)), "") << size;
  }
  EXPECT_EQ(refusal<int>(payload_form::fixed, std::vector<std::byte>(4)), "");
}

TEST(codec_hostile, a_flat_result_that_ends_within_an_element_is_refused) {
  for (std::size_t size = 0; size < 33; ++size) {
    EXPECT_EQ(refusal<std::vector<double>>(payload_form::flat, std::vector<std::byte>(size)).empty(), size % 8 == 0);
  }
}

TEST(codec_hostile, a_flat_result_that_is_not_aligned_is_refused) {
  const std::vector<std::byte> bytes(32);
  const auto read = result_codec<std::vector<double>>::read_flat(std::span(bytes).subspan(4, 16));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error(), "the result is not aligned");
}

TEST(codec_hostile, a_bool_that_is_neither_reads_as_true) {
  const auto one = result_codec<bool>::read({payload_form::fixed, std::vector<std::byte>{std::byte{0x7f}}});
  ASSERT_TRUE(one);
  EXPECT_EQ(static_cast<int>(*one), 1);
  struct pair {
    bool left, right;
  };
  encoded many = encode_result<std::vector<pair>>({{false, false}, {false, false}});
  ASSERT_EQ(many.form, payload_form::table);
  const auto at = std::search_n(many.bytes.begin() + 8, many.bytes.end(), 4, std::byte{0});
  std::fill(at, at + 4, std::byte{0xff});
  if (const auto read = result_codec<std::vector<pair>>::read(many.view())) {
    for (const pair& each : *read) EXPECT_LE(static_cast<int>(each.left) + static_cast<int>(each.right), 2);
  }
}

TEST(codec_hostile, every_prefix_of_a_table_is_refused_or_read) {
  const encoded whole = encode_result<report>(make_report());
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
    const std::vector<std::byte> prefix(whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    refused += result_codec<report>::read({payload_form::table, prefix}) ? 0u : 1u;
  }
  EXPECT_GT(refused, whole.bytes.size() / 2);
}

TEST(codec_hostile, every_single_byte_may_be_any_other) {
  const encoded whole = encode_result<report>(make_report());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.bytes.size(); ++at) {
    for (unsigned change = 1; change < 256; ++change) {
      encoded changed = whole;
      changed.bytes[at] ^= static_cast<std::byte>(change);
      refused += result_codec<report>::read(changed.view()) ? 0u : 1u;
    }
  }
  EXPECT_GT(refused, 1000u);
}

TEST(codec_hostile, random_bytes_are_refused_or_read) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const encoded whole = encode_result<report>(make_report());
  for (int round = 0; round < 50'000; ++round) {
    encoded changed = whole;
    for (auto changes = random() % 8; changes > 0; --changes) {
      // Whole words of the size of offsets, small ones above all: they get further than noise.
      const std::size_t at = random() % (changed.bytes.size() - 4) & ~std::size_t{3};
      put(changed.bytes, at, static_cast<std::uint32_t>(random() % 4 == 0 ? random() : random() % 128));
    }
    const auto read = result_codec<report>::read(changed.view());
    if (!read) {
      ASSERT_NE(read.error(), "") << "round " << round;
    }
  }
}

TEST(codec_hostile, offsets_that_share_one_large_object_are_refused) {
  // 250,000 elements that all lead to one string of a megabyte: 250 GB for the believer.
  constexpr std::size_t count = 250'000;
  constexpr std::size_t text_at = 24 + 4 * count;
  constexpr std::uint32_t length = 1 << 20;
  std::vector<std::byte> bytes = one_field_table(text_at + 4 + length + 4);
  put<std::uint32_t>(bytes, 12, 20 - 12);
  put<std::uint32_t>(bytes, 20, count);
  for (std::size_t i = 0; i < count; ++i) put(bytes, 24 + 4 * i, static_cast<std::uint32_t>(text_at - (24 + 4 * i)));
  put<std::uint32_t>(bytes, text_at, length);
  // The vtable (at 16) says: 6 bytes, table of 8 bytes, field 0 at 4. Its last entry shares bytes 20-21 with the
  // count, so move it.
  std::vector<std::byte> with_vtable(bytes.size() + 16);
  std::copy(bytes.begin(), bytes.end(), with_vtable.begin());
  const std::size_t vtable = (bytes.size() + 7) / 8 * 8;
  put<std::int32_t>(with_vtable, 8, static_cast<std::int32_t>(8) - static_cast<std::int32_t>(vtable));
  put<std::uint16_t>(with_vtable, vtable, 6);
  put<std::uint16_t>(with_vtable, vtable + 2, 8);
  put<std::uint16_t>(with_vtable, vtable + 4, 4);
  const std::string why = refusal<std::vector<std::string>>(payload_form::table, with_vtable);
  EXPECT_NE(why.find("overlap or are shared"), std::string::npos) << why;
}

TEST(codec_hostile, a_count_of_billions_is_refused_before_anything_is_allocated) {
  std::vector<std::byte> bytes = one_field_table(64);
  put<std::int32_t>(bytes, 8, 8 - 48);
  put<std::uint16_t>(bytes, 48, 6);
  put<std::uint16_t>(bytes, 50, 8);
  put<std::uint16_t>(bytes, 52, 4);
  put<std::uint32_t>(bytes, 12, 8);
  for (const std::uint32_t count : {11u, 12u, 1000u, 0x7fffffffu, 0xffffffffu}) {
    put<std::uint32_t>(bytes, 20, count);
    EXPECT_NE(refusal<std::vector<std::string>>(payload_form::table, bytes), "") << count;
    EXPECT_NE(refusal<std::vector<bool>>(payload_form::table, bytes).empty(), count > 60) << count;
  }
}

TEST(codec_hostile, a_table_that_contains_itself_is_refused) {
  // node { value, children }: the one child is the table itself.
  std::vector<std::byte> bytes(64);
  put<std::uint32_t>(bytes, 0, 16);       // root -> the payload's table at 16
  put<std::int32_t>(bytes, 16, 16 - 48);  // its vtable at 48
  put<std::uint32_t>(bytes, 20, 4);       // field 0 -> node at 24
  put<std::int32_t>(bytes, 24, 24 - 56);  // its vtable at 56
  put<std::uint32_t>(bytes, 28, 7);       // value
  put<std::uint32_t>(bytes, 32, 4);       // children -> vector at 36
  put<std::uint32_t>(bytes, 36, 1);
  put<std::uint32_t>(bytes, 40, static_cast<std::uint32_t>(-16));  // element -> 24 again
  for (const std::size_t vtable : {48u, 56u}) {
    put<std::uint16_t>(bytes, vtable, vtable == 48 ? 6 : 8);
    put<std::uint16_t>(bytes, vtable + 2, 12);
    put<std::uint16_t>(bytes, vtable + 4, 4);
    if (vtable == 56) put<std::uint16_t>(bytes, vtable + 6, 8);
  }
  EXPECT_NE(refusal<node>(payload_form::table, bytes), "");
  put<std::uint32_t>(bytes, 36, 0);  // without the child it is a proper node
  const auto read = result_codec<node>::read({payload_form::table, bytes});
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->value, 7);
}

TEST(codec_hostile, a_missing_field_and_a_wrong_index_are_refused_in_words) {
  using choice = std::variant<int, std::string>;
  encoded bytes = encode_result<choice>(choice(5));
  for (std::size_t at = 0; at < bytes.bytes.size(); ++at) {
    encoded changed = bytes;
    changed.bytes[at] = std::byte{9};
    const auto read = result_codec<choice>::read(changed.view());
    if (!read) {
      EXPECT_NE(read.error().find("at byte"), std::string::npos) << read.error();
    }
  }
  const encoded fewer = encode_result<std::tuple<std::string>>({"x"});
  const auto read = result_codec<std::tuple<std::string, std::string>>::read(fewer.view());
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().find("a field is missing"), std::string::npos) << read.error();
}

TEST(codec_hostile, an_array_of_another_length_and_keys_that_come_twice_are_refused) {
  const encoded three = encode_result<std::vector<std::string>>({"a", "b", "b"});
  EXPECT_NE((refusal<std::array<std::string, 2>>(payload_form::table, three.bytes)), "");
  EXPECT_EQ((refusal<std::array<std::string, 3>>(payload_form::table, three.bytes)), "");
  EXPECT_NE((refusal<std::set<std::string>>(payload_form::table, three.bytes)), "");
  const encoded pairs = encode_result<std::vector<std::pair<int, int>>>({{1, 2}, {1, 3}});
  EXPECT_NE((refusal<std::map<int, int>>(payload_form::table, pairs.bytes)), "");
  EXPECT_NE((refusal<std::unordered_map<int, int>>(payload_form::table, pairs.bytes)), "");
}

TEST(codec_hostile, keys_chosen_to_collide_do_not_stall_the_host) {
  // Find the bucket count that the map will have, then send keys that all fall into one bucket of it.
  constexpr std::size_t count = 300'000;
  std::unordered_map<std::uint64_t, int> grown;
  grown.reserve(detail::max_hostile_reserve);
  for (std::size_t i = 0; i < count; ++i) grown.emplace(i, 0);
  std::vector<std::pair<std::uint64_t, int>> pairs;
  for (std::size_t i = 0; i < count; ++i) pairs.emplace_back(i * grown.bucket_count(), 0);
  const std::string why = refusal<std::unordered_map<std::uint64_t, int>>(
      payload_form::table, encode_result<std::vector<std::pair<std::uint64_t, int>>>(pairs).bytes);
  EXPECT_NE(why.find("collide"), std::string::npos) << why;
}

}  // namespace
}  // namespace selvage::test
