// Reads the command line. See options.hpp.

#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace selvage::bench {
namespace {

using failure = tl::unexpected<std::string>;

// Sets one option that takes a value. Returns what is wrong, or nothing.
std::string apply(settings& to, std::string_view option, std::string_view value) {
  if (option == "--json") {
    to.json = value;
    return value.empty() ? "--json needs the path of a file" : "";
  }
  if (option == "--only") {
    to.only.emplace_back(value);
    return "";
  }
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), to.repeats);
  const bool whole = error == std::errc{} && end == value.data() + value.size();
  if (!whole || to.repeats < 1 || to.repeats > 1000) {
    return "--repeats " + std::string(value) + ": not a number from 1 to 1000";
  }
  return "";
}

}  // namespace

tl::expected<settings, std::string> parse_options(int argc, const char* const* argv) {
  settings parsed;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--pin") {
      parsed.pin = true;
    } else if (word == "--limits") {
      parsed.limits = true;
    } else if (word == "--list") {
      parsed.list = true;
    } else if (word == "--help" || word == "-h") {
      parsed.help = true;
    } else {
      // "--only NAME" or "--only=NAME"
      const std::size_t equals = word.find('=');
      const std::string_view option = word.substr(0, equals);
      if (option != "--only" && option != "--repeats" && option != "--json") {
        return failure(std::string(word) + " is not an option; see --help");
      }
      if (equals == std::string_view::npos && i + 1 == argc) return failure(std::string(option) + " needs a value");
      const std::string_view value = equals == std::string_view::npos ? argv[++i] : word.substr(equals + 1);
      if (std::string wrong = apply(parsed, option, value); !wrong.empty()) return failure(std::move(wrong));
    }
  }
  return parsed;
}

std::string check_names(const settings& asked, const suite& benchmarks) {
  for (const std::string& name : asked.only) {
    const bool known = std::ranges::any_of(benchmarks.entries(), [&](const entry& each) { return each.name == name; });
    if (!known) return "--only " + name + ": there is no such benchmark; see --list";
  }
  return "";
}

std::string usage() {
  return R"(usage: selvage_bench [OPTION]...

Measures what Selvage costs, each figure beside the limit that the same machine reaches in the same run.

  --only NAME    this benchmark; may be given several times
  --repeats N    repeats, of which the medians are taken (default 5)
  --json FILE    write the results as a list of {name, value, unit, limit, ratio}
  --pin          the host on one processor, its worker and the limit's peer on another (default: the kernel decides)
  --limits       measure the limits alone: what this machine can do
  --list         print the names of the benchmarks
  --help         print this

Where a raw ping-pong between two processes takes over 0.6 us the machine is too noisy, and no ratio is given.
Exit status: 0 all measured, whether goals were reached or not; 1 something failed; 2 a wrong option.
)";
}

}  // namespace selvage::bench
