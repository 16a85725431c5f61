// The baseline of baseline_filter.hpp. Addresses are 64-bit and classic BPF is not: they are compared in halves.
#include "worker/baseline_filter.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>

namespace selvage::worker {
namespace {

using bpf::compare;

// Not in every <sys/mman.h>. Root's only: both take the page away from everybody who has it mapped.
constexpr std::uint32_t madv_hwpoison = 100, madv_soft_offline = 101;

constexpr std::uint32_t sys_futex_requeue = 456;  // newer than the headers of Debian 12; the same on both architectures
constexpr std::uint32_t sys_memfd_secret = 447;   // the same on both architectures
[[maybe_unused]] constexpr std::uint32_t x32_bit = 0x40000000;  // x86-64 only

// Linux ignores the top byte of some address arguments (arm64 top-byte-ignore, x86 linear address masking), and no user
// address has more than 56 bits.
constexpr std::uint32_t address_high_bits = 0x00ffffff;

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32U); }

struct outcomes {
  bpf::assembler::target allow, refuse, absent, no_memory, kill;
};

void check_architecture(bpf::assembler& code, const outcomes& out) {
  const auto native = code.label();
  code.fetch(bpf::architecture).jump_if(compare::equal, bpf::native_architecture, native).jump(out.kill).place(native);
  code.fetch(bpf::syscall_number);
#if defined(__x86_64__)
  const auto foreign = code.label(), own = code.label();
  code.jump_if(compare::greater_or_equal, x32_bit, foreign).jump(own).place(foreign);
  code.jump_if(compare::equal, ~std::uint32_t{0}, out.allow).jump(out.kill);  // -1 is no call: the kernel says ENOSYS
  code.place(own);
#endif
}

// Jumps to out.refuse where [address, address + length) and the lane have a byte in common, or where the address
// lies in the lane and the length is 0 (mremap then duplicates). Falls through otherwise. Both are indices of
// arguments.
void refuse_overlap(bpf::assembler& code, const address_range& lane, unsigned address, unsigned length,
                    const outcomes& out) {
  const auto below_end = code.label(), below_begin = code.label(), apart = code.label();
  const auto at_end = code.label(), at_begin = code.label(), at_sum = code.label();
  const auto no_carry = code.label(), summed = code.label();

  code.fetch(bpf::argument_high(address)).mask(address_high_bits);
  code.jump_if(compare::greater, high(lane.end), apart).jump_if(compare::equal, high(lane.end), at_end).jump(below_end);
  code.place(at_end).fetch(bpf::argument_low(address)).jump_if(compare::greater_or_equal, low(lane.end), apart);

  code.place(below_end).fetch(bpf::argument_high(address)).mask(address_high_bits);
  code.jump_if(compare::greater, high(lane.begin), out.refuse)
      .jump_if(compare::equal, high(lane.begin), at_begin)
      .jump(below_begin);
  code.place(at_begin)
      .fetch(bpf::argument_low(address))
      .jump_if(compare::greater_or_equal, low(lane.begin), out.refuse);

  // The range starts below the lane: it reaches into it where address + length > begin. The sum cannot overflow 64
  // bits.
  code.place(below_begin).fetch(bpf::argument_high(length)).jump_if(compare::any_bit_of, 0x80000000U, out.refuse);
  code.fetch(bpf::argument_low(address)).copy_to_index().fetch(bpf::argument_low(length)).add_index().store_scratch(0);
  code.jump_if_index(compare::greater_or_equal, no_carry).load_constant(1).jump(summed);
  code.place(no_carry).load_constant(0);
  code.place(summed)
      .copy_to_index()
      .fetch(bpf::argument_high(address))
      .mask(address_high_bits)
      .add_index()
      .copy_to_index();
  code.fetch(bpf::argument_high(length)).add_index();
  code.jump_if(compare::greater, high(lane.begin), out.refuse)
      .jump_if(compare::equal, high(lane.begin), at_sum)
      .jump(apart);
  code.place(at_sum).load_scratch(0).jump_if(compare::greater, low(lane.begin), out.refuse);
  code.place(apart);
}

void check_futex(bpf::assembler& code, const outcomes& out) {
  code.fetch(bpf::argument_low(1)).mask(static_cast<std::uint32_t>(FUTEX_CMD_MASK));
  for (const std::uint32_t operation :
       {FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI}) {
    code.jump_if(compare::equal, operation, out.refuse);
  }
  code.finish(SECCOMP_RET_ALLOW);
}

void check_madvise(bpf::assembler& code, const outcomes& out) {
  code.fetch(bpf::argument_low(2))
      .jump_if(compare::equal, MADV_REMOVE, out.refuse)
      .jump_if(compare::equal, MADV_DOFORK, out.refuse)
      .jump_if(compare::equal, madv_hwpoison, out.refuse)
      .jump_if(compare::equal, madv_soft_offline, out.refuse)
      .finish(SECCOMP_RET_ALLOW);
}

// Bit 0 of the flags is set for shared mappings of either kind (MAP_SHARED, MAP_SHARED_VALIDATE), and for no other.
void check_mmap(bpf::assembler& code, const outcomes& out) {
  constexpr unsigned flags = 3;
  const auto anonymous = code.label();
  code.fetch(bpf::argument_low(flags))
      .jump_if(compare::any_bit_of, MAP_GROWSDOWN, out.no_memory)
      .jump_if(compare::any_bit_of, MAP_ANONYMOUS, anonymous)
      .finish(SECCOMP_RET_ALLOW);
  code.place(anonymous).jump_if(compare::any_bit_of, MAP_SHARED, out.no_memory).finish(SECCOMP_RET_ALLOW);
}

void check_mremap(bpf::assembler& code, const address_range& lane, const outcomes& out) {
  constexpr unsigned old_address = 0, old_size = 1, new_size = 2, flags = 3, new_address = 4;
  const auto fixed = code.label();
  refuse_overlap(code, lane, old_address, old_size, out);
  code.fetch(bpf::argument_low(flags)).jump_if(compare::any_bit_of, MREMAP_FIXED, fixed).finish(SECCOMP_RET_ALLOW);
  code.place(fixed);
  refuse_overlap(code, lane, new_address, new_size, out);
  code.finish(SECCOMP_RET_ALLOW);
}

}  // namespace

std::vector<sock_filter> baseline_filter(const address_range& lane, bool memory_is_limited) {
  bpf::assembler code;
  const outcomes out = {code.label(), code.label(), code.label(), code.label(), code.label()};
  const auto futex = code.label(), madvise = code.label(), mremap = code.label(), mmap = code.label();

  check_architecture(code, out);
  code.jump_if(compare::equal, SYS_futex, futex)
      .jump_if(compare::equal, SYS_madvise, madvise)
      .jump_if(compare::equal, SYS_mremap, mremap)
      .jump_if(compare::equal, SYS_io_uring_setup, out.absent)
      .jump_if(compare::equal, SYS_remap_file_pages, out.refuse)
      .jump_if(compare::equal, SYS_process_madvise, out.refuse)
      .jump_if(compare::equal, sys_futex_requeue, out.refuse);
  if (memory_is_limited) {
    code.jump_if(compare::equal, SYS_mmap, mmap)
        .jump_if(compare::equal, SYS_memfd_create, out.no_memory)
        .jump_if(compare::equal, sys_memfd_secret, out.no_memory)
        .jump_if(compare::equal, SYS_shmget, out.no_memory);
  }
  code.place(out.allow).finish(SECCOMP_RET_ALLOW);

  code.place(futex);
  check_futex(code, out);
  code.place(madvise);
  check_madvise(code, out);
  code.place(mremap);
  check_mremap(code, lane, out);
  if (memory_is_limited) {
    code.place(mmap);
    check_mmap(code, out);
  }

  code.place(out.refuse).finish(SECCOMP_RET_ERRNO | EPERM);
  code.place(out.no_memory).finish(SECCOMP_RET_ERRNO | ENOMEM);
  code.place(out.absent).finish(SECCOMP_RET_ERRNO | ENOSYS);
  code.place(out.kill).finish(SECCOMP_RET_KILL_PROCESS);
  return code.assemble();
}

}  // namespace selvage::worker
