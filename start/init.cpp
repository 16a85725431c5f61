// selvage::init: see <selvage/init.hpp>. The one state of the process that Selvage keeps is here: that init was called.

#include <selvage/init.hpp>

#include <errno.h>

#include <atomic>
#include <cstring>

#include "start/spawn.hpp"

namespace selvage {
namespace launch {
namespace {

std::atomic<initialised> state{initialised::no};

}  // namespace

initialised how_initialised() noexcept {
  return state.load(std::memory_order_relaxed);
}  // relaxed: no data goes with it

bool was_started_by_a_pool() noexcept { return std::strcmp(::program_invocation_name, supervisor_name) == 0; }

}  // namespace launch

void init(int argc, const char* const* argv) {
  using launch::initialised;
  const bool afresh =
      argc == 2 && argv != nullptr && std::string_view(argv[1]).starts_with(launch::supervisor_argument);
  launch::state.store(afresh ? initialised::taken_over : initialised::as_host,
                      std::memory_order_relaxed);  // relaxed: as above
  if (afresh) launch::arrive(argv[1]);
}

}  // namespace selvage
