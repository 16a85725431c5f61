#pragma once
// An HTTP service with a light route and a heavy one: the server of the work "service". Called by: service_load.cpp, in
// a process of its own.

#include <string>

namespace compare {

/// Answers /ping with "pong" and /heavy/SEED/LOOPS with item() of arithmetic.hpp, on one thread, on a port of loopback
/// that it writes to `port`, until `stop` comes to its end. `asked`: where the heavy work is done: inline, threads or
/// selvage; the latter two also with _slices behind, where a worker's time slice is long.
void serve(const std::string& asked, unsigned workers, int port, int stop);

}  // namespace compare
