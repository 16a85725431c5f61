// The walk of stack_walk.hpp, for both architectures.
#include "worker/stack_walk.hpp"

#include <unwind.h>

namespace selvage::worker {
namespace {

struct registers {
  std::uint64_t program_counter, stack_pointer, frame_pointer, link;
};

registers registers_of(const ucontext_t& context) noexcept {
#if defined(__x86_64__)
  const auto& found = context.uc_mcontext.gregs;
  return {static_cast<std::uint64_t>(found[REG_RIP]), static_cast<std::uint64_t>(found[REG_RSP]),
          static_cast<std::uint64_t>(found[REG_RBP]), 0};
#elif defined(__aarch64__)
  const auto& found = context.uc_mcontext;
  return {found.pc, found.sp, found.regs[29], found.regs[30]};
#endif
}

struct unwinding {
  std::uint64_t from;  // the unwinder begins in the handler: frames up to this address are not the thread's
  bool reached;
  std::span<std::uint64_t> frames;
  std::uint32_t* count;
};

_Unwind_Reason_Code visit(_Unwind_Context* context, void* argument) {
  unwinding& walk = *static_cast<unwinding*>(argument);
  const auto address = static_cast<std::uint64_t>(_Unwind_GetIP(context));
  if (!walk.reached) {
    if (address != walk.from) return _URC_NO_REASON;
    walk.reached = true;
    return _URC_NO_REASON;  // it is in `frames` already
  }
  if (address == 0 || *walk.count == walk.frames.size()) return _URC_END_OF_STACK;
  walk.frames[*walk.count] = address;
  ++*walk.count;
  return _URC_NO_REASON;
}

// A word of the interrupted thread's stack, wherever that is.
const std::uint64_t* stack_at(std::uint64_t address) noexcept {
  return reinterpret_cast<const std::uint64_t*>(address);  // NOLINT(performance-no-int-to-ptr): a register's content
}

// Frame records grow towards higher addresses: {caller's frame pointer, return address}.
void walk_frame_pointers(const registers& at, std::span<std::uint64_t> frames, std::uint32_t& count) noexcept {
  constexpr std::uint64_t largest_frame = std::uint64_t{1} << 20U;
  std::uint64_t frame = at.frame_pointer, below = at.stack_pointer;
  while (count < frames.size() && frame % sizeof(void*) == 0 && frame >= below && frame - below <= largest_frame) {
    const std::uint64_t* const record = stack_at(frame);
    if (record[1] == 0) return;
    frames[count] = record[1];
    ++count;
    below = frame + 2 * sizeof(std::uint64_t);
    frame = record[0];
  }
}

}  // namespace

std::uint64_t program_counter(const ucontext_t& context) noexcept { return registers_of(context).program_counter; }

void walk_stack(const ucontext_t& context, bool bad_jump, std::span<std::uint64_t> frames,
                std::uint32_t& count) noexcept {
  const registers at = registers_of(context);
  frames[0] = at.program_counter;
  count = 1;
  unwinding walk = {at.program_counter, false, frames, &count};
  if (!bad_jump) _Unwind_Backtrace(&visit, &walk);
  if (count > 1) return;
  if (bad_jump) {
#if defined(__x86_64__)
    frames[count] = *stack_at(at.stack_pointer);
#else
    frames[count] = at.link;
#endif
    ++count;
  }
  walk_frame_pointers(at, frames, count);
}

void warm_stack_walk() noexcept {
  std::uint64_t frames[4];
  std::uint32_t count = 0;
  unwinding walk = {0, true, frames, &count};
  _Unwind_Backtrace(&visit, &walk);
}

}  // namespace selvage::worker
