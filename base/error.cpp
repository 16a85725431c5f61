// selvage::error and the names of its codes: see <selvage/error.hpp>.

#include <selvage/error.hpp>

#include <fmt/format.h>

#include <array>
#include <utility>

namespace selvage {
namespace {

constexpr std::array<std::string_view, 27> names = {"unknown",         "task_failed",         "crashed",
                                                    "exited",          "timed_out",           "out_of_memory",
                                                    "cpu_limit",       "file_limit",          "permission_denied",
                                                    "aborted",         "payload_too_large",   "payload_exhausted",
                                                    "queue_full",      "bad_response",        "worker_start_failed",
                                                    "supervisor_lost", "pool_closed",         "too_many_tasks",
                                                    "unknown_task",    "sandbox_unavailable", "invalid_options",
                                                    "thread_limit",    "quarantined",         "store_error",
                                                    "store_busy",      "source_failed",       "fingerprint_mismatch"};
static_assert(names[static_cast<std::size_t>(errc::fingerprint_mismatch)] == "fingerprint_mismatch");

std::string one_line(const failure& what) {
  std::string line(to_string(what.code));
  if (!what.task.empty()) line += fmt::format(" in task '{}'", what.task);
  if (!what.exception_type.empty()) line += fmt::format(": {}", what.exception_type);
  if (!what.message.empty()) line += fmt::format(": {}", what.message);
  return line;
}

}  // namespace

std::string_view to_string(errc code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : names[0];
}

struct error::shared {
  failure what;
  std::string line;
};

error::error(failure what) {
  std::string line = one_line(what);
  shared_ = std::make_shared<const shared>(shared{std::move(what), std::move(line)});
}

error::error(errc code, std::string message)
    : error([&] {
        failure what;
        what.code = code;
        what.message = std::move(message);
        return what;
      }()) {}

errc error::code() const noexcept { return shared_->what.code; }
const char* error::what() const noexcept { return shared_->line.c_str(); }
const failure& error::details() const noexcept { return shared_->what; }

std::string error::report() const {
  const failure& it = shared_->what;
  std::string text = shared_->line + "\n";
  for (const std::string& cause : it.causes) text += fmt::format("  caused by {}\n", cause);
  if (it.call_id != 0) text += fmt::format("  call {}, attempt {}\n", it.call_id, it.attempt);
  if (it.worker_pid != 0 && it.usage.peak_resident_bytes == 0) {  // it lives
    text += fmt::format("  worker {}\n", it.worker_pid);
  } else if (it.worker_pid != 0) {
    text += fmt::format("  worker {}: {:.3f} s user, {:.3f} s system, {:.1f} MiB peak\n", it.worker_pid,
                        static_cast<double>(it.usage.user_time.count()) / 1e6,
                        static_cast<double>(it.usage.system_time.count()) / 1e6,
                        static_cast<double>(it.usage.peak_resident_bytes) / (1024.0 * 1024.0));
  }
  if (it.signal != 0) {
    text += fmt::format("  signal {}", it.signal);
    if (it.signal_code != 0) text += fmt::format(", code {}", it.signal_code);
    if (it.fault_address != 0) text += fmt::format(", address {:#x}", it.fault_address);
    text += '\n';
  }
  if (!it.refused_call.empty()) text += fmt::format("  was refused {}\n", it.refused_call);
  for (std::size_t i = 0; i < it.stack.size(); ++i) text += fmt::format("  #{} {}\n", i, it.stack[i]);
  if (!it.stderr_tail.empty()) text += fmt::format("  standard error:\n{}\n", it.stderr_tail);
  return text;
}

}  // namespace selvage
