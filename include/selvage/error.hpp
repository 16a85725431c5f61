#pragma once
// What went wrong, as data. Every failure of a call, a pool or a worker is a selvage::error: a code, the cause in
// words, and whatever is known of the process that failed. Values: copy them, keep them, print them; no part refers to
// a pool.
//
//   auto result = pool.call(parse, text).result();          // tl::expected<tree, selvage::error>
//   if (!result && result.error().code() == selvage::errc::timed_out) retry_later(text);
//
// Thread-safety: a const error may be read by any number of threads.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace selvage {

/// Every reason that Selvage gives. The text form (`to_string`) is the enumerator's name.
enum class errc : std::uint8_t {
  task_failed = 1,       ///< the task threw: error::exception_type() and what() say what
  crashed,               ///< the worker died of a signal while the call ran
  exited,                ///< the task ended its process: exit, _exit, quick_exit
  timed_out,             ///< the call ran longer than its hard limit; its worker was killed
  out_of_memory,         ///< the worker's memory limit was reached
  cpu_limit,             ///< the worker's CPU time was used up
  file_limit,            ///< open files or file size were used up
  permission_denied,     ///< the task did what its permissions do not grant
  aborted,               ///< the caller asked for the call to stop
  payload_too_large,     ///< an argument or result is over the pool's payload cap
  payload_exhausted,     ///< shared memory could not be reserved (a full /dev/shm)
  queue_full,            ///< try_call, or a queue that may not block, found no room
  bad_response,          ///< what the worker answered is not a valid answer
  worker_start_failed,   ///< workers died before they were ready, oftener than the restart budget allows
  supervisor_lost,       ///< the supervisor process is gone, and every worker with it
  pool_closed,           ///< the pool was shut down before the call had run
  too_many_tasks,        ///< more than 65,536 tasks in one pool
  unknown_task,          ///< the task is not one that the pool was built with
  sandbox_unavailable,   ///< this kernel cannot enforce a permission or limit that was asked for
  invalid_options,       ///< an option is out of range: the message names the field
  thread_limit,          ///< the worker's threads were used up
  quarantined,           ///< the call was in flight at two deaths of a worker and is not tried again
  store_error,           ///< the resume store could not be read or written
  store_busy,            ///< another process has this run of the resume store open
  source_failed,         ///< the source of a run's items threw
  fingerprint_mismatch,  ///< a stored run was made by a different task or different options
};

/// The enumerator's name, e.g. "timed_out"; "unknown" for a value that is none.
[[nodiscard]] std::string_view to_string(errc code) noexcept;

/// What a worker process had used when it ended, as the kernel tells it. Source: getrusage(2).
struct resource_usage {
  std::chrono::microseconds user_time{0};
  std::chrono::microseconds system_time{0};
  std::uint64_t peak_resident_bytes = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
};

/// All that is known about one failure. Fields that do not apply keep their defaults.
struct failure {
  errc code = errc::task_failed;
  std::string message{};              ///< what happened and what to do, in words
  std::string task{};                 ///< name of the task, empty for failures of a pool
  std::uint64_t call_id = 0;          ///< unique within its pool, 0 where no call was concerned
  std::uint32_t attempt = 0;          ///< how often the call had been given to a worker
  std::int32_t worker_pid = 0;        ///< of the worker that had the call, 0 where none had it
  std::int32_t signal = 0;            ///< that ended the worker, 0 for none
  std::int32_t signal_code = 0;       ///< si_code of that signal
  std::int32_t exit_status = 0;       ///< errc::exited: the status
  std::uint64_t fault_address = 0;    ///< si_addr of that signal
  std::vector<std::string> stack{};   ///< innermost frame first, symbolised as far as the host can
  std::string exception_type{};       ///< errc::task_failed: demangled type of the exception
  std::vector<std::string> causes{};  ///< errc::task_failed: nested exceptions, outermost cause first, "type: what"
  /// What the worker was refused last, with its first arguments, e.g. `openat(-100, "/etc/passwd", 0)`: of
  /// errc::permission_denied, and of errc::task_failed where it was refused during that call.
  std::string refused_call{};
  std::string stderr_tail{};  ///< the last bytes that the worker wrote to its standard error, where it has ended
  resource_usage usage{};
};

/// A failure, thrown by value and carried by tl::expected. Copies share the failure: copying never throws.
class error : public std::exception {
 public:
  explicit error(failure what);
  error(errc code, std::string message);

  [[nodiscard]] errc code() const noexcept;
  /// One line: the code, the task, and what happened.
  [[nodiscard]] const char* what() const noexcept override;
  [[nodiscard]] const failure& details() const noexcept;
  /// Several lines: what(), then the worker, signal, stack and stderr as far as they are known.
  [[nodiscard]] std::string report() const;

 private:
  struct shared;
  std::shared_ptr<const shared> shared_;
};

}  // namespace selvage
