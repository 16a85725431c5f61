// See records.hpp.

#include "store/records.hpp"

#include <fmt/format.h>

#include "store/names.hpp"
#include "store/problem.hpp"

namespace selvage::store_detail {
namespace {

class cursor {
 public:
  cursor(const environment& of, const transaction& in) {
    if (const int code = ::mdb_cursor_open(in.get(), of.database(), &handle_); code != 0) {
      fail(of.file(), "cannot be read", code);
    }
  }
  cursor(const cursor&) = delete;
  cursor& operator=(const cursor&) = delete;
  ~cursor() { ::mdb_cursor_close(handle_); }
  [[nodiscard]] int next(MDB_val& name, MDB_val& value) { return ::mdb_cursor_get(handle_, &name, &value, MDB_NEXT); }

 private:
  MDB_cursor* handle_ = nullptr;
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

tl::expected<stored_item, std::string> item_under(std::string_view name, std::span<const std::byte> stored,
                                                  schema::aligned_copy& scratch) {
  auto item = schema::decode_item(stored, scratch);
  if (!item) return tl::make_unexpected(fmt::format("{} (record '{}')", item.error(), printable(name.substr(1))));
  if (record_name(item->key) != name) {
    return tl::make_unexpected(
        fmt::format("the record of key '{}' lies where another should be", printable(item->key)));
  }
  return item;
}

[[noreturn]] void fail_same_hash(const environment& in, std::string_view key, std::string_view other) {
  fail(in.file(), fmt::format("two keys of over 510 bytes have the same hash: '{}' and '{}': use shorter ones",
                              printable(key), printable(other)));
}

}  // namespace

std::string printable(std::string_view key) {
  constexpr std::size_t shown = 60;
  std::string text;
  for (const char c : key.substr(0, shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  if (key.size() > shown) text += fmt::format("... ({} bytes)", key.size());
  return text;
}

schema::run_manifest read_manifest(const environment& from, const transaction& in) {
  const auto stored = from.find(in, manifest_key);
  if (!stored) fail(from.file(), std::string("it has no manifest") + std::string(damaged_advice));
  auto manifest = schema::decode_manifest(*stored);
  if (!manifest) fail(from.file(), manifest.error() + std::string(damaged_advice));
  return *std::move(manifest);
}

int write_manifest(const environment& to, const transaction& in, const schema::run_manifest& manifest) {
  const std::string encoded = schema::encode(manifest);
  return to.put(in, manifest_key, std::as_bytes(std::span(encoded)));
}

std::optional<stored_item> read_item(const environment& from, const transaction& in, std::string_view key,
                                     schema::aligned_copy& scratch) {
  const std::string name = record_name(key);
  const auto stored = from.find(in, name);
  if (!stored) return std::nullopt;
  const auto item = item_under(name, *stored, scratch);
  if (!item) fail(from.file(), item.error() + std::string(damaged_advice));
  if (item->key != key) fail_same_hash(from, key, item->key);
  return *item;
}

int write_item(const environment& to, const transaction& in, std::string_view key, std::span<const std::byte> encoded,
               schema::aligned_copy& scratch) {
  const std::string name = record_name(key);
  if (is_hashed(key)) (void)read_item(to, in, key, scratch);  // that of another key must not be lost
  return to.put(in, name, encoded);
}

void for_each_item(const environment& from, const transaction& in,
                   const std::function<bool(const tl::expected<stored_item, std::string>&)>& use) {
  cursor at(from, in);
  schema::aligned_copy scratch;
  MDB_val name{};
  MDB_val value{};
  int code = 0;
  while ((code = at.next(name, value)) == 0) {
    const std::string_view under = text_of(bytes_of(name));
    if (under == manifest_key) continue;
    if (!use(item_under(under, bytes_of(value), scratch))) return;
  }
  if (code != MDB_NOTFOUND) fail(from.file(), "cannot be read", code);
}

}  // namespace selvage::store_detail
