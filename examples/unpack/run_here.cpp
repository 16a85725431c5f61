// The plain loop: nothing between the program and a crash. See runs.hpp.

#include <exception>

#include "interrupt.hpp"
#include "runs.hpp"
#include "terminal.hpp"

namespace unpack {
namespace {

ending try_here(const item& what) {
  if (what.kind != mischief::none) {
    return tl::make_unexpected(selvage::error(selvage::errc::aborted, "not run: it would end this process"));
  }
  try {
    return unpack_item(what);
  } catch (const std::exception& problem) {
    return tl::make_unexpected(selvage::error(selvage::errc::task_failed, problem.what()));
  }
}

}  // namespace

run run_here(const std::vector<item>& items) {
  const auto began = std::chrono::steady_clock::now();
  progress_bar bar("in this process", items.size());
  run all;
  all.endings.reserve(items.size());
  std::uint64_t bytes_out = 0;
  for (const item& each : items) {
    throw_if_interrupted();
    all.endings.push_back(try_here(each));
    if (all.endings.back()) bytes_out += all.endings.back()->bytes_out;
    if (bar.due()) bar.show(all.endings.size(), bytes_out);
  }
  all.time = all.files_time = std::chrono::steady_clock::now() - began;
  return all;
}

}  // namespace unpack
