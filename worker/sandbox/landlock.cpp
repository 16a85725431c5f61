// The calls of landlock.hpp. Debian 12's headers end at version 2 of the interface: its numbers are written out here.

#include "worker/sandbox/landlock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/kernel.hpp"
#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"

namespace selvage::worker::sandbox {
namespace {

// ---- <linux/landlock.h>, version 6 ---------------------------------------------------------------------------------

struct ruleset_attributes {
  std::uint64_t files;
  std::uint64_t ports;
  std::uint64_t scopes;
};
struct path_rule {
  std::uint64_t allowed;
  std::int32_t parent;
} __attribute__((packed));
struct port_rule {
  std::uint64_t allowed;
  std::uint64_t port;
};
constexpr int rule_of_path = 1, rule_of_port = 2;

namespace file_right {
// Never granted, and so without a name here: to make devices, sockets and pipes (bits 6, 9, 10, 11).
constexpr std::uint64_t execute = 1U << 0, write_file = 1U << 1, read_file = 1U << 2, read_dir = 1U << 3,
                        remove_dir = 1U << 4, remove_file = 1U << 5, make_dir = 1U << 7, make_reg = 1U << 8,
                        make_sym = 1U << 12, refer = 1U << 13, truncate = 1U << 14, ioctl_dev = 1U << 15;
constexpr std::uint64_t of_one_file = execute | write_file | read_file | truncate | ioctl_dev;
}  // namespace file_right

namespace port_right {
constexpr std::uint64_t bind_tcp = 1U << 0, connect_tcp = 1U << 1;
}

constexpr std::uint64_t every_scope = 3;  // abstract Unix sockets, signals

// ---- by version ----------------------------------------------------------------------------------------------------

std::uint64_t file_rights(int version) noexcept {
  std::uint64_t all = file_right::refer - 1;
  if (version >= 2) all |= file_right::refer;
  if (version >= base::landlock_with_truncate) all |= file_right::truncate;
  if (version >= 5) all |= file_right::ioctl_dev;
  return all;
}

base::unique_fd new_ruleset(int version) {
  ruleset_attributes wanted = {};
  wanted.files = file_rights(version);
  std::size_t size = sizeof wanted.files;
  if (version >= base::landlock_with_ports) {
    wanted.ports = port_right::bind_tcp | port_right::connect_tcp;
    size = offsetof(ruleset_attributes, scopes);
  }
  if (version >= base::landlock_with_signals) {
    wanted.scopes = every_scope;
    size = sizeof wanted;
  }
  return base::unique_fd(static_cast<int>(
      base::check(::syscall(SYS_landlock_create_ruleset, &wanted, size, 0U), "landlock_create_ruleset")));
}

void add_path(int ruleset, const std::string& path, std::uint64_t rights) {
  const base::unique_fd place(
      base::check(::open(path.c_str(), O_PATH | O_CLOEXEC), ("open for Landlock: " + path).c_str()));
  struct stat what = {};
  base::check(::fstat(place.get(), &what), ("fstat for Landlock: " + path).c_str());
  if (!S_ISDIR(what.st_mode)) rights &= file_right::of_one_file;
  path_rule rule = {.allowed = rights, .parent = place.get()};
  base::check(::syscall(SYS_landlock_add_rule, ruleset, rule_of_path, &rule, 0U),
              ("landlock_add_rule: " + path).c_str());
}

// What every dynamic program reads before its own first instruction, and the loader itself, which the kernel executes.
constexpr const char* loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
                                   "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"};
constexpr const char* libraries[] = {"/lib",           "/lib64",           "/usr/lib",          "/usr/lib64",
                                     "/usr/local/lib", "/etc/ld.so.cache", "/etc/ld.so.preload"};

bool exists(const char* path) noexcept { return ::access(path, F_OK) == 0; }

void add_programs(int ruleset, const std::vector<std::string>& run) {
  using namespace file_right;
  if (run.empty()) return;
  for (const auto& path : run) add_path(ruleset, path, execute | read_file | read_dir);
  for (const char* const path : loaders)
    if (exists(path)) add_path(ruleset, path, execute | read_file);
  for (const char* const path : libraries)
    if (exists(path)) add_path(ruleset, path, read_file | read_dir);
  add_path(ruleset, "/dev/null", read_file | write_file);
}

void add_port(int ruleset, std::uint16_t port, std::uint64_t right) {
  port_rule rule = {.allowed = right, .port = port};
  base::check(::syscall(SYS_landlock_add_rule, ruleset, rule_of_port, &rule, 0U), "landlock_add_rule of a port");
}

}  // namespace

int confine(const landlock_rules& given) {
  const int version = base::landlock_version();
  if (version == 0) return 0;
  const base::unique_fd ruleset = new_ruleset(version);
  const std::uint64_t known = file_rights(version);
  using namespace file_right;
  for (const auto& path : given.read) add_path(ruleset.get(), path, read_file | read_dir);
  add_programs(ruleset.get(), given.run);
  for (const auto& path : given.write) {
    add_path(ruleset.get(), path,
             known & (write_file | truncate | remove_dir | remove_file | make_dir | make_reg | make_sym | refer));
  }
  if (version >= base::landlock_with_ports) {
    for (const std::uint16_t port : given.tcp_connect) add_port(ruleset.get(), port, port_right::connect_tcp);
    for (const std::uint16_t port : given.tcp_listen) add_port(ruleset.get(), port, port_right::bind_tcp);
  }
  base::check(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U), "landlock_restrict_self");
  return version;
}

}  // namespace selvage::worker::sandbox
