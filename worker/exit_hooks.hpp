#pragma once
// A task that calls exit or quick_exit ends its worker and nothing more: the handlers registered here run before
// every one that the program had registered, write down what happened, and leave by _exit. So neither the atexit
// handlers nor the static destructors of the host run, and its stdio buffers are not flushed a second time (DESIGN
// D6).
//
// Called by: worker/boot.cpp, once, after everything that could register a handler of its own.
// Limits: thread_local destructors of the forking thread run before any handler does; handlers that a task
// registers run.

namespace selvage::worker {

void install_exit_hooks();

/// Flushes what this worker's tasks have printed to stdout, unless another thread is at it. The host's share of the
/// buffer was dropped at boot.
void flush_stdout() noexcept;

}  // namespace selvage::worker
