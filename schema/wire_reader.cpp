// checked_reader on flatbuffers::Verifier: the only reader of structured bytes that a worker wrote. Called by
// result_codec::read in the host, on a private copy. Never follows an offset that it has not checked, never
// allocates.

#include <flatbuffers/flatbuffers.h>

#include <selvage/detail/wire.hpp>

namespace selvage::detail {
namespace {

using flatbuffers::Verifier;

/// A root offset and the table's offset to its vtable.
constexpr std::size_t min_table_bytes = sizeof(flatbuffers::uoffset_t) + sizeof(flatbuffers::soffset_t);

const std::uint8_t* octets(const std::byte* from) { return reinterpret_cast<const std::uint8_t*>(from); }

}  // namespace

std::string malformed::text() const {
  std::string text(what);
  text += " (at byte ";
  text += std::to_string(position);
  text += ')';
  return text;
}

checked_reader::checked_reader(std::span<const std::byte> bytes)
    : base_(bytes.data()), size_(bytes.size()), budget_(bytes.size()) {
  if (size_ < min_table_bytes) fail("too short to be a table");
  if (size_ >= max_table_bytes) fail("too long to be a table");
  if (reinterpret_cast<std::uintptr_t>(base_) % payload_alignment != 0) fail("the payload is not aligned");
}

void checked_reader::fail(std::string_view what) const { throw malformed{what, last_}; }

void checked_reader::spend(std::size_t bytes, std::size_t at) {
  last_ = at;
  if (bytes > budget_) fail("objects overlap or are shared");
  budget_ -= bytes;
}

std::size_t checked_reader::follow(const std::byte* slot) {
  last_ = static_cast<std::size_t>(slot - base_);
  const flatbuffers::uoffset_t offset = Verifier(octets(base_), size_).VerifyOffset(last_);
  if (offset == 0) fail("an offset leads outside the payload");
  return last_ + offset;
}

const std::byte* checked_reader::root() { return table(base_); }

const std::byte* checked_reader::table(const std::byte* slot) {
  const std::size_t at = follow(slot);
  spend(sizeof(flatbuffers::soffset_t), at);
  if (!Verifier(octets(base_), size_).VerifyTableStart(octets(base_ + at)))
    fail("a table or its vtable is out of range");
  return base_ + at;
}

const std::byte* checked_reader::field(const std::byte* table, unsigned index, std::size_t size, std::size_t align) {
  // The table's start was checked by table(): its vtable lies within the payload.
  const auto* const start = reinterpret_cast<const flatbuffers::Table*>(table);
  const auto offset =
      start->GetOptionalFieldOffset(flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(index)));
  if (offset == 0) return nullptr;
  spend(size, static_cast<std::size_t>(table - base_) + offset);
  if (!Verifier(octets(base_), size_).VerifyFieldStruct(octets(table), offset, size, align)) {
    fail("a field is out of range or not aligned");
  }
  return table + offset;
}

std::string_view checked_reader::string(const std::byte* slot) {
  const std::size_t at = follow(slot);
  const auto* const text = reinterpret_cast<const flatbuffers::String*>(base_ + at);
  if (!Verifier(octets(base_), size_).VerifyString(text)) fail("a string is out of range or not terminated");
  spend(sizeof(flatbuffers::uoffset_t) + text->size() + 1, at);
  return {text->c_str(), text->size()};
}

wire_vector checked_reader::vector(const std::byte* slot, std::size_t size, std::size_t align) {
  const std::size_t at = follow(slot);
  const Verifier verifier(octets(base_), size_);
  if (!verifier.VerifyVectorOrString(octets(base_ + at), size)) fail("a vector is out of range");
  const std::size_t count = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(base_ + at);
  const std::size_t data = at + sizeof(flatbuffers::uoffset_t);
  if (count != 0 && !verifier.VerifyAlignment(data, align)) fail("a vector is not aligned");
  spend(sizeof(flatbuffers::uoffset_t) + count * size, at);
  return {base_ + data, count};
}

}  // namespace selvage::detail
