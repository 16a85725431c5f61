// See start_gate.hpp.

#include "start_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace selvage::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto look_again = 200ms;
constexpr auto silent_wait = 5s;

/// MemAvailable: what can be had without swapping. Source: proc_meminfo(5)
std::uint64_t free_bytes() {
  std::ifstream figures("/proc/meminfo");
  for (std::string name, unit; figures >> name;) {
    std::uint64_t kilobytes = 0;
    figures >> kilobytes;
    std::getline(figures, unit);
    if (name == "MemAvailable:") return kilobytes * 1024;
  }
  return ~std::uint64_t{0};
}

/// Processes that run or want to, right now: the averages beside it are a minute late. Source: proc_loadavg(5)
unsigned running_processes() {
  std::ifstream figures("/proc/loadavg");
  double average = 0;
  unsigned running = 1;
  figures >> average >> average >> average >> running;
  return running == 0 ? 0 : running - 1;  // one of them is this
}

}  // namespace

std::string start_gate::lacking() const {
  if (options_.free_bytes != 0) {
    if (const std::uint64_t free = free_bytes(); free < options_.free_bytes)
      return fmt::format("{} bytes of memory are free (--memfree {})", free, options_.free_bytes);
  }
  if (options_.load != 0) {
    if (const unsigned running = running_processes(); running >= options_.load)
      return fmt::format("{} processes want to run (--load {})", running, options_.load);
  }
  return {};
}

std::chrono::nanoseconds start_gate::ask(std::size_t active) {
  const auto now = clock::now();
  if (now < next_start_) return next_start_ - now;
  const std::string why = lacking();
  if (why.empty()) {
    waits_since_ = clock::time_point::max();
    next_start_ = now + options_.delay;
    return 0ns;
  }
  waits_since_ = std::min(waits_since_, now);
  if (!quiet_ && !has_told_ && active == 0 && now - waits_since_ >= silent_wait) {
    has_told_ = true;
    fmt::print(stderr, "selvage: nothing is started while {}\n", why);
  }
  return look_again;
}

}  // namespace selvage::cli
