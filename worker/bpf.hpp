#pragma once
// A small typed assembler for classic BPF as seccomp takes it: loads of the system call's fields, comparisons that jump
// forward to labels, and actions. It knows nothing of any policy.
//
// Called by: worker/baseline_filter.cpp. Never: emits a program that it has not resolved and bounds-checked.
//
//   bpf::assembler code;
//   const auto refuse = code.label();
//   code.fetch(bpf::syscall_number).jump_if(bpf::compare::equal, SYS_ptrace, refuse).finish(SECCOMP_RET_ALLOW);
//   code.place(refuse).finish(SECCOMP_RET_ERRNO | EPERM);
//   std::vector<sock_filter> program = code.assemble();
//
// Source: seccomp(2), Documentation/networking/filter.rst, Documentation/userspace-api/seccomp_filter.rst

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/unique_fd.hpp"

namespace selvage::worker::bpf {

#if defined(__x86_64__)
inline constexpr std::uint32_t native_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
inline constexpr std::uint32_t native_architecture = AUDIT_ARCH_AARCH64;
#else
#error "Selvage's workers run on x86-64 and arm64"
#endif

/// Byte offset of a 32-bit field of seccomp_data. Both architectures are little-endian.
using field = std::uint32_t;
inline constexpr field syscall_number = offsetof(seccomp_data, nr);
inline constexpr field architecture = offsetof(seccomp_data, arch);
constexpr field argument_low(unsigned index) {
  return static_cast<field>(offsetof(seccomp_data, args) + std::size_t{8} * index);
}
constexpr field argument_high(unsigned index) { return argument_low(index) + 4; }

/// Compares the accumulator, unsigned.
enum class compare : std::uint16_t {
  equal = BPF_JEQ,
  greater = BPF_JGT,
  greater_or_equal = BPF_JGE,
  any_bit_of = BPF_JSET,
};

class assembler {
 public:
  struct target {
    std::size_t index;
  };

  /// A place that is not known yet. Jumps go forward only, so it is placed after every jump to it.
  [[nodiscard]] target label();
  assembler& place(target here);

  assembler& fetch(field from);
  assembler& load_constant(std::uint32_t value);
  assembler& load_scratch(unsigned cell);
  assembler& store_scratch(unsigned cell);
  assembler& mask(std::uint32_t bits);
  /// The index register := the accumulator.
  assembler& copy_to_index();
  /// The accumulator += the index register, modulo 2^32.
  assembler& add_index();

  /// Jumps where the comparison holds, falls through otherwise.
  assembler& jump_if(compare how, std::uint32_t value, target where);
  assembler& jump_if_index(compare how, target where);
  assembler& jump(target where);
  /// Ends the program with a SECCOMP_RET_ action.
  assembler& finish(std::uint32_t action);

  /// Throws std::logic_error for a label that was not placed, a backward jump, or a program over BPF_MAXINSNS.
  [[nodiscard]] std::vector<sock_filter> assemble() const;

 private:
  static constexpr std::size_t none = ~std::size_t{0};

  struct instruction {
    std::uint16_t code = 0;
    std::uint32_t operand = 0;
    std::size_t label = none;  // of a jump
  };

  assembler& emit(unsigned code, std::uint32_t operand, std::size_t label = none);

  std::vector<instruction> instructions_;
  std::vector<std::size_t> labels_;  // index of the instruction that each stands before
};

/// Installs a program for the calling process, for good. Requires: no_new_privs is set.
/// Errors: std::system_error where the kernel takes no filters.
void install(const std::vector<sock_filter>& program);

/// The same, for a program that returns SECCOMP_RET_USER_NOTIF. Returns: where the calls are reported. EBUSY where
/// another filter of this process has a listener already.
[[nodiscard]] base::unique_fd install_with_listener(const std::vector<sock_filter>& program);

}  // namespace selvage::worker::bpf
