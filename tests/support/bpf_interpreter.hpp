#pragma once
// A seccomp program run by hand, so that its verdict on any call can be asked without making the call.

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace selvage::tests {

/// What seccomp(2) says that a program means. `steps`: where to count its instructions.
inline std::uint32_t interpret(const std::vector<sock_filter>& program, const seccomp_data& call,
                               unsigned* steps = nullptr) {
  std::uint32_t accumulator = 0, index = 0;
  std::array<std::uint32_t, 16> scratch{};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    if (steps != nullptr) ++*steps;
    const std::uint32_t operand = BPF_SRC(step.code) == BPF_X ? index : step.k;
    const auto jump = [&](bool taken) { at += taken ? step.jt : step.jf; };
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k, 4);
        break;
      case BPF_LD | BPF_IMM:
        accumulator = step.k;
        break;
      case BPF_LD | BPF_MEM:
        accumulator = scratch.at(step.k);
        break;
      case BPF_ST:
        scratch.at(step.k) = accumulator;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_ALU | BPF_ADD | BPF_X:
        accumulator += index;
        break;
      case BPF_MISC | BPF_TAX:
        index = accumulator;
        break;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(accumulator == operand);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        jump(accumulator > operand);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_X:
        jump(accumulator >= operand);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((accumulator & operand) != 0);
        break;
      case BPF_RET | BPF_K:
        return step.k;
      default:
        throw std::logic_error("an instruction that the interpreter does not know");
    }
  }
  throw std::logic_error("ran off the end of the program");
}

}  // namespace selvage::tests
