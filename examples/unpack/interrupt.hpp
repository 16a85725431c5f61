#pragma once
// Ctrl-C and SIGTERM as an exception, so that a temporary folder and every process are cleaned up on the way out.
// Called by main once, and by every loop that takes long.

namespace unpack {

/// Thrown where the user asked for the end. Deliberately no std::exception: nothing but main may swallow it.
struct interrupted {
  int signal;
};

/// From now on SIGINT and SIGTERM are remembered instead of killing this process.
void remember_interrupts();

/// Errors: interrupted.
void throw_if_interrupted();

}  // namespace unpack
