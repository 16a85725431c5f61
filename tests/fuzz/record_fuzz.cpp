// Fuzzes what is read out of a store: the bytes of a record, as an item and as a manifest, first as they are, then with
// a checksum that is right, as somebody who wants to get past it would write. What is accepted is encoded and read once
// more, and must say the same. The bytes have exactly their size, so that AddressSanitizer sees a step out of them.
// Called by libFuzzer and by replay_main.cpp. An input is a record without its checksum.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "schema/stored_run.hpp"

namespace {

using namespace selvage;

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_same(const stored_item& a, const stored_item& b) {
  return a.key == b.key && a.failed == b.failed && a.attempts == b.attempts && a.ordinal == b.ordinal &&
         a.finished == b.finished && a.run_time == b.run_time && a.peak_memory == b.peak_memory &&
         a.message == b.message && a.output.size() == b.output.size() &&
         (a.output.empty() || std::memcmp(a.output.data(), b.output.data(), a.output.size()) == 0);
}

void read_as_item(std::span<const std::byte> stored) {
  schema::aligned_copy scratch;
  const auto item = schema::decode_item(stored, scratch);
  if (!item) return require(!item.error().empty());
  schema::item_encoder encoder;
  const auto encoded = encoder.encode(*item);
  require(encoded.has_value());
  schema::aligned_copy again;
  const auto same = schema::decode_item(*encoded, again);
  require(same.has_value() && is_same(*item, *same));
}

void read_as_manifest(std::span<const std::byte> stored) {
  const auto manifest = schema::decode_manifest(stored);
  if (!manifest) return require(!manifest.error().empty());
  const std::string encoded = schema::encode(*manifest);
  const auto same = schema::decode_manifest(std::as_bytes(std::span(encoded)));
  require(same.has_value() && same->format == manifest->format && same->created == manifest->created &&
          same->name == manifest->name && same->fingerprint == manifest->fingerprint);
}

void read(std::span<const std::byte> stored) {
  read_as_item(stored);
  read_as_manifest(stored);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint64_t sum = XXH3_64bits(data, size);
  const auto stored = std::make_unique<std::byte[]>(sizeof sum + size);
  std::memcpy(stored.get(), &sum, sizeof sum);
  if (size != 0) std::memcpy(stored.get() + sizeof sum, data, size);
  const std::span<const std::byte> whole(stored.get(), sizeof sum + size);
  read(whole.subspan(sizeof sum));
  read(whole);
  return 0;
}
