// The assembler of bpf.hpp: jumps are kept by label and become distances at the end.
#include "worker/bpf.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

#include "base/kernel.hpp"
#include "base/syscalls.hpp"

namespace selvage::worker::bpf {

assembler& assembler::emit(unsigned code, std::uint32_t operand, std::size_t label) {
  instructions_.push_back({static_cast<std::uint16_t>(code), operand, label});
  return *this;
}

assembler::target assembler::label() {
  labels_.push_back(none);
  return {labels_.size() - 1};
}

assembler& assembler::place(target here) {
  labels_.at(here.index) = instructions_.size();
  return *this;
}

assembler& assembler::fetch(field from) { return emit(BPF_LD | BPF_W | BPF_ABS, from); }
assembler& assembler::load_constant(std::uint32_t value) { return emit(BPF_LD | BPF_IMM, value); }
assembler& assembler::load_scratch(unsigned cell) { return emit(BPF_LD | BPF_MEM, cell); }
assembler& assembler::store_scratch(unsigned cell) { return emit(BPF_ST, cell); }
assembler& assembler::mask(std::uint32_t bits) { return emit(BPF_ALU | BPF_AND | BPF_K, bits); }
assembler& assembler::copy_to_index() { return emit(BPF_MISC | BPF_TAX, 0); }
assembler& assembler::add_index() { return emit(BPF_ALU | BPF_ADD | BPF_X, 0); }

assembler& assembler::jump_if(compare how, std::uint32_t value, target where) {
  return emit(BPF_JMP | static_cast<unsigned>(how) | BPF_K, value, where.index);
}

assembler& assembler::jump_if_index(compare how, target where) {
  return emit(BPF_JMP | static_cast<unsigned>(how) | BPF_X, 0, where.index);
}

assembler& assembler::jump(target where) { return emit(BPF_JMP | BPF_JA, 0, where.index); }
assembler& assembler::finish(std::uint32_t action) { return emit(BPF_RET | BPF_K, action); }

std::vector<sock_filter> assembler::assemble() const {
  if (instructions_.size() > BPF_MAXINSNS) throw std::logic_error("a BPF program of more than 4096 instructions");
  std::vector<sock_filter> program;
  program.reserve(instructions_.size());
  for (std::size_t at = 0; at < instructions_.size(); ++at) {
    const instruction& from = instructions_[at];
    sock_filter to = {.code = from.code, .jt = 0, .jf = 0, .k = from.operand};
    if (from.label != none) {
      const std::size_t where = labels_.at(from.label);
      if (where <= at || where >= instructions_.size()) throw std::logic_error("a BPF jump that leads nowhere");
      const std::size_t distance = where - at - 1;
      if (BPF_OP(from.code) == BPF_JA) {
        to.k = static_cast<std::uint32_t>(distance);
      } else {
        if (distance > 255) throw std::logic_error("a conditional BPF jump over more than 255 instructions");
        to.jt = static_cast<std::uint8_t>(distance);
      }
    }
    program.push_back(to);
  }
  return program;
}

namespace {

long set_filter(const std::vector<sock_filter>& program, unsigned flags) {
  const sock_fprog described = {.len = static_cast<unsigned short>(program.size()),
                                .filter = const_cast<sock_filter*>(program.data())};
  return base::check(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &described),
                     "seccomp(SECCOMP_SET_MODE_FILTER)");
}

}  // namespace

void install(const std::vector<sock_filter>& program) { (void)set_filter(program, 0); }

base::unique_fd install_with_listener(const std::vector<sock_filter>& program) {
  return base::unique_fd(static_cast<int>(set_filter(program, base::seccomp_listener_flags)));
}

}  // namespace selvage::worker::bpf
