// See held_places.hpp.

#include "worker/sandbox/held_places.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/kernel.hpp"
#include "base/syscalls.hpp"

namespace selvage::worker::sandbox {
namespace {

// What every dynamic program reads before its own first instruction, and the loader itself, which the kernel executes.
constexpr const char* loaders[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
                                   "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"};
constexpr const char* libraries[] = {"/lib",           "/lib64",           "/usr/lib",          "/usr/lib64",
                                     "/usr/local/lib", "/etc/ld.so.cache", "/etc/ld.so.preload"};

base::unique_fd open_place(const std::string& path) {
  const open_how how = {.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = RESOLVE_NO_SYMLINKS};
  base::unique_fd place(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!place && errno == ELOOP)
    base::throw_errno(ELOOP, "permissions: " + path + " has become a link since the grant was looked at");
  if (!place) base::throw_errno(errno, "permissions: open " + path);
  if (place.get() > STDERR_FILENO) return place;
  // 0 to 2 have their own meaning in supervisor and worker
  return base::unique_fd(
      base::check(::fcntl(place.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl(F_DUPFD_CLOEXEC)"));
}

}  // namespace

std::shared_ptr<const base::unique_fd> place_keeper::opened(const std::string& path) {
  auto& place = opened_[path];
  if (!place) place = std::make_shared<const base::unique_fd>(open_place(path));
  return place;
}

granted_place place_keeper::held(const std::string& path, access to) {
  return {path, to, base::is_of_own_process(path) ? nullptr : opened(path)};
}

std::vector<granted_place> place_keeper::hold(const granted_paths& given) {
  std::vector<granted_place> all;
  if (base::landlock_version() == 0) return all;
  for (const auto& path : given.read) all.push_back(held(path, access::read));
  for (const auto& path : given.run) all.push_back(held(path, access::execute));
  for (const auto& path : given.write) all.push_back(held(path, access::write));
  if (given.run.empty()) return all;
  const auto add_if_there = [&](const char* path, access to) {
    std::error_code absent;
    const std::filesystem::path real = std::filesystem::canonical(path, absent);
    if (!absent) all.push_back(held(real.string(), to));
  };
  for (const char* const path : loaders) add_if_there(path, access::execute);
  for (const char* const path : libraries) add_if_there(path, access::read);
  add_if_there("/dev/null", access::read_or_write);
  return all;
}

}  // namespace selvage::worker::sandbox
