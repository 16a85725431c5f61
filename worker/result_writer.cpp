// Placing answers, as result_writer.hpp describes.
#include "worker/result_writer.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "schema/describe_exception.hpp"
#include "schema/exception_report.hpp"
#include "shm/segment.hpp"

namespace selvage::worker {

using detail::extent;
using detail::payload_form;
using detail::payload_source;
using shm::response_status;

void result_writer::write_status(unsigned slot, response_status status, std::uint64_t length) noexcept {
  begin(slot);
  shm::response_header& header = lane_.response(slot);
  if (status == response_status::out_of_memory) out_of_memory_ = true;
  header.status = static_cast<std::uint8_t>(status);
  header.form = static_cast<std::uint8_t>(payload_form::none);
  header.in_arena = 0;
  header.offset = 0;
  header.length = length;
}

void result_writer::write(unsigned slot, const payload_source& result) noexcept {
  try {
    begin(slot);
    if (result.bound <= shm::inline_payload_bytes) return write_inline(slot, result);
    // The bound of a table is above what it will take: that one is measured when it is built.
    if (result.bound > cap_ && result.form != payload_form::table) {
      return write_status(slot, response_status::payload_too_large, result.bound);
    }
    if (result.bound > arena_.bytes_maximum()) return write_by_detour(slot, result);
    write_in_arena(slot, result);
  } catch (...) {
    write_failure(slot, std::current_exception());
  }
}

void result_writer::write_inline(unsigned slot, const payload_source& result) {
  shm::response_header& header = lane_.response(slot);
  extent used;
  if (result.write != nullptr && result.bound != 0) {
    used = result.write(result.value, {header.payload, shm::inline_payload_bytes});
    if (used.offset != 0) std::memmove(header.payload, header.payload + used.offset, used.length);
  }
  header.status = static_cast<std::uint8_t>(response_status::ok);
  header.form = static_cast<std::uint8_t>(result.form);
  header.in_arena = 0;
  header.offset = 0;
  header.length = used.length;
}

void result_writer::write_in_arena(unsigned slot, const payload_source& result) {
  const std::optional<std::uint64_t> block = room_for(slot, result.bound);
  if (!block) return write_status(slot, response_status::payload_exhausted, result.bound);
  const extent used = result.write(result.value, {lane_.response_arena() + *block, result.bound});
  if (used.length > cap_) return write_status(slot, response_status::payload_too_large, used.length);
  publish_block(slot, result.form, response_status::ok, *block, used);
}

// For a table whose bound no arena holds, although the table itself may fit: it is built in private memory.
void result_writer::write_by_detour(unsigned slot, const payload_source& result) {
  struct aligned_delete {
    void operator()(std::byte* memory) const noexcept {
      ::operator delete (memory, std::align_val_t{detail::payload_alignment});
    }
  };
  const std::unique_ptr<std::byte, aligned_delete> memory(
      static_cast<std::byte*>(::operator new (result.bound, std::align_val_t{detail::payload_alignment})));
  const extent used = result.write(result.value, {memory.get(), result.bound});
  if (used.length > cap_) return write_status(slot, response_status::payload_too_large, used.length);
  const std::optional<std::uint64_t> block = room_for(slot, used.length);
  if (!block) return write_status(slot, response_status::payload_exhausted, used.length);
  std::memcpy(lane_.response_arena() + *block, memory.get() + used.offset, used.length);
  publish_block(slot, result.form, response_status::ok, *block, {0, used.length});
}

void result_writer::write_failure(unsigned slot, const std::exception_ptr& problem) noexcept {
  try {
    begin(slot);
    try {
      std::rethrow_exception(problem);
    } catch (const std::bad_alloc&) {
      return write_status(slot, response_status::out_of_memory);
    } catch (...) {
    }
    const schema::exception_report report = schema::describe(problem);
    const std::size_t room = std::max(schema::min_report_bytes, std::min(schema::bound(report), schema::report_bytes));
    const std::optional<std::uint64_t> block = room_for(slot, room);
    if (!block) return write_status(slot, response_status::exception);  // a report without words
    publish_block(slot, payload_form::table, response_status::exception, *block,
                  schema::encode(report, {lane_.response_arena() + *block, room}));
  } catch (...) {
    write_status(slot, response_status::out_of_memory);
  }
}

void result_writer::publish_block(unsigned slot, payload_form form, response_status status, std::uint64_t block,
                                  extent used) noexcept {
  arena_.trim(slot, block + used.offset, used.length);
  shm::response_header& header = lane_.response(slot);
  header.status = static_cast<std::uint8_t>(status);
  header.form = static_cast<std::uint8_t>(form);
  header.in_arena = 1;
  header.offset = block + used.offset;
  header.length = used.length;
}

// Returns: nothing where shared memory could not be reserved.
std::optional<std::uint64_t> result_writer::room_for(unsigned slot, std::size_t bytes) noexcept {
  for (;;) {
    release_taken();
    if (const auto block = arena_.allocate(slot, bytes)) {
      held_ |= shm::bit(slot);
      return block;
    }
    if (reserve_for(bytes)) continue;
    if (held_ == 0) return std::nullopt;
    wait_until_taken();
  }
}

// Grows the reserved part so that `bytes` fit behind what is in use. Returns: false at the maximum, or where the
// system has no more shared memory.
bool result_writer::reserve_for(std::size_t bytes) noexcept {
  const std::size_t reserved = arena_.bytes_reserved();
  const std::optional<std::size_t> doubled = arena_.growth_for(bytes);
  if (!doubled || *doubled <= reserved) return false;
  const std::size_t least =
      std::min(*doubled, reserved + (bytes + shm::page_bytes - 1) / shm::page_bytes * shm::page_bytes);
  for (const std::size_t wanted : {*doubled, least}) {
    if (shm::reserve_mapped(lane_.response_arena() + reserved, wanted - reserved) == 0) {
      arena_.grow(wanted);
      return true;
    }
  }
  return false;
}

void result_writer::release(unsigned slot) noexcept {
  arena_.release(slot);
  held_ &= ~shm::bit(slot);
}

void result_writer::release_taken() noexcept {
  if (held_ == 0) return;
  shm::for_each_from(held_ & lane_.taken(), 0, [&](unsigned slot) { release(slot); });
}

void result_writer::wait_until_taken() noexcept {
  const auto taken = [&] { return (held_ & lane_.taken()) != 0; };
  if (idler_.spin(taken)) return;
  lane_.wake_host(shm::every_slot, false);  // answers that ring nobody may be what it has to take
  idler_.park(lane_, taken);
}

}  // namespace selvage::worker
