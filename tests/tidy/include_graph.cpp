// Who may include whom: base <- {schema, shm} <- {worker, supervisor, pool} <- start, store on base and schema, and
// above them only users of the public API. The table below is the rule; the rest reads #include lines.

#include "tests/tidy/checks.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace tidy {

namespace {

using folders = std::set<std::string_view>;

/// For a folder of the library: the folders that it may include, besides itself and the public headers.
const std::map<std::string_view, folders>& may_include() {
  static const std::map<std::string_view, folders> table{
      {"base", {}},
      {"schema", {"base"}},
      {"shm", {"base"}},
      {"worker", {"base", "schema", "shm"}},
      {"supervisor", {"base", "schema", "shm"}},
      {"pool", {"base", "schema", "shm"}},
      {"start", {"base", "schema", "shm", "worker", "supervisor", "pool"}},
      {"store", {"base", "schema"}},
      {"run", {}},
  };
  return table;
}

struct inclusion {
  std::string_view name;
  bool quoted = false;
};

std::optional<inclusion> inclusion_in(std::string_view line) {
  const auto skip_blanks = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  const auto skip = [&](std::string_view what) {
    if (!line.starts_with(what)) return false;
    line.remove_prefix(what.size());
    return true;
  };
  skip_blanks();
  if (!skip("#")) return std::nullopt;
  skip_blanks();
  if (!skip("include")) return std::nullopt;
  skip_blanks();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const bool quoted = line[0] == '"';
  line.remove_prefix(1);
  return inclusion{line.substr(0, line.find(quoted ? '"' : '>')), quoted};
}

bool is_standard(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

/// Public headers: std, tl/expected and each other, and what the opt-in extras say by their names.
std::string wrong_in_public_header(std::string_view path, inclusion what) {
  if (what.quoted) return "public headers include each other as <selvage/...>";
  if (is_standard(what.name) || what.name == "tl/expected.hpp" || what.name.starts_with("selvage/")) return {};
  // <selvage/asio.hpp> and the two parts that it is made of
  const bool asio = path == "include/selvage/asio.hpp" || path == "include/selvage/detail/async_call.hpp" ||
                    path == "include/selvage/detail/coroutine_task.hpp";
  if (asio && what.name.starts_with("boost/asio")) return {};
  if (path == "include/selvage/flatbuffers.hpp" && what.name.starts_with("flatbuffers/")) return {};
  if (path == "include/selvage/detail/aggregate.hpp" && what.name.starts_with("boost/pfr")) return {};
  return "a public header includes std, tl/expected.hpp and <selvage/...> only";
}

/// Users of the public API: a program of ours may include its own files, and else what any user may.
std::string wrong_in_user(std::string_view path, inclusion what) {
  if (path == "bench/stages.cpp" || path == "bench/stages_lane.hpp") return {};  // they take a call apart
  if (path.starts_with("bench/limits/")) {
    if (what.name.find("selvage") != std::string_view::npos) return "a limit knows nothing of Selvage";
  }
  if (what.name.starts_with("selvage/detail/")) return "selvage/detail is no part of the public API";
  if (may_include().contains(folder_of(what.name))) return "this folder uses the public API only";
  if (what.name.starts_with("selvage/") && what.quoted) return "the public API is included as <selvage/...>";
  return {};
}

std::string wrong_in_library(std::string_view folder, inclusion what) {
  const std::string_view target = folder_of(what.name);
  if (what.quoted) {
    if (target == "selvage") return "the public API is included as <selvage/...>";
    if (target == folder || may_include().at(folder).contains(target)) return {};
    return may_include().contains(target) ? std::string(folder) + " may not include " + std::string(target)
                                          : "a file of the library is named from the root, as in \"shm/lane.hpp\"";
  }
  if (may_include().contains(target)) return "files of the library are included in quotes";
  return {};
}

std::string wrong(const source& file, inclusion what) {
  const std::string_view folder = folder_of(file.path);
  if (what.name.find("../") != std::string_view::npos) return "no relative paths";
  if (folder == "include") return wrong_in_public_header(file.path, what);
  if (folder == "examples" || folder == "bench" || folder == "cli" || file.path.starts_with("tests/consumer/")) {
    return wrong_in_user(file.path, what);
  }
  return may_include().contains(folder) ? wrong_in_library(folder, what) : std::string{};
}

}  // namespace

std::vector<complaint> include_graph(const std::vector<source>& tree) {
  std::vector<complaint> found;
  for (const source& file : tree) {
    if (!is_cpp(file)) continue;
    const auto lines = lines_of(file.text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto what = inclusion_in(lines[i]);
      if (!what) continue;
      if (std::string words = wrong(file, *what); !words.empty()) {
        found.push_back({file.path, i + 1, std::string(what->name) + ": " + words});
      }
    }
  }
  return found;
}

}  // namespace tidy
