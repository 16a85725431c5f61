// The handlers of exit_hooks.hpp.
#include "worker/exit_hooks.hpp"

#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include <new>

#include "worker/crash_recorder.hpp"

namespace selvage::worker {
namespace {

[[noreturn]] void leave(shm::crash_kind kind, int status) noexcept {
  crash_recorder::record_exit(kind, status);
  flush_stdout();
  ::_exit(status);
}

void on_exit_called(int status, void*) { leave(shm::crash_kind::exit, status); }

// glibc hands the status to every handler of at_quick_exit as a second argument (its ef_cxa calling form), as it
// does for on_exit; the declared type has no parameters.
void on_quick_exit_called(void*, int status) { leave(shm::crash_kind::quick_exit, status); }

}  // namespace

void install_exit_hooks() {
  const auto quick = reinterpret_cast<void (*)()>(reinterpret_cast<void*>(&on_quick_exit_called));
  if (::on_exit(&on_exit_called, nullptr) != 0 || ::at_quick_exit(quick) != 0) throw std::bad_alloc();
}

void flush_stdout() noexcept {
  if (::ftrylockfile(stdout) != 0) return;
  if (::__fpending(stdout) != 0) ::fflush_unlocked(stdout);
  ::funlockfile(stdout);
}

}  // namespace selvage::worker
