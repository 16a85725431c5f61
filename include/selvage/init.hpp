#pragma once
// What a program that uses start::spawn calls first. A spawn pool's supervisor is this same executable, started
// afresh: in that process init takes over and never returns; everywhere else it only notes that it was called.
//
//   int main(int argc, char** argv) {
//     selvage::init(argc, argv);
//     selvage::pool pool({.start = selvage::start::spawn}, hello);
//     ...
//   }
//
// The fresh process has an empty environment, its standard input and output are /dev/null, and of this process's
// descriptors it has standard error and pool_options::inherit. Whatever runs before init (constructors of globals,
// code at the top of main) runs there as well, so init goes first; only what tasks need is done before it, such as
// loading plugins that contain tasks.

namespace selvage {

/// Requires: main's own arguments, unchanged. Cost: a few microseconds.
/// A spawn pool in a process that has not called init is refused (errc::invalid_options) before any process is started.
void init(int argc, const char* const* argv);

}  // namespace selvage
