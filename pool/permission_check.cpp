// See permission_check.hpp.

#include "pool/permission_check.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>

#include <selvage/error.hpp>

#include "base/kernel.hpp"

namespace selvage::host {
namespace {

namespace fs = std::filesystem;

/// Looked at within one granted folder, for the advice. A large tree is not worth a slow start.
constexpr unsigned most_entries_scanned = 5000;
constexpr unsigned most_threads = 65'536;
constexpr std::array<std::string_view, 4> telling_names = {".env", ".git", ".netrc", ".npmrc"};

constexpr std::string_view pools_field = "pool_options::permissions: ";

[[noreturn]] void refuse(const std::string& what) {
  throw error(errc::invalid_options, std::string(pools_field) + what);
}
[[noreturn]] void cannot(const std::string& what) { throw error(errc::sandbox_unavailable, what); }

std::vector<fs::path> homes() {
  std::vector<fs::path> all;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a program that changes its environment meanwhile has given its word away
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/') all.emplace_back(home);
  std::array<char, 4096> space{};
  passwd entry = {};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, space.data(), space.size(), &found) == 0 && found != nullptr)
    all.emplace_back(entry.pw_dir);
  return all;
}

// As they are on the disk: what a link leads to is what is exposed.
std::set<fs::path> sensitive_paths() {
  std::set<fs::path> all;
  const auto add = [&](const fs::path& path) {
    std::error_code absent;
    if (const fs::path real = fs::canonical(path, absent); !absent) all.insert(real);
  };
  for (const char* const path : {"/etc/shadow", "/proc", "/sys", "/dev"}) add(path);
  for (const fs::path& home : homes()) {
    for (const char* const name : {".ssh", ".gnupg", ".aws"}) add(home / name);
  }
  return all;
}

bool is_below(const fs::path& inner, const fs::path& outer) {
  const auto [rest, end] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return rest == outer.end() && end != inner.end();
}

// Without links, for what they lead to is granted: all but /proc/self, which means the worker's own.
fs::path real_path(const std::string& given, std::string_view grant) {
  if (given.empty()) refuse(fmt::format("{}(\"\"): the path is empty", grant));
  if (given.find('\0') != given.npos) refuse(fmt::format("{}: the path has a zero byte", grant));
  std::error_code problem;
  const fs::path absolute = fs::absolute(given, problem).lexically_normal();
  fs::path real = problem ? fs::path() : fs::canonical(absolute, problem);
  if (problem) refuse(fmt::format("{}(\"{}\"): {}", grant, given, problem.message()));
  if (!base::is_of_own_process(absolute.native())) return real;
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

void refuse_what_exposes(const std::vector<fs::path>& granted, std::string_view grant) {
  if (granted.empty()) return;
  std::set<fs::path> named;
  for (const fs::path& path : granted) {
    std::error_code gone;  // since it was looked at: the worker will not find it either
    if (const fs::path real = fs::canonical(path, gone); !gone) named.insert(real);
  }
  for (const fs::path& secret : sensitive_paths()) {
    if (named.contains(secret)) continue;
    for (const fs::path& path : named) {
      if (!is_below(secret, path)) continue;
      refuse(
          fmt::format("{0}(\"{1}\") would expose {2}, which nothing can take out again: grant what is needed of "
                      "{1}, or grant {0}(\"{2}\") as well",
                      grant, path.string(), secret.string()));
    }
  }
}

void advise(const fs::path& granted) {
  std::error_code problem;
  fs::recursive_directory_iterator at(granted, fs::directory_options::skip_permission_denied, problem);
  for (unsigned seen = 0; !problem && at != fs::end(at) && seen < most_entries_scanned; ++seen, at.increment(problem)) {
    const std::string name = at->path().filename().string();
    if (std::ranges::find(telling_names, name) == telling_names.end()) continue;
    std::fprintf(
        stderr,
        "selvage: tasks may read %s, which is below a granted folder (advice; the first %u names were looked at)\n",
        at->path().c_str(), most_entries_scanned);
    return;
  }
}

std::vector<std::string> checked_paths(const std::vector<std::string>& given, std::string_view grant) {
  std::vector<fs::path> paths;
  paths.reserve(given.size());
  for (const std::string& each : given) paths.push_back(real_path(each, grant));
  refuse_what_exposes(paths, grant);
  std::vector<std::string> all;
  all.reserve(paths.size());
  for (const fs::path& each : paths) all.push_back(each.string());
  return all;
}

std::vector<std::string> assignments(const std::vector<std::string>& names) {
  std::vector<std::string> all;
  for (const std::string& name : names) {
    if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos)
      refuse(fmt::format("env(\"{}\") is no name of a variable", name));
    // NOLINTNEXTLINE(concurrency-mt-unsafe): as above
    if (const char* const value = std::getenv(name.c_str())) all.push_back(name + "=" + value);
  }
  return all;
}

void require_threads_that_can_be_counted(const permissions::grants& it) {
  if (!it.threads) return;
  if (*it.threads > most_threads) refuse(fmt::format("threads({}) is more than {}", *it.threads, most_threads));
  if (it.best_effort || base::has_seccomp_listeners()) return;
  cannot(
      "a number of threads needs a seccomp filter with a listener, and this process cannot have one, or is under "
      "another's: permissions.best_effort(true) goes without");
}

void require_a_kernel_that_can(const permissions::grants& it) {
  if (!base::has_seccomp_traps()) cannot("strict permissions need seccomp filters, which this kernel does not have");
  if (it.best_effort) return;
  const int version = base::landlock_version();
  const auto need = [&](bool wanted, int least, std::string_view what) {
    if (!wanted || version >= least) return;
    cannot(
        fmt::format("{} need version {} of Landlock, and this kernel has {}: permissions.best_effort(true) goes "
                    "without",
                    what, least, version == 0 ? std::string("none") : "version " + std::to_string(version)));
  };
  need(!it.read.empty(), 1, "read grants");
  need(!it.run.empty(), base::landlock_with_signals, "run grants");
  need(!it.write.empty(), base::landlock_with_truncate, "write grants");
  need(!it.tcp_connect.empty() || !it.tcp_listen.empty(), base::landlock_with_ports, "grants of TCP ports");
}

template <class Value>
bool holds(const std::vector<Value>& all, const Value& one) {
  return std::ranges::find(all, one) != all.end();
}

// It is one of the granted ones, or lies below one, wherever links lead.
bool is_below_one_of(const std::vector<std::string>& granted, const std::string& path) {
  if (holds(granted, path)) return true;
  std::error_code gone;
  const fs::path real = fs::canonical(path, gone);
  return !gone && std::ranges::any_of(granted, [&](const std::string& each) {
    const fs::path root = fs::canonical(each, gone);
    return !gone && (root == real || is_below(real, root));
  });
}

// The first grant that the pool has not, as it was given; empty where there is none. Both are resolved, and the pool is
// strict.
std::string more_than(const permissions::grants& pool, const permissions::grants& own,
                      const permissions::grants& as_given, unsigned threads_of_pool) {
  std::string found;
  const auto look_for = [&](std::vector<std::string> permissions::grants::*list, std::string_view grant) {
    for (std::size_t i = 0; found.empty() && i < (own.*list).size(); ++i)
      if (!is_below_one_of(pool.*list, (own.*list)[i])) found = fmt::format("{}(\"{}\")", grant, (as_given.*list)[i]);
  };
  look_for(&permissions::grants::read, "read");
  look_for(&permissions::grants::write, "write");
  look_for(&permissions::grants::run, "run");
  if (!found.empty()) return found;
  for (const std::string& each : own.environment)
    if (!holds(pool.environment, each)) return fmt::format("env(\"{}\")", each.substr(0, each.find('=')));
  for (const std::uint16_t each : own.tcp_connect)
    if (!holds(pool.tcp_connect, each)) return fmt::format("net(tcp_connect{{{}}})", each);
  for (const std::uint16_t each : own.tcp_listen)
    if (!holds(pool.tcp_listen, each)) return fmt::format("net(tcp_listen{{{}}})", each);
  if (own.udp && !pool.udp) return "net(udp{})";
  if (own.console && !pool.console) return "console(true)";
  if (own.jit && !pool.jit) return "jit(true)";
  if (own.threads.value_or(0) > threads_of_pool) return fmt::format("threads({})", *own.threads);
  return {};
}

}  // namespace

permissions resolved_permissions(const pool_options& given) {
  using enum permissions::foundation;
  permissions::grants it = given.permissions.granted();
  if (it.from > unsafe) refuse("they start from none of strict and unsafe");
  if (it.from == by_start) it.from = given.start == start::spawn ? strict : unsafe;
  it.environment = assignments(it.environment);
  require_threads_that_can_be_counted(it);
  if (it.from == unsafe) return permissions(std::move(it));
  it.read = checked_paths(it.read, "read");
  it.write = checked_paths(it.write, "write");
  it.run = checked_paths(it.run, "run");
  require_a_kernel_that_can(it);
  for (const std::string& path : it.read) advise(path);
  return permissions(std::move(it));
}

namespace {

permissions resolved_for_task(pool_options pool, permissions own, std::string_view task) {
  pool.permissions = std::move(own);
  try {
    return resolved_permissions(pool);
  } catch (const error& problem) {
    failure what = problem.details();
    if (what.message.starts_with(pools_field))
      what.message =
          fmt::format("task_options::permissions of task '{}': {}", task, what.message.substr(pools_field.size()));
    throw error(std::move(what));
  }
}

}  // namespace

permissions narrowed_permissions(const pool_options& pool, const permissions& wanted, std::string_view task) {
  using enum permissions::foundation;
  const permissions::grants& granted = pool.permissions.granted();
  permissions::grants it = wanted.granted();
  if (it.from == by_start) it.from = granted.from;
  const auto too_much = [task](const std::string& what) {
    throw error(errc::invalid_options,
                fmt::format("task_options::permissions of task '{}': {} is more than its pool grants", task, what));
  };
  if (granted.from == strict && it.from == unsafe) too_much("unsafe()");
  permissions resolved = resolved_for_task(pool, permissions(std::move(it)), task);
  const unsigned threads_of_pool = granted.threads.value_or(threads_by_default(granted));
  if (granted.from == strict) {
    const std::string more = more_than(granted, resolved.granted(), wanted.granted(), threads_of_pool);
    if (!more.empty()) too_much(more);
  } else if (granted.threads && resolved.granted().threads.value_or(*granted.threads) > *granted.threads) {
    too_much(fmt::format("threads({})", *resolved.granted().threads));
  }
  if (granted.threads && !resolved.granted().threads) return resolved.threads(*granted.threads);
  return resolved;
}

}  // namespace selvage::host
