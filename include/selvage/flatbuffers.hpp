#pragma once
// The user's own FlatBuffers tables as parameters and results: opt in by including this header, which includes
// FlatBuffers. The task reads the table in place; the host gets an owning, verified buffer.
//
//   // schema: table Scene { name:string; objects:[Object]; }   root_type Scene;
//   const auto measure = selvage::task("measure", [](const Scene& scene) { return scene.objects()->size(); });
//   const auto shrink = selvage::task("shrink", [](const Scene& scene) -> selvage::table<Scene> { ... });
//
//   flatbuffers::FlatBufferBuilder builder;
//   builder.Finish(CreateScene(builder, ...));
//   pool.call(measure, selvage::table<Scene>(builder.Release()));
//
// A parameter declared as `const Scene&` or `const Scene*` (never null) takes a selvage::table<Scene>.
//
// Thread-safety: a const table may be read by any number of threads.
// Limits: 64 levels of nesting and 2 GiB. FlatBuffers 2.0.8 verifies a nested_flatbuffer field with limits of its
// own; a type that nests itself that way has no limit of depth, so do not take one from an untrusted worker.

#include <flatbuffers/flatbuffers.h>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include <selvage/detail/codec_parameter.hpp>
#include <selvage/detail/wire.hpp>

namespace selvage {

/// Types that flatc generates for tables.
template <class T>
concept generated_table = std::is_base_of_v<flatbuffers::Table, T> &&
    requires(const T& t, flatbuffers::Verifier& verifier) {
  { t.Verify(verifier) } -> std::same_as<bool>;
};

/// A finished FlatBuffer with a T as its root. Copies share the bytes, which never change.
template <generated_table T>
class table {
 public:
  /// Requires: what a builder released after Finish(root) with a T as root, without size prefix.
  explicit table(flatbuffers::DetachedBuffer buffer) {
    if (buffer.size() == 0) throw std::invalid_argument("selvage: an empty buffer is no table");
    auto owner = std::make_shared<const flatbuffers::DetachedBuffer>(std::move(buffer));
    bytes_ = std::as_bytes(std::span(owner->data(), owner->size()));
    owner_ = std::move(owner);
  }

  /// Copies bytes of any origin and verifies them.
  /// Errors: what is wrong, in words.
  [[nodiscard]] static tl::expected<table, std::string> from_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() < 8 || bytes.size() >= detail::max_table_bytes) {
      return tl::unexpected<std::string>("a table of " + std::to_string(bytes.size()) + " bytes cannot be");
    }
    table copy(own(bytes));
    flatbuffers::Verifier::Options limits;
    limits.max_depth = detail::max_depth;
    // Every table takes at least its offset to a vtable, and a reference to it.
    limits.max_tables = static_cast<flatbuffers::uoffset_t>(bytes.size() / 8);
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(copy.bytes_.data()), bytes.size(), limits);
    if (!verifier.VerifyBuffer<T>(nullptr)) return tl::unexpected<std::string>("the table's bytes do not verify");
    return copy;
  }

  /// Views trusted bytes, which must outlive the table but not its copies.
  [[nodiscard]] static table view(std::span<const std::byte> bytes) { return table(nullptr, bytes); }

  table(const table& other)
      : table(other.owner_ == nullptr && !other.bytes_.empty() ? own(other.bytes_)
                                                               : table(other.owner_, other.bytes_)) {}
  table(table&& other) noexcept : owner_(std::move(other.owner_)), bytes_(std::exchange(other.bytes_, {})) {}
  table& operator=(table other) noexcept {
    owner_ = std::move(other.owner_);
    bytes_ = other.bytes_;
    return *this;
  }
  ~table() = default;

  /// Requires: not moved from.
  [[nodiscard]] const T& operator*() const { return *get(); }
  [[nodiscard]] const T* operator->() const { return get(); }
  [[nodiscard]] const T* get() const { return flatbuffers::GetRoot<T>(bytes_.data()); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  table(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  static table own(std::span<const std::byte> bytes) {
    auto owner = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    const std::span<const std::byte> view(*owner);
    return table(std::move(owner), view);
  }

  std::shared_ptr<const void> owner_;  ///< null for a view
  std::span<const std::byte> bytes_;
};

namespace detail {

template <class T>
struct nested_codec<table<T>> {
  static constexpr bool enabled = true;
  static std::size_t bound(const table<T>& from) { return from.bytes().size(); }
  static wire_writer::position write(wire_writer& writer, const table<T>& from) {
    if (from.bytes().empty()) throw std::invalid_argument("selvage: a table that was moved from cannot cross");
    return writer.structs(from.bytes().data(), from.bytes().size(), 1, payload_alignment);
  }
  static table<T> view(std::span<const std::byte> bytes) { return table<T>::view(bytes); }
  static table<T> read(std::span<const std::byte> bytes) {
    auto verified = table<T>::from_bytes(bytes);
    if (!verified) throw malformed{"a table's bytes do not verify", 0};
    return *std::move(verified);
  }
};

template <generated_table T>
struct parameter<const T&> {
  using stored = table<T>;
  using owned = stored;
  static const T& pass(stored& value) { return *value; }
};

template <generated_table T>
struct parameter<const T*> {
  using stored = table<T>;
  using owned = stored;
  static const T* pass(stored& value) { return value.get(); }
};

}  // namespace detail
}  // namespace selvage
