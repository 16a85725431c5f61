#pragma once
// What the codec's tests share: a place for payloads that shows every byte written beside it, and round trips
// through it.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <selvage/detail/codec.hpp>

namespace selvage::test {

/// Exactly `size` bytes, aligned as an arena's, between two fields of canaries.
class guarded_place {
 public:
  explicit guarded_place(std::size_t size) : size_(size), memory_(margin + (size + 15) / 16 * 16 + margin, canary) {}

  [[nodiscard]] std::span<std::byte> span() { return {memory_.data() + margin, size_}; }
  [[nodiscard]] bool intact() const {
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      if ((i < margin || i >= margin + size_) && memory_[i] != canary) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t margin = 64;
  static constexpr std::byte canary{0xa5};
  std::size_t size_;
  std::vector<std::byte> memory_;  // operator new aligns to 16
};

/// Private, aligned bytes and their form.
struct encoded {
  detail::payload_form form = detail::payload_form::none;
  std::size_t bound = 0;
  std::vector<std::byte> bytes;

  [[nodiscard]] detail::payload_view view() const { return {form, bytes}; }
};

/// Encodes in exactly `bound` bytes and checks all that payload_source promises.
inline encoded encode(const detail::payload_source& source) {
  guarded_place place(source.bound);
  const detail::extent filled = source.write(source.value, place.span());
  EXPECT_TRUE(place.intact());
  EXPECT_EQ(filled.offset % detail::payload_alignment, 0u);
  EXPECT_LE(filled.offset + filled.length, source.bound);
  if (source.form != detail::payload_form::table) {
    EXPECT_EQ(filled.length, source.bound);
  }
  const auto bytes = place.span().subspan(filled.offset, filled.length);
  return {source.form, source.bound, {bytes.begin(), bytes.end()}};
}

template <class... P, class... A>
encoded encode_arguments(const A&... a) {
  const auto held = detail::arguments_codec<P...>::hold(a...);
  return encode(detail::arguments_codec<P...>::source(held));
}

template <class R>
encoded encode_result(const std::remove_cvref_t<R>& result) {
  return encode(detail::result_codec<R>::source(result));
}

/// There and back as a result, through the checked reader.
template <class R>
auto round_trip_result(const std::remove_cvref_t<R>& result) {
  auto read = detail::result_codec<R>::read(encode_result<R>(result).view());
  if (!read) throw std::runtime_error(read.error());
  return *std::move(read);
}

/// There and back as an argument of a one-parameter task, through the trusted reader.
template <class P, class A>
auto round_trip_argument(const A& a) {
  const encoded bytes = encode_arguments<P>(a);
  return detail::arguments_codec<P>::invoke(bytes.view(), [](P value) { return std::remove_cvref_t<P>(value); });
}

/// There and back both ways. Compares encodings, which are equal only where every bit is; not for unordered maps.
template <class T>
void expect_bit_exact(const T& value) {
  const encoded original = encode_result<T>(value);
  EXPECT_EQ(encode_result<T>(round_trip_result<T>(value)).bytes, original.bytes);
  EXPECT_EQ(encode_result<T>(round_trip_argument<T>(value)).bytes, original.bytes);
  // Beside another parameter it is a table's field, not the whole payload.
  const encoded beside = encode_arguments<const T&, std::string>(value, std::string("beside"));
  detail::arguments_codec<const T&, std::string>::invoke(beside.view(), [&](const T& back, const std::string& text) {
    EXPECT_EQ(encode_result<T>(back).bytes, original.bytes);
    EXPECT_EQ(text, "beside");
  });
}

}  // namespace selvage::test
