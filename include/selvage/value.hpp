#pragma once
// Dynamic data: a value whose type is known only when the program runs, as a parameter or result of a task or as a
// part of either. It travels as a FlexBuffer, bit for bit; a worker's bytes are checked before the host believes
// them.
//
//   selvage::value request = selvage::value::map{{"width", 640}, {"tags", selvage::value::array{"fast", true}}};
//   if (const auto* width = request["width"].get_if<std::int64_t>()) resize(*width);
//
// Thread-safety: as std::vector: any number of readers, or one writer.
// Limits: 64 levels of nesting, 2 GiB encoded, no zero byte in a map's keys (FlexBuffers end keys there). What
// exceeds them is refused when it is sent.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <selvage/detail/wire.hpp>

namespace selvage {

class value {
 public:
  using bytes = std::vector<std::byte>;
  using integers = std::vector<std::int64_t>;    ///< a typed vector: its elements take 8 bytes each
  using unsigneds = std::vector<std::uint64_t>;  ///< the same
  using reals = std::vector<double>;             ///< the same
  using array = std::vector<value>;              ///< of anything
  using map = std::map<std::string, value, std::less<>>;
  /// All that a value can be; std::monostate is null.
  using variant = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, bytes, integers,
                               unsigneds, reals, array, map>;

  value() = default;
  value(std::nullptr_t) {}
  template <std::same_as<bool> Bool>  // a pointer would convert to bool
  value(Bool truth) : data_(truth) {}
  /// Signed and unsigned stay apart: 1 and 1u are different values.
  template <std::integral Number>
  requires(!std::same_as<Number, bool> && sizeof(Number) <= 8) value(Number number) {
    if constexpr (std::is_signed_v<Number>) {
      data_ = static_cast<std::int64_t>(number);
    } else {
      data_ = static_cast<std::uint64_t>(number);
    }
  }
  value(double number) : data_(number) {}
  value(const char* text) : data_(std::string(text)) {}
  value(std::string_view text) : data_(std::string(text)) {}
  value(std::string text) : data_(std::move(text)) {}
  value(bytes octets) : data_(std::move(octets)) {}
  value(integers numbers) : data_(std::move(numbers)) {}
  value(unsigneds numbers) : data_(std::move(numbers)) {}
  value(reals numbers) : data_(std::move(numbers)) {}
  value(array elements) : data_(std::move(elements)) {}
  value(map members) : data_(std::move(members)) {}

  [[nodiscard]] bool is_null() const noexcept { return data_.index() == 0; }
  template <class T>
  [[nodiscard]] bool is() const noexcept {
    return std::holds_alternative<T>(data_);
  }
  /// Returns: null unless the value is a T.
  template <class T>
  [[nodiscard]] const T* get_if() const noexcept {
    return std::get_if<T>(&data_);
  }
  template <class T>
  [[nodiscard]] T* get_if() noexcept {
    return std::get_if<T>(&data_);
  }
  /// Errors: std::bad_variant_access unless the value is a T.
  template <class T>
  [[nodiscard]] const T& get() const {
    return std::get<T>(data_);
  }
  template <class T>
  [[nodiscard]] T& get() {
    return std::get<T>(data_);
  }
  /// Returns: the member of that name, or null where there is none or this is no map.
  [[nodiscard]] const value& operator[](std::string_view key) const noexcept;
  /// Returns: the element, or null where there is none or this is no array.
  [[nodiscard]] const value& operator[](std::size_t index) const noexcept;

  [[nodiscard]] const variant& data() const noexcept { return data_; }
  [[nodiscard]] variant& data() noexcept { return data_; }

  /// As the variants compare: a NaN differs from itself, and 1 from 1u.
  friend bool operator==(const value& left, const value& right);

 private:
  variant data_;
};

namespace detail {

/// In schema/value.cpp, the only file that knows FlexBuffers.
template <>
struct nested_codec<value> {
  static constexpr bool enabled = true;
  /// Errors: selvage::error payload_too_large for nesting, std::invalid_argument for a key with a zero byte.
  static std::size_t bound(const value& from);
  static wire_writer::position write(wire_writer& writer, const value& from);
  static value view(std::span<const std::byte> bytes) { return read(bytes); }
  /// Errors: malformed.
  static value read(std::span<const std::byte> bytes);
};

}  // namespace detail
}  // namespace selvage
