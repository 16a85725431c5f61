// Reads /proc and the processor clocks of other processes. See process_tree.hpp.

#include "process_tree.hpp"

#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace selvage::bench {
namespace {

// The fourth field of /proc/PID/stat, behind a name that may hold anything. 0: the process is gone.
pid_t parent_of(const std::filesystem::path& directory) {
  std::ifstream file(directory / "stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 4 > text.size()) return 0;
  pid_t parent = 0;
  std::from_chars(text.data() + name_end + 4, text.data() + text.size(), parent);
  return parent;
}

std::vector<std::pair<pid_t, pid_t>> all_with_parents() {
  std::vector<std::pair<pid_t, pid_t>> found;
  for (const auto& each : std::filesystem::directory_iterator("/proc")) {
    const std::string name = each.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc{} && end == name.data() + name.size()) found.emplace_back(pid, parent_of(each.path()));
  }
  return found;
}

}  // namespace

std::vector<pid_t> tree_of(pid_t root) {
  const auto processes = all_with_parents();
  std::vector<pid_t> tree{root};
  for (std::size_t at = 0; at < tree.size(); ++at) {
    for (const auto& [pid, parent] : processes) {
      if (parent == tree[at]) tree.push_back(pid);
    }
  }
  return tree;
}

std::uint64_t cpu_ns(const std::vector<pid_t>& pids) {
  std::uint64_t total = 0;
  for (const pid_t pid : pids) {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) continue;
    total += static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(used.tv_nsec);
  }
  return total;
}

std::uint64_t pss_anon_bytes(std::string_view smaps_rollup) {
  constexpr std::string_view label = "Pss_Anon:";
  const std::size_t at = smaps_rollup.find(label);
  if (at != std::string_view::npos) {
    const std::string_view rest = smaps_rollup.substr(at + label.size());
    const std::size_t digits = rest.find_first_not_of(' ');
    std::uint64_t kib = 0;
    if (digits != std::string_view::npos &&
        std::from_chars(rest.data() + digits, rest.data() + rest.size(), kib).ec == std::errc{}) {
      return kib * 1024;
    }
  }
  throw std::runtime_error("smaps_rollup has no Pss_Anon: the kernel is older than 5.3");
}

}  // namespace selvage::bench
