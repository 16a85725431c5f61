// See stored_run.hpp.

#include "schema/stored_run.hpp"

#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "schema/stored_run_generated.h"

namespace selvage::schema {
namespace {

constexpr std::size_t checksum_bytes = 8;
constexpr flatbuffers::uoffset_t max_nesting = 8;
constexpr flatbuffers::uoffset_t max_tables = 10'000;  // parts of a fingerprint

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

std::int64_t to_wire(std::chrono::system_clock::time_point time) {
  return duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

std::chrono::system_clock::time_point time_of(std::int64_t ns) {
  return std::chrono::system_clock::time_point(duration_cast<std::chrono::system_clock::duration>(nanoseconds(ns)));
}

std::uint64_t checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// Both architectures are little-endian, and so is the file.
void store_checksum(std::byte* to, std::uint64_t sum) { std::memcpy(to, &sum, sizeof sum); }

std::span<const std::byte> bytes_of(const flatbuffers::Vector<std::uint8_t>* vector) {
  if (vector == nullptr) return {};
  return std::as_bytes(std::span(vector->data(), vector->size()));
}

std::string_view text_of(const flatbuffers::Vector<std::uint8_t>* vector) {
  const auto bytes = bytes_of(vector);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The verified root of a record whose checksum is right, or what is wrong with it.
tl::expected<const wire::StoredRoot*, std::string> root_of(std::span<const std::byte> stored, aligned_copy& scratch) {
  if (stored.size() < checksum_bytes + 2 * sizeof(flatbuffers::uoffset_t) || stored.size() > max_stored_bytes) {
    return tl::unexpected<std::string>("a record cannot have " + std::to_string(stored.size()) + " bytes");
  }
  std::uint64_t sum = 0;
  std::memcpy(&sum, stored.data(), sizeof sum);
  const auto body = scratch.assign(stored.subspan(checksum_bytes));
  if (checksum(body) != sum) return tl::unexpected<std::string>("the checksum of a record is wrong");
  const auto* const data = reinterpret_cast<const std::uint8_t*>(body.data());
  flatbuffers::Verifier verifier(data, body.size(), max_nesting, max_tables);
  if (!wire::VerifyStoredRootBuffer(verifier))
    return tl::unexpected<std::string>("the bytes of a record do not verify");
  return wire::GetStoredRoot(data);
}

}  // namespace

std::string encode(const run_manifest& manifest) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<wire::FingerprintPart>> parts;
  parts.reserve(manifest.fingerprint.size());
  for (const auto& [name, value] : manifest.fingerprint) {
    const auto part_name = builder.CreateString(name);
    parts.push_back(wire::CreateFingerprintPart(builder, part_name, builder.CreateString(value)));
  }
  const auto name = builder.CreateString(manifest.name);
  const auto fingerprint = builder.CreateVector(parts);
  const auto record =
      wire::CreateRunManifest(builder, manifest.format, to_wire(manifest.created), name, fingerprint).Union();
  wire::FinishStoredRootBuffer(builder, wire::CreateStoredRoot(builder, wire::StoredRecord::RunManifest, record));
  std::string stored(checksum_bytes, '\0');
  stored.append(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  const std::uint64_t sum = XXH3_64bits(builder.GetBufferPointer(), builder.GetSize());
  std::memcpy(stored.data(), &sum, sizeof sum);
  return stored;
}

tl::expected<run_manifest, std::string> decode_manifest(std::span<const std::byte> stored) {
  aligned_copy scratch;
  const auto root = root_of(stored, scratch);
  if (!root) return tl::make_unexpected(root.error());
  const auto* const from = (*root)->record_as_RunManifest();
  if (from == nullptr) return tl::unexpected<std::string>("the manifest is a record of another kind");
  if (from->format() > stored_run_format) {
    return tl::unexpected<std::string>("it has format " + std::to_string(from->format()) +
                                       ", and this Selvage reads formats up to " + std::to_string(stored_run_format) +
                                       ": a newer one wrote it");
  }
  run_manifest manifest{from->format(), time_of(from->created_ns()), from->name()->str(), {}};
  for (const auto* part : *from->fingerprint()) {
    manifest.fingerprint.emplace_back(part->name()->str(), part->value()->str());
  }
  return manifest;
}

struct item_encoder::state {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<std::byte> stored;
};

item_encoder::item_encoder() : state_(std::make_unique<state>()) {}
item_encoder::~item_encoder() = default;
item_encoder::item_encoder(item_encoder&&) noexcept = default;
item_encoder& item_encoder::operator=(item_encoder&&) noexcept = default;

tl::expected<std::span<const std::byte>, std::string> item_encoder::encode(const stored_item& item) {
  constexpr std::size_t room_for_the_rest = 256;
  if (item.key.size() + item.message.size() + item.output.size() > max_stored_bytes - room_for_the_rest) {
    return tl::unexpected<std::string>("a record of " +
                                       std::to_string(item.key.size() + item.message.size() + item.output.size()) +
                                       " bytes is larger than the 1 GiB that the store keeps");
  }
  auto& builder = state_->builder;
  builder.Clear();
  const auto bytes = [&builder](std::span<const std::byte> from, std::size_t align) {
    builder.ForceVectorAlignment(from.size(), 1, align);
    return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(from.data()), from.size());
  };
  const auto output = item.output.empty() ? 0 : bytes(item.output, 16);
  const auto message = item.message.empty() ? 0 : bytes(std::as_bytes(std::span(item.message)), 1);
  const auto key = bytes(std::as_bytes(std::span(item.key)), 1);
  const auto record =
      wire::CreateStoredItem(builder, key, item.failed ? static_cast<std::uint8_t>(*item.failed) : std::uint8_t{0},
                             item.attempts, item.ordinal, to_wire(item.finished), item.run_time.count(),
                             item.peak_memory, message, output)
          .Union();
  wire::FinishStoredRootBuffer(builder, wire::CreateStoredRoot(builder, wire::StoredRecord::StoredItem, record));
  const auto body = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  state_->stored.resize(checksum_bytes + body.size());
  store_checksum(state_->stored.data(), checksum(body));
  std::memcpy(state_->stored.data() + checksum_bytes, body.data(), body.size());
  return std::span<const std::byte>(state_->stored);
}

std::span<const std::byte> aligned_copy::assign(std::span<const std::byte> from) {
  if (from.size() > capacity_ || !storage_) {
    capacity_ = from.size() + from.size() / 2 + 64;
    storage_.reset(new std::byte[capacity_]);  // new[] aligns to 16
  }
  if (!from.empty()) std::memcpy(storage_.get(), from.data(), from.size());
  return {storage_.get(), from.size()};
}

tl::expected<stored_item, std::string> decode_item(std::span<const std::byte> stored, aligned_copy& scratch) {
  const auto root = root_of(stored, scratch);
  if (!root) return tl::make_unexpected(root.error());
  const auto* const from = (*root)->record_as_StoredItem();
  if (from == nullptr) return tl::unexpected<std::string>("an item is a record of another kind");
  stored_item item{text_of(from->key()),
                   std::nullopt,
                   from->attempts(),
                   from->ordinal(),
                   time_of(from->finished_ns()),
                   nanoseconds(from->run_ns()),
                   from->peak_memory(),
                   text_of(from->message()),
                   bytes_of(from->output())};
  if (from->errc() != 0) item.failed = static_cast<selvage::errc>(from->errc());
  return item;
}

hash128 hash_of(std::string_view bytes) noexcept {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

}  // namespace selvage::schema
