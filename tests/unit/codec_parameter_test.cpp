// From a caller's arguments to a task's parameters: what is viewed, what is converted, what is copied.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec_support.hpp"

namespace selvage::test {
namespace {

using detail::arguments_codec;
using detail::payload_form;

template <class... P>
constexpr payload_form form = arguments_codec<P...>::form;

static_assert(form<> == payload_form::none);
static_assert(form<int, double, bool> == payload_form::fixed);
static_assert(form<std::string_view> == payload_form::flat);
static_assert(form<const std::string&> == payload_form::flat);
static_assert(form<std::span<const std::byte>> == payload_form::flat);
static_assert(form<std::vector<double>> == payload_form::flat);
static_assert(form<std::vector<bool>> == payload_form::table);
static_assert(form<std::string, int> == payload_form::table);
static_assert(detail::result_codec<std::span<const int>>::is_flat);
static_assert(std::is_same_v<detail::result_codec<std::span<const int>>::host_type, std::vector<int>>);
static_assert(std::is_same_v<detail::result_codec<std::string_view>::host_type, std::string>);
static_assert(std::is_same_v<detail::result_codec<const std::vector<int>&>::host_type, std::vector<int>>);
static_assert(std::is_same_v<detail::result_codec<void>::host_type, void>);

bool within(const void* data, const encoded& bytes) {
  const auto* const at = static_cast<const std::byte*>(data);
  return at >= bytes.bytes.data() && at < bytes.bytes.data() + bytes.bytes.size();
}

TEST(codec_parameter, an_argument_of_the_parameters_type_is_encoded_from_the_callers_memory) {
  const std::string text(1000, 'x');
  const std::vector<int> numbers(1000, 1);
  const auto held = arguments_codec<std::string_view, std::string, std::span<const int>, const std::vector<int>&>::hold(
      text, text, numbers, numbers);
  EXPECT_EQ(std::get<0>(held).data(), text.data());
  EXPECT_EQ(std::get<1>(held).data(), text.data());
  EXPECT_EQ(std::get<2>(held).data(), numbers.data());
  EXPECT_EQ(std::get<3>(held).data(), numbers.data());
  const auto literal = arguments_codec<const std::string&, std::filesystem::path>::hold("literal", "path");
  static_assert(std::is_same_v<decltype(literal), const std::tuple<std::string_view, std::string_view>>);
}

TEST(codec_parameter, arguments_convert_as_in_a_plain_call) {
  const encoded bytes = encode_arguments<long, double, std::string, std::filesystem::path, std::optional<int>>(
      1, 2.5f, "three", std::string("four"), 5);
  arguments_codec<long, double, std::string, std::filesystem::path, std::optional<int>>::invoke(
      bytes.view(), [](long a, double b, std::string c, std::filesystem::path d, std::optional<int> e) {
        EXPECT_EQ(a, 1);
        EXPECT_EQ(b, 2.5);
        EXPECT_EQ(c, "three");
        EXPECT_EQ(d, "four");
        EXPECT_EQ(e, 5);
      });
}

TEST(codec_parameter, strings_bytes_and_spans_are_read_in_place) {
  struct pixel {
    float red, green, blue;
  };
  const std::vector<pixel> pixels{{1, 2, 3}, {4, 5, 6}};
  const std::string text = "in place";
  using codec = arguments_codec<std::string_view, std::span<const pixel>, int, std::optional<std::string_view>>;
  const encoded bytes =
      encode_arguments<std::string_view, std::span<const pixel>, int, std::optional<std::string_view>>(
          text, pixels, 3, std::optional<std::string_view>("too"));
  codec::invoke(bytes.view(),
                [&](std::string_view who, std::span<const pixel> what, int, std::optional<std::string_view> also) {
                  EXPECT_EQ(who, text);
                  EXPECT_TRUE(within(who.data(), bytes));
                  ASSERT_EQ(what.size(), 2u);
                  EXPECT_EQ(what[1].blue, 6);
                  EXPECT_TRUE(within(what.data(), bytes));
                  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(what.data()) % alignof(pixel), 0u);
                  EXPECT_TRUE(within(also->data(), bytes));
                });
  const encoded alone = encode_arguments<std::span<const pixel>>(pixels);
  arguments_codec<std::span<const pixel>>::invoke(alone.view(), [&](std::span<const pixel> what) {
    EXPECT_EQ(what.data(), static_cast<const void*>(alone.bytes.data()));
    EXPECT_EQ(what[0].green, 2);
  });
}

TEST(codec_parameter, views_within_containers_are_views_of_the_payload) {
  const std::vector<std::string_view> names{"one", "", "three"};
  const encoded bytes = encode_arguments<const std::vector<std::string_view>&>(names);
  arguments_codec<const std::vector<std::string_view>&>::invoke(bytes.view(),
                                                                [&](const std::vector<std::string_view>& back) {
                                                                  EXPECT_EQ(back, names);
                                                                  EXPECT_TRUE(within(back[2].data(), bytes));
                                                                });
}

TEST(codec_parameter, a_span_of_strings_is_decoded_for_the_task) {
  const std::vector<std::string> names{"one", "two"};
  const encoded bytes = encode_arguments<std::span<const std::string>>(names);
  arguments_codec<std::span<const std::string>>::invoke(bytes.view(), [&](std::span<const std::string> back) {
    EXPECT_EQ(std::vector(back.begin(), back.end()), names);
  });
}

TEST(codec_parameter, a_span_of_bools_is_a_span) {
  const std::array<bool, 3> bits{true, false, true};
  const encoded bytes = encode_arguments<std::span<const bool>, int>(std::span<const bool>(bits), 1);
  arguments_codec<std::span<const bool>, int>::invoke(bytes.view(), [&](std::span<const bool> back, int) {
    EXPECT_TRUE(std::equal(back.begin(), back.end(), bits.begin(), bits.end()));
  });
}

TEST(codec_parameter, a_parameter_by_rvalue_reference_can_be_moved_from) {
  const encoded bytes = encode_arguments<std::vector<std::string>&&, int>(std::vector<std::string>{"a"}, 1);
  const auto taken = arguments_codec<std::vector<std::string>&&, int>::invoke(
      bytes.view(), [](std::vector<std::string>&& names, int) { return std::move(names); });
  EXPECT_EQ(taken, std::vector<std::string>{"a"});
}

TEST(codec_parameter, owned_values_encode_as_the_borrowed_ones_do) {
  using codec = arguments_codec<std::string_view, std::span<const int>, int>;
  std::string text = "text that is longer than a short string";
  const auto* const data = text.data();
  const encoded borrowed =
      encode_arguments<std::string_view, std::span<const int>, int>(text, std::vector<int>{1, 2}, 3);
  const codec::values owned = codec::own(std::move(text), std::vector<int>{1, 2}, 3);
  EXPECT_EQ(std::get<0>(owned).data(), data);  // moved
  EXPECT_EQ(encode(codec::source(owned)).bytes, borrowed.bytes);
  const auto viewed = codec::own(std::string_view("view"), std::span<const int>(), 3);
  EXPECT_EQ(std::get<0>(viewed), "view");
}

TEST(codec_parameter, a_reference_result_of_the_task_comes_through) {
  static int number = 1;
  const encoded none = encode_arguments<>();
  int& same = arguments_codec<>::invoke(none.view(), []() -> int& { return number; });
  EXPECT_EQ(&same, &number);
}

}  // namespace
}  // namespace selvage::test
