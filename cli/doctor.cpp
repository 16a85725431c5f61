// See doctor.hpp.

#include "doctor.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <selvage/machine.hpp>

namespace selvage::cli {
namespace {

struct row {
  std::string_view key;  ///< in JSON
  std::string_view title;
  std::string json;
  std::string seen;
  std::string_view meaning;
};

std::string quoted(std::string_view text) {
  std::string all = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') all += '\\';
    if (static_cast<unsigned char>(letter) >= 0x20) all += letter;
  }
  return all + '"';
}

row fact(std::string_view key, std::string_view title, bool holds, std::string_view if_so, std::string_view if_not) {
  return {key, title, holds ? "true" : "false", holds ? "yes" : "no", holds ? if_so : if_not};
}

std::string_view text_of(machine::control_groups groups) {
  switch (groups) {
    case machine::control_groups::none:
      return "none";
    case machine::control_groups::version_1:
      return "version 1";
    case machine::control_groups::version_2:
      return "version 2";
    case machine::control_groups::both:
      return "versions 1 and 2";
  }
  return "";
}

std::string_view landlock_meaning(int version) {
  if (version == 0) return "grants of files and TCP ports are refused; strict without any can be enforced";
  if (version < 3) return "reading can be granted; writing and TCP ports cannot";
  if (version < 4) return "files can be granted; TCP ports cannot";
  if (version < 6) return "files and TCP ports can be granted; programs cannot";
  return "files, TCP ports and programs can be granted";
}

std::vector<row> rows_of(const machine& it) {
  const auto mebibytes = [](bytes size) { return fmt::format("{} MiB", size.count / 1'048'576); };
  std::vector<row> all;
  all.push_back({"kernel", "kernel", quoted(it.kernel), it.kernel,
                 it.new_enough ? "new enough" : "Selvage is made for Linux 6.1 and later"});
  all.push_back({"landlock", "Landlock", std::to_string(it.landlock),
                 it.landlock == 0 ? "no" : fmt::format("version {}", it.landlock), landlock_meaning(it.landlock)});
  all.push_back(fact("seccomp_filters", "seccomp filters", it.seccomp_filters, "system calls can be refused",
                     "no pool can be built: every worker runs under a filter"));
  all.push_back(fact("seccomp_traps", "seccomp traps", it.seccomp_traps, "refused calls are named in errors",
                     "strict permissions cannot be enforced"));
  all.push_back(fact("seccomp_listeners", "seccomp listeners", it.seccomp_listeners,
                     "a worker's threads and processes can be limited",
                     "no number of threads can be asked for: somebody listens already, or the kernel cannot"));
  all.push_back(fact("user_namespaces", "user namespaces", it.user_namespaces, "may be made here",
                     "may not be made here; Selvage does not need them"));
  all.push_back(fact("pid_namespaces", "PID namespaces", it.pid_namespaces, "may be made here",
                     "may not be made here: what an unsafe task cuts loose may outlive a killed supervisor"));
  all.push_back({"control_groups", "control groups", quoted(text_of(it.groups)), std::string(text_of(it.groups)),
                 it.memory_group_delegated ? "memory groups may be made here; Selvage limits memory without them"
                                           : "none may be made here; Selvage limits memory without them"});
  all.push_back({"memory_group_delegated", "", it.memory_group_delegated ? "true" : "false", "", ""});
  all.push_back({"shared_memory_bytes", "/dev/shm", std::to_string(it.shared_memory.count), mebibytes(it.shared_memory),
                 it.shared_memory.count < 67'108'865 ? "small: large payloads will say payload_exhausted"
                                                     : "shared memory of all pools together"});
  all.push_back({"shared_memory_free_bytes", "", std::to_string(it.shared_memory_free.count), "", ""});
  all.push_back(fact("mseal", "mseal", it.mseal, "a worker cannot unmap or replace its lane",
                     "a worker can unmap its own lane, which harms itself only"));
  all.push_back(fact("mdwe", "memory-deny-write-execute", it.mdwe, "the kernel keeps data from becoming code",
                     "the filter alone keeps data from becoming code"));
  all.push_back(
      fact("pidfd", "pidfd", it.pidfd, "workers are watched and killed without a race", "no pool can be built"));
  all.push_back(
      fact("futex_waitv", "futex_waitv", it.futex_waitv, "one sleep waits for every worker", "no pool can be built"));
  all.push_back(fact("membarrier", "membarrier", it.membarrier, "calls need no full fences",
                     "calls are slower: each needs full fences"));
  return all;
}

}  // namespace

int doctor(bool json) {
  const machine here = look_at_this_machine();
  const std::vector<row> rows = rows_of(here);
  if (json) {
    std::string text = "{";
    for (const row& each : rows) text += fmt::format("{}: {}, ", quoted(each.key), each.json);
    fmt::print("{}\"strict\": {}}}\n", text, here.can_be_strict());
  } else {
    for (const row& each : rows) {
      if (!each.title.empty()) fmt::print("{:<26} {:<16} {}\n", each.title, each.seen, each.meaning);
    }
    fmt::print("\nStrict permissions {} be enforced here.\n", here.can_be_strict() ? "can" : "cannot");
  }
  return here.can_be_strict() ? 0 : 1;
}

}  // namespace selvage::cli
