// See records.hpp.

#include "store/records.hpp"

#include <fmt/format.h>

#include <utility>

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

/// Throws where it is not the item of this key.
stored_item item_of(const environment& from, std::string_view key, std::string_view name,
                    std::span<const std::byte> stored, schema::aligned_copy& scratch) {
  if (auto item = schema::decode_item(stored, scratch); item && item->key == key) return *item;
  const auto item = item_under(name, stored, scratch);
  if (!item) throw damaged_file(from.file(), item.error());
  fail_same_hash(from, key, item->key);
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
  if (!stored) throw damaged_file(from.file(), "it has no manifest");
  auto manifest = schema::decode_manifest(*stored);
  if (!manifest) throw damaged_file(from.file(), manifest.error());
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
  return item_of(from, key, name, *stored, scratch);
}

standing_look::standing_look(const environment& of) : of_(of), in_(of.read()), items_(of.records(in_) - 1) {
  if (const int code = ::mdb_cursor_open(in_.get(), of.database(), &at_); code != 0) {
    fail(of.file(), "cannot be read", code);
  }
}

standing_look::~standing_look() { ::mdb_cursor_close(at_); }

void standing_look::renew() {
  let_go();
  int code = ::mdb_txn_renew(in_.get());
  if (code == 0) {
    held_ = true;
    code = ::mdb_cursor_renew(in_.get(), at_);
  }
  if (code != 0) fail(of_.file(), "cannot be read", code);
}

void standing_look::let_go() noexcept {
  if (std::exchange(held_, false)) ::mdb_txn_reset(in_.get());
}

std::optional<stored_item> standing_look::find(std::string_view key) {
  if (!held_) renew();
  name_.clear();
  append_record_name(name_, key);
  MDB_val name{};
  MDB_val value{};
  // Items come in the order of their keys more often than not: the next record costs one comparison, a search many.
  const bool is_next = ::mdb_cursor_get(at_, &name, &value, MDB_NEXT) == 0 && text_of(bytes_of(name)) == name_;
  if (!is_next) {
    name = value_of(name_);
    const int code = ::mdb_cursor_get(at_, &name, &value, MDB_SET_KEY);
    if (code == MDB_NOTFOUND) return std::nullopt;
    if (code != 0) fail(of_.file(), "cannot be read", code);
  }
  return item_of(of_, key, name_, bytes_of(value), scratch_);
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
