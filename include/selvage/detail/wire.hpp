#pragma once
// The erased core of the codec: what the templates of codec_write.hpp and codec_read.hpp need in order to build,
// measure and read FlatBuffers without including FlatBuffers. Implemented in schema/. Knows no C++ signature and no
// shared memory.
//
//   host side      wire_size measures -> build() writes downward into the given span with a wire_writer
//   worker side    trusted_reader: the host wrote the bytes, nothing is checked, all inline
//   host side      checked_reader: a worker wrote the bytes, every step is checked, the first lie throws `malformed`
//
// Thread-safety: none of these is shared between threads; build() and the readers may run in any number of threads
// at once.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <selvage/detail/payload.hpp>

namespace selvage::detail {

static_assert(std::endian::native == std::endian::little,
              "FlatBuffers are little-endian, and fixed payloads are copied");

/// How deeply tables may nest, in both directions: what is deeper is refused by the sender, and not believed by the
/// receiver.
inline constexpr unsigned max_depth = 64;

/// FlatBuffers hold less than this: their offsets are signed 32-bit numbers.
inline constexpr std::size_t max_table_bytes = (std::size_t{1} << 31) - 1;

/// Bytes that are not what the host's types say. Thrown by checked_reader, caught by result_codec: never leaves the
/// codec.
struct malformed {
  std::string_view what;     ///< a literal
  std::size_t position = 0;  ///< bytes from the payload's start

  /// "a vector reaches beyond the payload (at byte 12)".
  [[nodiscard]] std::string text() const;
};

/// Counts one level of nesting for as long as it lives. `Counter` is wire_size or checked_reader.
template <class Counter>
class nesting_level {
 public:
  explicit nesting_level(Counter& counter) : counter_(counter) { counter_.descend(); }
  ~nesting_level() { counter_.ascend(); }
  nesting_level(const nesting_level&) = delete;
  nesting_level& operator=(const nesting_level&) = delete;

 private:
  Counter& counter_;
};

/// Adds up an upper bound of what a wire_writer needs for the same sequence of objects, its working space included.
class wire_size {
 public:
  void string(std::size_t length) { bytes_ += 4 + length + 1 + 3; }
  void structs(std::size_t count, std::size_t size, std::size_t align) {
    bytes_ += 4 + count * size + (align > 4 ? align : 4) - 1;
  }
  void offsets(std::size_t count) { structs(count, 4, 4); }
  /// `inline_bytes`: of the fields, each with its worst padding.
  void table(std::size_t inline_bytes, unsigned fields) {
    constexpr std::size_t header = 4 + 3;  // offset to the vtable, padding
    constexpr std::size_t remembered = 4;  // the builder's note of where the vtable is
    bytes_ += inline_bytes + header + 4 + 2 * std::size_t{fields} + remembered;
    if (fields > widest_table_) widest_table_ = fields;
  }
  /// Errors: selvage::error payload_too_large at depths that no receiver would accept.
  void descend() {
    if (++depth_ > max_depth) refuse_depth();
  }
  void ascend() { --depth_; }
  /// Returns: the bound, a multiple of payload_alignment.
  /// Errors: selvage::error payload_too_large from 2 GiB on, which FlatBuffers 2.0.8 itself would only assert.
  [[nodiscard]] std::size_t total() const;

 private:
  [[noreturn]] static void refuse_depth();

  std::size_t bytes_ = 0;
  unsigned widest_table_ = 0;
  unsigned depth_ = 0;
};

/// Builds one FlatBuffer, children before parents. Exists only during build().
class wire_writer {
 public:
  /// Where a finished object is, as FlatBuffers count: from the end of the buffer.
  using position = std::uint32_t;
  struct core;

  explicit wire_writer(core& self) : self_(self) {}

  [[nodiscard]] position string(std::string_view text);
  /// A vector of `count` structs (or scalars) of `size` bytes each, copied from `data`.
  [[nodiscard]] position structs(const void* data, std::size_t count, std::size_t size, std::size_t align);
  /// The same in two steps. Returns: `count * size` bytes to be filled, every one, before end_structs.
  [[nodiscard]] std::byte* begin_structs(std::size_t count, std::size_t size, std::size_t align);
  [[nodiscard]] position end_structs(std::size_t count);
  /// Remembers one element of a vector of objects; end_offsets takes the last `count` of them.
  void push(position child);
  [[nodiscard]] position end_offsets(std::size_t count);

  void begin_table();
  void add_struct(unsigned field, const void* data, std::size_t size, std::size_t align);
  void add_offset(unsigned field, position child);
  [[nodiscard]] position end_table();

 private:
  core& self_;
};

/// Builds a FlatBuffer in `out`, downward from its end, without allocating a buffer.
/// Requires: out.data() aligned to payload_alignment, out.size() >= the measured bound.
/// Errors: std::logic_error where the bound was too small (never an overflow); whatever `encode` throws.
extent build(std::span<std::byte> out, const void* value,
             wire_writer::position (*encode)(wire_writer& writer, const void* value));

/// A vector in a payload: `count` elements from `data`.
struct wire_vector {
  const std::byte* data = nullptr;
  std::size_t count = 0;
};

template <class Number>
[[nodiscard]] inline Number load(const std::byte* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

/// Reads what the host wrote: no checks, views in place.
class trusted_reader {
 public:
  static constexpr bool checked = false;

  explicit trusted_reader(std::span<const std::byte> bytes) : base_(bytes.data()) {}

  [[nodiscard]] const std::byte* root() const { return follow(base_); }
  /// Returns: null for a field that is absent.
  [[nodiscard]] const std::byte* field(const std::byte* table, unsigned index, std::size_t, std::size_t) const {
    const std::byte* const vtable = table - load<std::int32_t>(table);
    const std::size_t entry = 4 + 2 * std::size_t{index};
    if (entry >= load<std::uint16_t>(vtable)) return nullptr;
    const auto offset = load<std::uint16_t>(vtable + entry);
    return offset == 0 ? nullptr : table + offset;
  }
  [[nodiscard]] const std::byte* follow(const std::byte* slot) const { return slot + load<std::uint32_t>(slot); }
  [[nodiscard]] const std::byte* table(const std::byte* slot) const { return follow(slot); }
  [[nodiscard]] std::string_view string(const std::byte* slot) const {
    const std::byte* const at = follow(slot);
    return {reinterpret_cast<const char*>(at + 4), load<std::uint32_t>(at)};
  }
  [[nodiscard]] wire_vector vector(const std::byte* slot, std::size_t, std::size_t) const {
    const std::byte* const at = follow(slot);
    return {at + 4, load<std::uint32_t>(at)};
  }
  [[noreturn]] void fail(std::string_view what) const { throw malformed{what, 0}; }
  void descend() const {}
  void ascend() const {}

 private:
  const std::byte* base_;
};

/// Reads what a worker wrote. Every access is checked by flatbuffers::Verifier, every object is paid for out of a
/// budget of the payload's own size (Selvage never shares objects, so an honest payload cannot overdraw it): time
/// and memory stay proportional to the bytes received, whatever the offsets say.
/// Requires: bytes that nobody changes any more: a private copy.
/// Errors: throws `malformed`.
class checked_reader {
 public:
  static constexpr bool checked = true;

  explicit checked_reader(std::span<const std::byte> bytes);

  [[nodiscard]] const std::byte* root();
  [[nodiscard]] const std::byte* field(const std::byte* table, unsigned index, std::size_t size, std::size_t align);
  [[nodiscard]] const std::byte* table(const std::byte* slot);
  [[nodiscard]] std::string_view string(const std::byte* slot);
  [[nodiscard]] wire_vector vector(const std::byte* slot, std::size_t size, std::size_t align);
  [[noreturn]] void fail(std::string_view what) const;
  void descend() {
    if (++depth_ > max_depth) fail("tables nest too deeply");
  }
  void ascend() { --depth_; }

 private:
  [[nodiscard]] std::size_t follow(const std::byte* slot);
  void spend(std::size_t bytes, std::size_t at);

  const std::byte* base_;
  std::size_t size_;
  std::size_t budget_;
  std::size_t last_ = 0;  ///< position of the latest access, for messages
  unsigned depth_ = 0;
};

/// Types that travel as a buffer of their own kind within a payload (selvage::value, the user's generated tables)
/// specialise this with `enabled = true` and: bound(value) in bytes, write(writer, value), view(bytes) of trusted
/// bytes that outlive the result, read(bytes) of hostile bytes, which throws malformed.
template <class T>
struct nested_codec {
  static constexpr bool enabled = false;
};

}  // namespace selvage::detail
