#pragma once
// A task as a pool keeps it: its name, options, callable and thunk, and what start::spawn needs in order to find the
// same task in another process. Made by <selvage/task.hpp>; the typed callable is in there.

#include <cstdint>
#include <memory>
#include <string>

#include <selvage/detail/task_entry.hpp>
#include <selvage/options.hpp>

namespace selvage::detail {

struct task_record {
  std::string name;
  task_options options;
  task_thunk run = nullptr;
  const void* closure = nullptr;  ///< the callable, owned by the derived record
  std::uint64_t signature_hash = 0;
  std::uint64_t (*signature_check)() = nullptr;  ///< gives signature_hash again, in whatever process it is called
  std::string signature;                         ///< for error messages, e.g. "int(int, int)"
  payload_form result_form = payload_form::none;
  bool coroutine = false;          ///< needs an event loop, which only workers have
  bool stateless = false;          ///< the callable is an object without state: its thunk is enough
  std::string library{};           ///< that the task is in, where it was imported; absolute
  const void* function = nullptr;  ///< the callable is this function: its address travels as an offset in its module

  task_record() = default;
  task_record(const task_record&) = delete;
  task_record& operator=(const task_record&) = delete;
  virtual ~task_record() = default;
};

}  // namespace selvage::detail
