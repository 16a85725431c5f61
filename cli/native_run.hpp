#pragma once
// selvage run --task LIBRARY:NAME: a task of a module, std::string (std::string_view), over the items; what it returns
// is printed as a line. Called by: run_command.cpp. Never: loads the library, which only sealed workers do.

#include "input.hpp"
#include "interrupt.hpp"
#include "run_command.hpp"
#include "run_plan.hpp"

namespace selvage::cli {

/// Returns: the exit status. Throws selvage::error as import_task, pool and run do, and output_closed.
int run_native(const run_arguments& given, run_plan& plan, input_source& items, interrupts& signals);

}  // namespace selvage::cli
