// Fuzzes the reading of a module: an input is a shared library as a host meets it, which reads the tasks out of it and
// believes nothing. What is accepted keeps within what a module may say; what is refused is refused in words. Called by
// libFuzzer and by replay_main.cpp. The corpus is the smallest modules that a linker makes, with and without tasks.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <selvage/detail/module_table.hpp>
#include <selvage/error.hpp>

#include "base/syscalls.hpp"
#include "base/unique_fd.hpp"
#include "start/module_file.hpp"

namespace {

using namespace selvage;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::unique_fd file(base::check(::memfd_create("module", MFD_CLOEXEC), "memfd_create"));
  base::check(::write(file.get(), data, size), "write");
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  try {
    const auto tasks = launch::tasks_in(path);
    require(tasks.size() <= detail::most_module_tasks);
    for (const auto& each : tasks) {
      require(each.name.size() <= detail::module_name_bytes && each.signature.size() <= detail::module_signature_bytes);
    }
  } catch (const error& refusal) {
    require(refusal.code() == errc::unknown_task && refusal.details().message.starts_with(path + ": "));
  }
  return 0;
}
