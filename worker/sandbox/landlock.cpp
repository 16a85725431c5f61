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

// What a version does not know is left out of it.
std::uint64_t rights_of(access to) noexcept {
  using namespace file_right;
  switch (to) {
    case access::read:
      return read_file | read_dir;
    case access::execute:
      return execute | read_file | read_dir;
    case access::write:
      return write_file | truncate | remove_dir | remove_file | make_dir | make_reg | make_sym | refer;
    case access::read_or_write:
      return read_file | write_file;
  }
  return 0;
}

void add_place(int ruleset, const granted_place& given, std::uint64_t known) {
  base::unique_fd own;
  if (!given.held)
    own.reset(
        base::check(::open(given.path.c_str(), O_PATH | O_CLOEXEC), ("open for Landlock: " + given.path).c_str()));
  const int place = given.held ? given.held->get() : own.get();
  struct stat what = {};
  base::check(::fstat(place, &what), ("fstat for Landlock: " + given.path).c_str());
  std::uint64_t rights = rights_of(given.to) & known;
  if (!S_ISDIR(what.st_mode)) rights &= file_right::of_one_file;
  path_rule rule = {.allowed = rights, .parent = place};
  base::check(::syscall(SYS_landlock_add_rule, ruleset, rule_of_path, &rule, 0U),
              ("landlock_add_rule: " + given.path).c_str());
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
  for (const granted_place& place : given.places) add_place(ruleset.get(), place, known);
  if (version >= base::landlock_with_ports) {
    for (const std::uint16_t port : given.tcp_connect) add_port(ruleset.get(), port, port_right::connect_tcp);
    for (const std::uint16_t port : given.tcp_listen) add_port(ruleset.get(), port, port_right::bind_tcp);
  }
  base::check(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U), "landlock_restrict_self");
  return version;
}

}  // namespace selvage::worker::sandbox
