// The bound that a source promises is never below what is written, and not wastefully above: thousands of random
// shapes.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "codec_support.hpp"

namespace selvage::test {
namespace {

struct vertex {
  float x, y, z;
  std::uint8_t flags;
};

/// Holds every kind of field, and itself at every kind of place.
struct shape {
  std::variant<std::monostate, bool, std::int8_t, double, std::string, std::vector<std::byte>, std::vector<shape>,
               std::map<std::string, shape>, vertex, std::array<double, 40>>
      core;
  std::optional<std::int16_t> a;
  std::optional<std::uint64_t> b;
  std::optional<std::string> c;
  std::optional<std::vector<bool>> d;
  std::optional<std::optional<vertex>> e;
  std::vector<std::optional<std::vector<std::string>>> f;
  std::pair<std::uint8_t, std::map<int, double>> g;
};

class shape_maker {
 public:
  explicit shape_maker(std::uint64_t seed) : random_(seed) {}

  shape make(unsigned depth = 0) {
    shape made;
    switch (below(depth < 5 ? 10 : 6)) {
      case 0:
        break;
      case 1:
        made.core = chance();
        break;
      case 2:
        made.core = static_cast<std::int8_t>(below(256));
        break;
      case 3:
        made.core = static_cast<double>(below(1000)) / 3;
        break;
      case 4:
        made.core = text();
        break;
      case 5:
        made.core = std::vector<std::byte>(below(50));
        break;
      case 6:
        made.core = list(depth);
        break;
      case 7:
        made.core = map(depth);
        break;
      case 8:
        made.core = vertex{1, 2, 3, static_cast<std::uint8_t>(below(256))};
        break;
      default:
        made.core = std::array<double, 40>{};
        break;
    }
    if (chance()) made.a = static_cast<std::int16_t>(below(65536));
    if (chance()) made.b = random_();
    if (chance()) made.c = text();
    if (chance()) made.d = std::vector<bool>(below(20), chance());
    if (chance()) made.e.emplace();
    if (chance()) made.e.emplace(vertex{4, 5, 6, 7});
    for (std::size_t i = below(3); i > 0; --i) {
      made.f.emplace_back();
      if (chance()) made.f.back() = std::vector<std::string>(below(4), text());
    }
    for (std::size_t i = below(3); i > 0; --i) made.g.second[static_cast<int>(below(100))] = 0.5;
    return made;
  }

 private:
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  bool chance() { return below(2) == 0; }
  std::string text() { return std::string(below(4) == 0 ? below(300) : below(9), static_cast<char>(below(256))); }
  std::vector<shape> list(unsigned depth) {
    std::vector<shape> made;
    for (std::size_t i = below(5); i > 0; --i) made.push_back(make(depth + 1));
    return made;
  }
  std::map<std::string, shape> map(unsigned depth) {
    std::map<std::string, shape> made;
    for (std::size_t i = below(4); i > 0; --i) made.emplace(text(), make(depth + 1));
    return made;
  }

  std::mt19937_64 random_;
};

TEST(codec_bound, thousands_of_random_shapes_fit_in_their_bound_and_survive) {
  const std::uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  double slackest = 0;
  std::size_t largest = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const shape made = shape_maker(seed + i).make();
    const encoded original = encode_result<shape>(made);  // checks the canaries
    largest = std::max(largest, original.bytes.size());
    slackest = std::max(slackest, static_cast<double>(original.bound) / static_cast<double>(original.bytes.size()));
    ASSERT_EQ(encode_result<shape>(round_trip_result<shape>(made)).bytes, original.bytes) << "shape " << seed + i;
    ASSERT_EQ(encode_result<shape>(round_trip_argument<shape>(made)).bytes, original.bytes) << "shape " << seed + i;
  }
  std::printf("largest %zu bytes, slackest bound %.2f times what was written\n", largest, slackest);
  EXPECT_GT(largest, 1000u);
}

TEST(codec_bound, every_length_of_text_and_bytes_fits) {
  for (std::size_t length = 0; length < 300; ++length) {
    for (const unsigned fields : {1u, 2u, 3u}) {
      const std::string text(length, 'x');
      encode_arguments<std::string, std::vector<double>, std::uint8_t>(text, std::vector<double>(fields),
                                                                       std::uint8_t{1});
      encode_result<std::vector<std::string>>(std::vector<std::string>(fields, text));
      encode_result<std::tuple<std::uint8_t, std::string, double>>({std::uint8_t{1}, text, 2.0});
    }
  }
}

TEST(codec_bound, a_thousand_objects_of_one_kind_leave_no_slack_to_hide_in) {
  // A byte too little for each would be a kilobyte too little in all.
  for (std::size_t length = 0; length < 9; ++length) {
    const std::string text(length, 'x');
    encode_result<std::vector<std::string>>(std::vector<std::string>(1000, text));
    encode_result<std::vector<std::vector<double>>>(std::vector(1000, std::vector<double>(length)));
    encode_result<std::vector<std::vector<bool>>>(std::vector(1000, std::vector<bool>(length)));
    encode_result<std::vector<std::pair<std::uint8_t, std::string>>>(
        std::vector(1000, std::pair<std::uint8_t, std::string>(1, text)));
    encode_result<std::vector<std::variant<double, std::string>>>(
        std::vector(1000, std::variant<double, std::string>(text)));
  }
  encode_result<std::vector<std::optional<double>>>(std::vector<std::optional<double>>(1000, 1.0));
  // No two tables alike, so that each keeps a vtable of its own.
  struct row {
    std::optional<std::uint8_t> a, b, c, d, e, f, g, h, i, j;
  };
  std::vector<row> rows;
  for (unsigned bits = 0; bits < 1024; ++bits) {
    const auto field = [bits](unsigned i) { return bits >> i & 1 ? std::optional<std::uint8_t>(i) : std::nullopt; };
    rows.push_back(
        {field(0), field(1), field(2), field(3), field(4), field(5), field(6), field(7), field(8), field(9)});
  }
  encode_result<std::vector<row>>(rows);
  // Eighty vectors in one table, each padded to eight.
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    using doubles = std::tuple<std::conditional_t<I != 80, std::vector<double>, int>...>;
    encode_result<doubles>(doubles{(static_cast<void>(I), std::vector<double>(1))...});
  }
  (std::make_index_sequence<80>{});
}

TEST(codec_bound, flat_and_fixed_bounds_are_exact) {
  EXPECT_EQ(encode_result<std::string>(std::string(77, 'x')).bound, 77u);
  EXPECT_EQ(encode_result<std::vector<double>>(std::vector<double>(3)).bound, 24u);
  EXPECT_EQ((encode_arguments<char, double, bool>('c', 1.0, true).bound), 24u);
  EXPECT_EQ(encode_result<std::string>("").bound, 0u);
}

TEST(codec_bound, a_place_smaller_than_the_bound_is_an_error_and_never_overflows) {
  const std::vector<std::string> texts(100, "some text");
  const auto source = detail::result_codec<std::vector<std::string>>::source(texts);
  for (std::size_t size = 0; size < source.bound / 2; size += 16) {
    guarded_place place(size);
    EXPECT_THROW(source.write(source.value, place.span()), std::logic_error) << size;
    EXPECT_TRUE(place.intact()) << size;
  }
}

TEST(codec_bound, a_place_larger_than_the_bound_is_filled_from_its_end) {
  const auto source = detail::result_codec<std::vector<bool>>::source(std::vector<bool>{true});
  guarded_place place(1000);
  const std::vector<bool> value{true};
  const auto again = detail::result_codec<std::vector<bool>>::source(value);
  const detail::extent filled = again.write(again.value, place.span());
  EXPECT_TRUE(place.intact());
  EXPECT_EQ(filled.offset % detail::payload_alignment, 0u);
  EXPECT_EQ(filled.offset + filled.length, 992u);
  EXPECT_EQ(source.bound, again.bound);
}

TEST(codec_bound, many_absent_fields_in_many_combinations_stay_linear) {
  // 2^10 different tables: more than the builder is allowed to remember.
  using sparse = std::array<std::optional<std::string>, 1>;
  struct row {
    std::optional<int> a, b, c, d, e, f, g, h, i, j;
    sparse k;
  };
  std::vector<row> rows;
  for (unsigned bits = 0; bits < 1024; ++bits) {
    const auto field = [bits](unsigned i) {
      return bits >> i & 1 ? std::optional<int>(static_cast<int>(i)) : std::nullopt;
    };
    rows.push_back(
        {field(0), field(1), field(2), field(3), field(4), field(5), field(6), field(7), field(8), field(9), {}});
  }
  expect_bit_exact(rows);
}

}  // namespace
}  // namespace selvage::test
