#pragma once
// The files and folders that a pool grants, held open from before its first task runs until its last worker is sealed.
//
// Landlock's rules are about what a path leads to when the rule is made, and every worker makes its own. If each went
// by the name, a task that may write could put a link there, and die: the next worker would be granted whatever the
// link leads to. So the names are looked up once, while no task runs, and no link is followed: they are canonical.
//
// Called by: start/crew.cpp, once per pool; landlock.cpp, which makes rules of what is held. Never: opens for reading
// or writing (O_PATH), follows a link.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace selvage::worker::sandbox {

enum class access : std::uint8_t {
  read,
  write,         ///< create, rename and remove, too; not read
  execute,       ///< and read
  read_or_write  ///< a device
};

struct granted_place {
  std::string path;  ///< for errors
  access to = access::read;
  /// Nothing: of the process itself (/proc/self), which every worker has to open for itself.
  std::shared_ptr<const base::unique_fd> held{};
};

/// Of permissions that are resolved: paths without links.
struct granted_paths {
  std::vector<std::string> read{}, write{}, run{};
};

class place_keeper {
 public:
  /// With what programs need to start, where any may be run. Nothing where the kernel has no Landlock. The same path is
  /// held once. Errors: std::system_error, which names the path.
  [[nodiscard]] std::vector<granted_place> hold(const granted_paths& given);

 private:
  [[nodiscard]] granted_place held(const std::string& path, access to);
  [[nodiscard]] std::shared_ptr<const base::unique_fd> opened(const std::string& path);

  std::map<std::string, std::shared_ptr<const base::unique_fd>> opened_;
};

}  // namespace selvage::worker::sandbox
