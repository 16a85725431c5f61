#pragma once
// How a test tells the fresh processes of its spawn pools to misbehave: by a file in its working directory, for
// that is what such a process has in common with it. Read by tests/crash/main.cpp.

namespace selvage::test {

/// One line: exit, die, hang, spawn without init, spawn after a lie to init.
inline constexpr const char* fresh_orders_file = "selvage-fresh-process-orders";

}  // namespace selvage::test
