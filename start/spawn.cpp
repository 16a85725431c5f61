// start::spawn: the supervisor is this executable started afresh, so that nothing of the host's memory is in it.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include <algorithm>

#include <selvage/error.hpp>

#include "base/clock.hpp"
#include "base/syscalls.hpp"
#include "start/fresh_program.hpp"
#include "start/order_line.hpp"
#include "start/spawn.hpp"

namespace selvage::launch {
namespace {

constexpr std::size_t max_refusal_bytes = std::size_t{64} << 10U;
constexpr int end_patience_ms = 10'000;

// Without init, the fresh process would run this program's main() as if its user had started it, and come here again.
void require_init() {
  if (how_initialised() == initialised::no) {
    throw error(errc::invalid_options,
                "pool_options::start: start::spawn starts this program afresh, so main() must begin with "
                "selvage::init(argc, argv)");
  }
  if (was_started_by_a_pool() && how_initialised() != initialised::taken_over) {
    throw error(errc::invalid_options,
                "pool_options::start: this process was itself started by a pool with start::spawn, but selvage::init "
                "was not given main's own "
                "arguments");
  }
}

struct socket_pair {
  base::unique_fd ours, theirs;
};

socket_pair connected() {
  int ends[2];
  base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  socket_pair pair{base::unique_fd(ends[0]), base::unique_fd(ends[1])};
  if (pair.theirs.get() <= STDERR_FILENO) {  // 0 to 2 have their own meaning in the fresh process
    pair.theirs.reset(base::check(::fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl(F_DUPFD_CLOEXEC)"));
  }
  return pair;
}

std::vector<int> handed(const detail::launch_request& request, int line) {
  std::vector<int> fds = request.options.inherit;
  fds.insert(fds.end(), request.event_fds.begin(), request.event_fds.end());
  fds.insert(fds.end(), {request.segment.read_write.get(), request.segment.read_only.get(), request.bell, line});
  std::sort(fds.begin(), fds.end());
  fds.erase(std::unique(fds.begin(), fds.end()), fds.end());
  return fds;
}

fresh_program start(const detail::launch_request& request, const base::unique_fd& line) {
  const std::string argument = std::string(supervisor_argument) + std::to_string(line.get());
  const char* arguments[] = {supervisor_name, argument.c_str(), nullptr};
  return start_afresh(arguments, handed(request, line.get()));
}

// "killed by signal 9 (Killed)". Ends the process where it has not ended.
std::string end_of(const fresh_program& it) {
  pollfd ended{.fd = it.pidfd.get(), .events = POLLIN, .revents = 0};
  (void)base::retry_eintr([&] { return ::poll(&ended, 1, end_patience_ms); });
  base::pidfd_signal(it.pidfd.get(), SIGKILL);
  siginfo_t info = {};
  if (base::retry_eintr([&] { return ::waitid(P_PIDFD, static_cast<id_t>(it.pidfd.get()), &info, WEXITED); }) != 0) {
    return "ended";  // reaped by the host's own doing
  }
  if (info.si_code != CLD_EXITED) {
    const char* const words = ::sigdescr_np(info.si_status);
    return fmt::format("was killed by signal {} ({})", info.si_status, words == nullptr ? "real-time" : words);
  }
  if (info.si_status == 127) return "exited with status 127 (did it need LD_LIBRARY_PATH? its environment is empty)";
  return fmt::format("exited with status {}", info.si_status);
}

[[noreturn]] void fail(const fresh_program& it, line_problem problem, std::chrono::nanoseconds patience) {
  if (problem == line_problem::late) {
    base::pidfd_signal(it.pidfd.get(), SIGKILL);
    (void)end_of(it);
    throw error(errc::worker_start_failed, fmt::format("the fresh process of start::spawn did not reach selvage::init "
                                                       "within {} ms (restart.start_timeout) and was killed",
                                                       patience.count() / 1'000'000));
  }
  throw error(errc::worker_start_failed,
              fmt::format("the fresh process of start::spawn {} before selvage::init had taken over", end_of(it)));
}

// Returns: when the fresh process has agreed.
void give_orders(const fresh_program& it, base::unique_fd socket, std::span<const std::byte> orders,
                 std::chrono::nanoseconds patience) {
  order_line line(std::move(socket), it.pidfd.get(), base::saturating_add(base::now_ns(), base::to_ns(patience)));
  const auto answer = line.send(orders).and_then([&] { return line.receive(max_refusal_bytes); });
  if (!answer) fail(it, answer.error(), patience);
  if (answer->empty()) return;
  const std::string why(reinterpret_cast<const char*>(answer->data()), answer->size());
  (void)end_of(it);
  throw error(errc::worker_start_failed, "the fresh process of start::spawn refused its orders: " + why);
}

}  // namespace

detail::launched by_spawn(const detail::launch_request& request) {
  require_init();
  const std::vector<std::byte> orders = schema::encode(orders_of(request));
  if (orders.size() > schema::max_spawn_orders_bytes) {
    throw error(errc::invalid_options, "the names of the pool's tasks are too long for start::spawn");
  }
  socket_pair line = connected();
  fresh_program supervisor = start(request, line.theirs);
  line.theirs.reset();
  give_orders(supervisor, std::move(line.ours), orders, request.options.restart.start_timeout);
  return {.supervisor_pid = supervisor.pid, .supervisor_pidfd = std::move(supervisor.pidfd)};
}

}  // namespace selvage::launch
