// wire_size and wire_writer on FlatBufferBuilder. Called by the codec's templates in host and worker; knows no C++
// signature and never allocates the buffer: it builds downward in the span it is given.

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <selvage/detail/wire.hpp>
#include <selvage/error.hpp>

#include "schema/span_allocator.hpp"

namespace selvage::detail {
namespace {

/// The builder's vtables are found again by a linear search, so that only this many are shared. More occur only
/// where many optional fields are absent in many combinations; those tables then carry vtables of their own.
constexpr unsigned max_shared_vtables = 64;

}  // namespace

struct wire_writer::core : flatbuffers::FlatBufferBuilder {
  core(std::span<std::byte> out, flatbuffers::Allocator& allocator)
      : FlatBufferBuilder(out.size(), &allocator, false, payload_alignment) {}

  std::byte* make_space(std::size_t bytes) { return reinterpret_cast<std::byte*>(buf_.make_space(bytes)); }

  std::vector<position> pushed;
  position table_start = 0;
  unsigned vtables = 0;
};

wire_writer::position wire_writer::string(std::string_view text) {
  return self_.CreateString(text.data(), text.size()).o;
}

wire_writer::position wire_writer::structs(const void* data, std::size_t count, std::size_t size, std::size_t align) {
  std::byte* const to = begin_structs(count, size, align);
  if (count != 0) std::memcpy(to, data, count * size);
  return end_structs(count);
}

std::byte* wire_writer::begin_structs(std::size_t count, std::size_t size, std::size_t align) {
  self_.ForceVectorAlignment(count, size, align);
  self_.StartVector(count * size, 1);
  return self_.make_space(count * size);
}

wire_writer::position wire_writer::end_structs(std::size_t count) { return self_.EndVector(count); }

void wire_writer::push(position child) { self_.pushed.push_back(child); }

wire_writer::position wire_writer::end_offsets(std::size_t count) {
  self_.StartVector(count, sizeof(flatbuffers::uoffset_t));
  for (std::size_t i = 0; i < count; ++i) {
    self_.PushElement(self_.ReferTo(self_.pushed.back()));
    self_.pushed.pop_back();
  }
  return self_.EndVector(count);
}

void wire_writer::begin_table() { self_.table_start = self_.StartTable(); }

void wire_writer::add_struct(unsigned field, const void* data, std::size_t size, std::size_t align) {
  self_.Align(align);
  self_.PushBytes(static_cast<const std::uint8_t*>(data), size);
  self_.TrackField(flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(field)), self_.GetSize());
}

void wire_writer::add_offset(unsigned field, position child) {
  self_.AddOffset(flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(field)),
                  flatbuffers::Offset<void>(child));
}

wire_writer::position wire_writer::end_table() {
  self_.DedupVtables(self_.vtables < max_shared_vtables);
  const position table = self_.EndTable(self_.table_start);
  if (self_.GetSize() != table) ++self_.vtables;  // its vtable is new, and lies before it
  return table;
}

extent build(std::span<std::byte> out, const void* value,
             wire_writer::position (*encode)(wire_writer& writer, const void* value)) {
  if (reinterpret_cast<std::uintptr_t>(out.data()) % payload_alignment != 0) {
    throw std::logic_error("selvage: a payload's place is not aligned");
  }
  out = out.first(std::min(out.size(), max_table_bytes) & ~(payload_alignment - 1));
  schema::span_allocator allocator(out);
  wire_writer::core core(out, allocator);
  wire_writer writer(core);
  const wire_writer::position root = encode(writer, value);
  return schema::finish(core, flatbuffers::Offset<void>(root), out);
}

std::size_t wire_size::total() const {
  constexpr std::size_t field_note = 8;  // what the builder keeps of each field of the table in progress
  constexpr std::size_t root = 4 + (payload_alignment - 1);  // offset and padding
  const std::size_t bytes = bytes_ + widest_table_ * field_note + root;
  if (bytes > max_table_bytes - payload_alignment) {
    throw error(errc::payload_too_large, "the arguments or the result take " + std::to_string(bytes) +
                                             " bytes, and structured data ends at 2 GiB: send it in parts");
  }
  return (bytes + payload_alignment - 1) & ~(payload_alignment - 1);
}

void wire_size::refuse_depth() {
  throw error(errc::payload_too_large,
              "the arguments or the result nest deeper than " + std::to_string(max_depth) + " levels");
}

}  // namespace selvage::detail
