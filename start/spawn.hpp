#pragma once
// What the two sides of start::spawn agree on: how the fresh process is recognised, and what it is told.
//
//   spawn.cpp         the host's side
//   init.cpp          selvage::init
//   arrival.cpp       the fresh process's side, from init to supervisor
//   spawn_orders.cpp  a pool's launch request as a message
//   told_crew.cpp     a message as a crew
//
// Called by: these files only.

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "schema/spawn_orders.hpp"
#include "start/import.hpp"
#include "start/launch.hpp"

namespace selvage::launch {

/// The first argument of a fresh process; it shows in `ps`.
inline constexpr const char* supervisor_name = "selvage-supervisor";
/// Before the number of the descriptor on which its orders come: the only other argument.
inline constexpr std::string_view supervisor_argument = "--selvage-supervisor=";

/// Set by selvage::init, for the life of the process.
enum class initialised : std::uint8_t {
  no,          ///< init was not called
  as_host,     ///< called in a program that its user has started
  taken_over,  ///< called in a fresh process: this is a supervisor, or a worker that it has forked
};
[[nodiscard]] initialised how_initialised() noexcept;

/// Whether this process was started afresh by a pool, whatever main() told init.
[[nodiscard]] bool was_started_by_a_pool() noexcept;

/// Takes orders on the descriptor that is named by the argument, and becomes the supervisor.
[[noreturn]] void arrive(std::string_view argument);

/// Errors: selvage::error invalid_options, by the name of the task or option that cannot travel.
[[nodiscard]] schema::spawn_orders orders_of(const detail::launch_request& request);

/// A crew as it is told by a message.
struct told_crew {
  crew workers;
  shm::descriptors segment;
  base::unique_fd bell;
  struct alignas(void*) function_pointer {
    std::byte bytes[sizeof(void*)];
  };
  std::vector<function_pointer> functions;  ///< the callables of tasks that are plain functions
  std::deque<import_place> imports;         ///< and of those that are in modules
};

/// Returns: on the heap, for it is never destroyed: the workers refer to it.
/// Errors: selvage::error worker_start_failed where this process is no match for the orders.
[[nodiscard]] std::unique_ptr<told_crew> crew_of(const schema::spawn_orders& orders);

}  // namespace selvage::launch
