#pragma once
// What the resume store writes and reads: items and manifests as bytes with a checksum. Called by: store/. Both
// directions are for files that anything may have happened to: what does not verify is said in words.
//
// Thread-safety: stateless, but for item_encoder.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include <selvage/store.hpp>

namespace selvage::schema {

/// The largest record that is read or written, in bytes.
inline constexpr std::size_t max_stored_bytes = std::size_t{1} << 30U;

/// The newest manifest format that is understood.
inline constexpr std::uint32_t stored_run_format = 1;

struct run_manifest {
  std::uint32_t format = stored_run_format;
  std::chrono::system_clock::time_point created{};
  std::string name{};
  selvage::fingerprint fingerprint{};
};

[[nodiscard]] std::string encode(const run_manifest& manifest);
/// Requires: no alignment. Errors: what is wrong, in words; a newer format is one.
[[nodiscard]] tl::expected<run_manifest, std::string> decode_manifest(std::span<const std::byte> stored);

/// Encodes one item after the other in memory that is used again.
class item_encoder {
 public:
  item_encoder();
  ~item_encoder();
  item_encoder(item_encoder&&) noexcept;
  item_encoder& operator=(item_encoder&&) noexcept;

  /// Valid until the next call. Errors: what is too large, in words.
  [[nodiscard]] tl::expected<std::span<const std::byte>, std::string> encode(const stored_item& item);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Bytes that are aligned for decode_item.
class aligned_copy {
 public:
  /// Copies; valid until the next call.
  std::span<const std::byte> assign(std::span<const std::byte> from);

 private:
  std::unique_ptr<std::byte[]> storage_;
  std::size_t capacity_ = 0;
};

/// Returns: an item that borrows `scratch`, into which the bytes are copied first.
/// Requires: no alignment of `stored`. Errors: what is wrong, in words.
[[nodiscard]] tl::expected<stored_item, std::string> decode_item(std::span<const std::byte> stored,
                                                                 aligned_copy& scratch);

/// Source: XXH3 with 128 bits, https://xxhash.com
struct hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};
[[nodiscard]] hash128 hash_of(std::string_view bytes) noexcept;

}  // namespace selvage::schema
