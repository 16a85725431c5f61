#pragma once
// Lets a FlatBufferBuilder build in memory that is already there. Called by wire_writer.cpp and
// exception_report.cpp. Never allocates, never lets the builder past its memory.

#include <flatbuffers/flatbuffers.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include <selvage/detail/payload.hpp>

namespace selvage::schema {

/// Hands out the one span, once. Give the builder out.size() as its initial size and payload_alignment as its
/// minimal alignment.
class span_allocator final : public flatbuffers::Allocator {
 public:
  explicit span_allocator(std::span<std::byte> out) : out_(out) {}

  std::uint8_t* allocate(std::size_t size) override {
    if (size > out_.size()) refuse();
    return reinterpret_cast<std::uint8_t*>(out_.data());
  }
  void deallocate(std::uint8_t*, std::size_t) override {}
  std::uint8_t* reallocate_downward(std::uint8_t*, std::size_t, std::size_t, std::size_t, std::size_t) override {
    refuse();
  }

 private:
  [[noreturn]] static void refuse() { throw std::logic_error("selvage: the codec's bound is below what it writes"); }

  std::span<std::byte> out_;
};

/// Finishes what `builder` builds at the end of `out`, its start as aligned as payloads are.
template <class Root>
detail::extent finish(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<Root> root, std::span<std::byte> out,
                      const char* identifier = nullptr) {
  builder.TrackMinAlign(detail::payload_alignment);
  builder.Finish(root, identifier);
  return {out.size() - builder.GetSize(), builder.GetSize()};
}

}  // namespace selvage::schema
