// selvage::value and its way onto the wire, as FlexBuffers. Called by the codec's templates through
// nested_codec<value>. Never reads bytes: that is flexbuffer_reader.

#include <selvage/value.hpp>

#include <flatbuffers/flexbuffers.h>

#include <stdexcept>
#include <string>

#include <selvage/error.hpp>

#include "schema/flexbuffer_reader.hpp"

namespace selvage {
namespace {

const value null_value;

/// The largest scalar, offset or length; each part may also be padded to a multiple of it.
constexpr std::size_t word = 8;

std::size_t bound_of(const value& from, unsigned depth);

std::size_t bound_of_vector(std::size_t count, std::size_t element_bytes) { return 2 * word + count * element_bytes; }

std::size_t bound_of(const value::array& elements, unsigned depth) {
  std::size_t bound = bound_of_vector(elements.size(), word + 1);
  for (const value& element : elements) bound += bound_of(element, depth + 1);
  return bound;
}

std::size_t bound_of(const value::map& members, unsigned depth) {
  // A vector of keys, and one of values with two words more in front.
  std::size_t bound = bound_of_vector(members.size(), word) + bound_of_vector(members.size(), word + 1) + 3 * word;
  for (const auto& [key, member] : members) {
    if (key.find('\0') != key.npos) {
      throw std::invalid_argument(
          "selvage: the key of a selvage::value holds a zero byte, where FlexBuffers would end it");
    }
    bound += key.size() + 1 + bound_of(member, depth + 1);
  }
  return bound;
}

std::size_t bound_of(const value& from, unsigned depth) {
  if (depth > detail::max_depth) {
    throw error(errc::payload_too_large,
                "a selvage::value nests deeper than " + std::to_string(detail::max_depth) + " levels");
  }
  return std::visit(
      [&]<class T>(const T& part) -> std::size_t {
        if constexpr (std::is_same_v<T, value::array> || std::is_same_v<T, value::map>) {
          return bound_of(part, depth);
        } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, value::bytes>) {
          return bound_of_vector(part.size(), 1) + 1;
        } else if constexpr (std::is_same_v<T, value::integers> || std::is_same_v<T, value::unsigneds> ||
                             std::is_same_v<T, value::reals>) {
          return bound_of_vector(part.size(), word);
        } else {
          return 0;  // within its parent
        }
      },
      from.data());
}

class flex_writer {
 public:
  /// Nothing is shared: the reader's budget knows no sharing.
  flex_writer() : builder_(256, flexbuffers::BUILDER_FLAG_NONE) {}

  const std::vector<std::uint8_t>& write(const value& root) {
    add(root);
    builder_.Finish();
    return builder_.GetBuffer();
  }

 private:
  void add(const value& from) {
    std::visit([&](const auto& part) { add_part(part); }, from.data());
  }

  void add_part(std::monostate) { builder_.Null(); }
  void add_part(bool truth) { builder_.Bool(truth); }
  void add_part(std::int64_t number) { builder_.Int(number); }
  void add_part(std::uint64_t number) { builder_.UInt(number); }
  void add_part(double number) { builder_.Double(number); }
  void add_part(const std::string& text) { builder_.String(text.data(), text.size()); }
  void add_part(const value::bytes& octets) { builder_.Blob(octets.data(), octets.size()); }
  void add_part(const value::integers& numbers) { builder_.Vector(numbers.data(), numbers.size()); }
  void add_part(const value::unsigneds& numbers) { builder_.Vector(numbers.data(), numbers.size()); }
  void add_part(const value::reals& numbers) { builder_.Vector(numbers.data(), numbers.size()); }
  void add_part(const value::array& elements) {
    const std::size_t start = builder_.StartVector();
    for (const value& element : elements) add(element);
    builder_.EndVector(start, false, false);
  }
  void add_part(const value::map& members) {
    const std::size_t start = builder_.StartMap();
    for (const auto& [key, member] : members) {
      builder_.Key(key.data(), key.size());
      add(member);
    }
    builder_.EndMap(start);
  }

  flexbuffers::Builder builder_;
};

}  // namespace

const value& value::operator[](std::string_view key) const noexcept {
  const auto* const members = get_if<map>();
  if (members == nullptr) return null_value;
  const auto found = members->find(key);
  return found == members->end() ? null_value : found->second;
}

const value& value::operator[](std::size_t index) const noexcept {
  const auto* const elements = get_if<array>();
  return elements == nullptr || index >= elements->size() ? null_value : (*elements)[index];
}

bool operator==(const value& left, const value& right) { return left.data_ == right.data_; }

namespace detail {

std::size_t nested_codec<value>::bound(const value& from) {
  constexpr std::size_t root = 2 * word + 2;
  return bound_of(from, 1) + root;
}

wire_writer::position nested_codec<value>::write(wire_writer& writer, const value& from) {
  flex_writer flex;
  const auto& bytes = flex.write(from);
  return writer.structs(bytes.data(), bytes.size(), 1, payload_alignment);
}

value nested_codec<value>::read(std::span<const std::byte> bytes) { return schema::flexbuffer_reader(bytes).read(); }

}  // namespace detail
}  // namespace selvage
