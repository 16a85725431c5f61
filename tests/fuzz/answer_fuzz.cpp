// Fuzzes the way of an answer through the host: a response header, or the express copy of one, and the arena behind it,
// as a hostile worker may leave them, read by pool/answer.hpp, received by the typed call, taken by the future; and the
// crash record of a worker that died. Header, arena and record have exactly their sizes, so that AddressSanitizer sees
// a step out of them. Called by libFuzzer and by replay_main.cpp. What the codec makes of a payload's inside is
// codec_fuzz.cpp's.
//
//   byte 0       what is expected: the type of the result, or a death; bit 7: of an express copy
//   then         a response_header as it is in memory, or an express; cut short: zeros
//   the rest     the beginning of the response arena; zeros behind it

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <selvage/future.hpp>
#include <selvage/in_place.hpp>

#include "pool/answer.hpp"
#include "pool/verdict_error.hpp"
#include "schema/exception_report.hpp"

namespace {

using namespace selvage;

constexpr std::size_t arena_bytes = 2 * shm::page_bytes;
constexpr std::uint64_t payload_cap = shm::page_bytes + 16;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Heap memory of exactly `bytes`, aligned as a page, holding the beginning of `from` and zeros.
class exact_memory {
 public:
  exact_memory(std::size_t bytes, std::span<const std::uint8_t> from)
      : size_(bytes), at_(new (std::align_val_t(alignment)) std::byte[bytes]()) {
    if (!from.empty()) std::memcpy(at_, from.data(), std::min(bytes, from.size()));
  }
  exact_memory(const exact_memory&) = delete;
  exact_memory& operator=(const exact_memory&) = delete;
  ~exact_memory() { ::operator delete[](at_, std::align_val_t(alignment)); }
  [[nodiscard]] std::byte* data() const { return at_; }
  [[nodiscard]] bool holds(std::span<const std::byte> part) const {
    return part.data() >= at_ && part.size() <= size_ &&
           static_cast<std::size_t>(part.data() - at_) <= size_ - part.size();
  }

 private:
  static constexpr std::size_t alignment = 128;
  std::size_t size_;
  std::byte* at_;
};

std::span<const std::uint8_t> behind(std::span<const std::uint8_t> input, std::size_t bytes) {
  return input.subspan(std::min(bytes, input.size()));
}

/// What the pool does with a call whose answer is `answer`, and what its caller does then.
template <class Call, class T>
void receive(detail::payload_view answer) {
  auto* const call = new Call;
  detail::call_ref<detail::result_state<T>> owned(call);
  const std::string fault = call->receive(answer);
  if (!fault.empty()) return;
  call->phase = static_cast<std::uint32_t>(detail::call_phase::settled);
  future<T> outcome(std::move(owned));
  const auto result = outcome.result();
  require(result.has_value() || result.error().code() == errc::bad_response);
}
template <class R>
void receive_as(detail::payload_view answer) {
  receive<detail::typed_call<R>, typename detail::result_codec<R>::host_type>(answer);
}

struct point {
  double x, y;
  std::int32_t tag;
};

constexpr void (*receivers[])(detail::payload_view) = {
    receive_as<void>,
    receive_as<int>,
    receive_as<bool>,
    receive_as<point>,
    receive_as<std::string>,
    receive_as<std::vector<double>>,
    receive_as<std::vector<std::string>>,
    receive_as<std::pair<std::string, std::vector<point>>>,
    receive<detail::view_call, trusted_view>,
};

/// `inlined`, in `slot`: where the payload is that is not in the arena.
void accept(std::uint8_t kind, const host::told_answer& told, const std::byte* inlined, const exact_memory& slot,
            const exact_memory& arena) {
  if (host::place_fault(told, arena_bytes, payload_cap) != nullptr) return;
  const std::byte* const from = (told.in_arena ? arena.data() : inlined) + told.offset;
  const std::span<const std::byte> bytes(from, static_cast<std::size_t>(told.length));
  require(bytes.size() <= payload_cap && (told.in_arena ? arena : slot).holds(bytes));
  if (told.status == shm::response_status::exception) {
    detail::private_bytes copy;
    copy.assign(bytes);
    (void)schema::decode(copy.view());
    return;
  }
  receivers[kind % std::size(receivers)]({told.form, bytes});
}

void answer(std::uint8_t kind, std::span<const std::uint8_t> input) {
  const exact_memory header(sizeof(shm::response_header), input);
  const exact_memory arena(arena_bytes, behind(input, sizeof(shm::response_header)));
  const auto& shared = *reinterpret_cast<const shm::response_header*>(header.data());
  accept(kind, host::read_answer(shared), shared.payload, header, arena);
}

void express_answer(std::uint8_t kind, std::span<const std::uint8_t> input) {
  const exact_memory memory(sizeof(shm::express), input);
  const exact_memory arena(arena_bytes, behind(input, sizeof(shm::express)));
  const auto& line = *reinterpret_cast<const shm::express*>(memory.data());
  const exact_memory copied(sizeof(shm::express_payload), {});
  auto& payload = *reinterpret_cast<shm::express_payload*>(copied.data());
  shm::express_copy copy;
  const std::uint64_t ticket = line.ticket.load(std::memory_order_relaxed);
  if (!shm::read(line, ticket, copy, payload)) return;
  accept(kind, host::read_answer(ticket, copy, payload), payload.bytes.data(), copied, arena);
}

void death(std::span<const std::uint8_t> input) {
  static host::symbol_names symbols;
  const exact_memory memory(sizeof(shm::crash_record), input);
  const auto& record = *reinterpret_cast<const shm::crash_record*>(memory.data());
  for (std::uint32_t reason = 0; reason <= 8; ++reason) {
    shm::verdict verdict{};
    verdict.epoch = 1;
    verdict.reason = reason;
    verdict.signal = 11;
    failure what;
    const bool agreed = host::describe_death(what, symbols, verdict, record, {.id = 1});
    require(agreed || (what.stack.empty() && what.fault_address == 0));
    require(what.stack.size() <= shm::max_crash_frames && what.signal == 11);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(data + 1, size - 1);
  if (data[0] == 0xff) {
    death(rest);
  } else if ((data[0] & 0x80) != 0) {
    express_answer(data[0] & 0x7f, rest);
  } else {
    answer(data[0], rest);
  }
  return 0;
}
