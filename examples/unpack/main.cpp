// unpack: inflates and hashes every .gz file under /usr/share in supervised worker processes, with four hostile items
// planted among them, and compares the results and the time with a plain loop and with a fork per item. `./dev demo`
// runs it. Exit code: 0 where everything is right, 1 where something is wrong, 2 where it could not be run, 128 + n
// after signal n.

#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "files.hpp"
#include "interrupt.hpp"
#include "report.hpp"
#include "runs.hpp"

namespace {

constexpr std::size_t enough_files = 300;
constexpr std::size_t files_to_make = 2000;

constexpr const char* usage =
    "usage: unpack [--workers N] [FOLDER]\n"
    "\n"
    "Inflates and hashes every .gz file under FOLDER (/usr/share) in N worker processes (one per core), with four\n"
    "hostile items planted among them: one dereferences null, one spins for ever, one allocates without end, one "
    "calls\n"
    "exit(0). Where there are fewer than 300 files it first makes 2000 out of /usr/include, in a temporary folder.\n"
    "Prints the failures with their reasons, and the time beside that of a plain loop and of a fork per item.\n"
    "\n"
    "Exit code: 0 only if the four failed for the right reasons and everything else is what zlib gives in-process.\n"
    "Environment: NO_COLOR, TMPDIR.\n";

struct settings {
  unsigned workers = 0;
  std::string folder = "/usr/share";
  bool help = false;
};

std::optional<settings> settings_of(int argc, char** argv) {
  settings given;
  bool folder_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      given.help = true;
    } else if (word == "--workers" && i + 1 < argc) {
      const std::string_view number = argv[++i];
      const auto read = std::from_chars(number.begin(), number.end(), given.workers);
      if (read.ec != std::errc() || read.ptr != number.end() || given.workers == 0) return std::nullopt;
    } else if (!word.starts_with("-") && !folder_given) {
      given.folder = word;
      folder_given = true;
    } else {
      return std::nullopt;
    }
  }
  return given;
}

int demonstrate(const settings& given) {
  if (!std::filesystem::is_directory(given.folder)) throw std::runtime_error("there is no folder " + given.folder);
  std::vector<std::string> paths = unpack::find_gz(given.folder);
  const std::size_t found = paths.size();
  std::optional<unpack::made_files> made;
  if (found < enough_files) {
    made.emplace(files_to_make);
    paths.insert(paths.end(), made->paths().begin(), made->paths().end());
  }
  const auto items = unpack::plant_hostile_items(std::move(paths));
  std::printf("%zu .gz files under %s, %zu made from /usr/include, 4 hostile items\n\n", found, given.folder.c_str(),
              made ? made->paths().size() : 0);

  const unpack::run here = unpack::run_here(items);  // first: all three then read from the page cache
  const unpack::pool_run pool = unpack::run_in_pool(items, given.workers);
  const unpack::run forks = unpack::run_in_forks(items, pool.workers);
  unpack::print_report(items, here, pool, forks);
  return unpack::judge(items, pool, here).good() && unpack::judge(items, forks, here).good() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = settings_of(argc, argv);
  if (!given || given->help) {
    std::fputs(usage, given ? stdout : stderr);
    return given ? 0 : 2;
  }
  unpack::remember_interrupts();
  try {
    return demonstrate(*given);
  } catch (const unpack::interrupted& end) {
    std::fputs("unpack: interrupted\n", stderr);
    return 128 + end.signal;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "unpack: %s\n", problem.what());
    return 2;
  }
}
