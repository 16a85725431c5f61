#pragma once
// What a pool's workers may do. A value: each grant gives a new one.
//
//   selvage::pool pool({.permissions = selvage::permissions::strict().read("/usr/share/fonts").env("LANG")}, render);
//
// strict() grants nothing: no file but what is loaded already, no write, no socket, no program, no process, an empty
// environment, no terminal. A clock, random numbers, memory and threads need no grant. unsafe() grants everything that
// the program itself may do. Both keep what no worker may do (docs/permissions.md). What the kernel cannot enforce is
// an error when the pool is built: errc::sandbox_unavailable.
//
// A refused system call gives the task an errno and is counted (lane_stats::refusals); the error of a task that then
// throws names it. A call by which no honest task could gain anything, such as ptrace, ends the call with
// errc::permission_denied, and so does every refused one under on_violation::kill.
//
// Thread-safety: as a value. What each grant means to the kernel, and what is not enforced: docs/permissions.md.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace selvage {

struct tcp_connect {
  std::uint16_t port;  ///< of any address
};
struct tcp_listen {
  std::uint16_t port;  ///< for bind(); listen() without it takes a port that the kernel chooses, which is not looked at
};
struct udp {};  ///< to and from any address and port

/// What happens at a refused system call.
enum class on_violation : std::uint8_t {
  refuse,  ///< the task gets EACCES or EPERM and goes on
  kill,    ///< the call ends with errc::permission_denied
};

class permissions {
 public:
  enum class foundation : std::uint8_t { by_start, strict, unsafe };

  /// strict() with start::spawn, unsafe() with start::fork.
  permissions() = default;
  [[nodiscard]] static permissions strict() { return permissions(foundation::strict); }
  [[nodiscard]] static permissions unsafe() { return permissions(foundation::unsafe); }

  /// A file, or everything below a folder. It must exist when the pool is built; what is granted is the file or folder
  /// that is there then, wherever it is moved, and never what takes its name. A relative path starts at the program's
  /// working directory. A path that would expose one of ~/.ssh, ~/.gnupg, ~/.aws, /etc/shadow, /proc, /sys and /dev is
  /// refused unless that one is granted by its own name too.
  [[nodiscard]] permissions read(std::string path) const { return with(&grants::read, std::move(path)); }
  /// Write, create, rename and remove; not read, and never owner, mode, times or extended attributes.
  [[nodiscard]] permissions write(std::string path) const { return with(&grants::write, std::move(path)); }
  /// A program, or every one below a folder: it may be read and executed, and with it the libraries of /lib and
  /// /usr/lib. It is under the same permissions, except that what it is refused is an errno that nobody is told of; and
  /// it is ended with its worker, but not where somebody else kills the pool's supervisor. A script's interpreter needs
  /// a grant of its own. Needs Landlock's signal scope (Linux 6.12), for processes may be signalled then.
  [[nodiscard]] permissions run(std::string path) const { return with(&grants::run, std::move(path)); }
  /// A variable of this program's environment, as it is when the pool is built.
  [[nodiscard]] permissions env(std::string name) const { return with(&grants::environment, std::move(name)); }
  [[nodiscard]] permissions net(tcp_connect to) const { return with(&grants::tcp_connect, to.port); }
  [[nodiscard]] permissions net(tcp_listen on) const { return with(&grants::tcp_listen, on.port); }
  [[nodiscard]] permissions net(udp) const {
    permissions more = *this;
    more.grants_.udp = true;
    return more;
  }
  /// The program's standard output, as it is: a task may also make it non-blocking, and overwrite or truncate it where
  /// it is a file. Without it, it leads to /dev/null. Standard error is captured in any case.
  [[nodiscard]] permissions console(bool wanted) const {
    permissions more = *this;
    more.grants_.console = wanted;
    return more;
  }
  /// Memory that is writable and executable.
  [[nodiscard]] permissions jit(bool wanted) const {
    permissions more = *this;
    more.grants_.jit = wanted;
    return more;
  }
  /// Threads and processes that a worker may have at once, beside the thread that runs its tasks. One more is EAGAIN,
  /// and the error of a task that then throws is errc::thread_limit. strict() without this grants 1,000; with
  /// .run they are not counted one by one then, but a worker that is seen with more is killed. unsafe() grants as many
  /// as the program may have. Cost: some 10 us for each that is started; and a fork() that a signal handler interrupts
  /// may be EINTR.
  [[nodiscard]] permissions threads(unsigned most) const {
    permissions more = *this;
    more.grants_.threads = most;
    return more;
  }
  /// What this kernel cannot enforce is left out instead of being an error.
  [[nodiscard]] permissions best_effort(bool wanted) const {
    permissions more = *this;
    more.grants_.best_effort = wanted;
    return more;
  }

  struct grants {
    foundation from = foundation::by_start;
    std::vector<std::string> read{}, write{}, run{}, environment{};
    std::vector<std::uint16_t> tcp_connect{}, tcp_listen{};
    bool udp = false;
    bool console = false;
    bool jit = false;
    bool best_effort = false;
    std::optional<unsigned> threads{};

    friend bool operator==(const grants&, const grants&) = default;
  };
  [[nodiscard]] const grants& granted() const noexcept { return grants_; }
  [[nodiscard]] bool is_strict() const noexcept { return grants_.from == foundation::strict; }
  friend bool operator==(const permissions&, const permissions&) = default;
  /// Exactly these.
  explicit permissions(grants exactly) : grants_(std::move(exactly)) {}

 private:
  explicit permissions(foundation from) { grants_.from = from; }
  template <class Value>
  [[nodiscard]] permissions with(std::vector<Value> grants::*list, Value value) const {
    permissions more = *this;
    (more.grants_.*list).push_back(std::move(value));
    return more;
  }

  grants grants_;
};

}  // namespace selvage
