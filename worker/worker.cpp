// A worker's life: boot, serve, end. Each part is in a file of its own.
#include "worker/worker.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "schema/describe_exception.hpp"
#include "schema/exception_report.hpp"
#include "worker/boot.hpp"
#include "worker/crash_recorder.hpp"
#include "worker/exit_hooks.hpp"
#include "worker/loop.hpp"

namespace selvage::worker {
namespace {

void live(const seat& place, const settings& given, std::span<const detail::task_entry> tasks) {
  if (const std::optional<booted> self = boot(place, given))
    loop(self->window, self->lane, place, given, tasks).serve();
  if (given.finalizer) given.finalizer();
}

// To standard error, whose tail the supervisor keeps for the host.
void complain(const std::exception_ptr& problem) {
  const schema::exception_report report = schema::describe(problem);
  ::dprintf(STDERR_FILENO, "selvage: a worker ended outside of its calls: %s: %s\n", report.type.c_str(),
            report.what.c_str());
}

}  // namespace

void run(const seat& place, const settings& given, std::span<const detail::task_entry> tasks) {
  try {
    live(place, given, tasks);
  } catch (const abi::__forced_unwind&) {
    // pthread_exit in a task: it would go on to unwind the program that this process was forked from.
    crash_recorder::record_exit(shm::crash_kind::exit, 0);
    ::_exit(0);
  } catch (...) {
    complain(std::current_exception());
    ::_exit(exit_unfit);
  }
  std::cout.flush();
  flush_stdout();
  ::_exit(0);
}

}  // namespace selvage::worker
