// map_files: counts the lines of files in worker processes, with one line of Selvage. Shows selvage::map: a captured
// value, a range of any type, results in the order of the range. Arguments: files; without any, the headers of
// /usr/include.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <selvage/selvage.hpp>

namespace {

namespace fs = std::filesystem;

std::uint64_t occurrences(const fs::path& path, char wanted) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return static_cast<std::uint64_t>(
      std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), wanted));
}

std::vector<fs::path> headers() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator("/usr/include")) {
    if (entry.is_regular_file() && entry.path().extension() == ".h") found.push_back(entry.path());
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<fs::path> paths = argc > 1 ? std::vector<fs::path>(argv + 1, argv + argc) : headers();
  const char line_end = '\n';

  std::vector<std::uint64_t> lines;
  try {
    lines = selvage::map(paths, [&](const fs::path& path) { return occurrences(path, line_end); });
  } catch (const selvage::error& problem) {  // of the first file, in order, that failed
    std::fprintf(stderr, "map_files: %s\n", problem.what());
    return 1;
  }

  std::uint64_t here = 0;
  for (const fs::path& path : paths) here += occurrences(path, line_end);
  const auto there = std::accumulate(lines.begin(), lines.end(), std::uint64_t{0});
  if (const auto longest = std::max_element(lines.begin(), lines.end()); longest != lines.end()) {
    const fs::path& path = paths[static_cast<std::size_t>(longest - lines.begin())];
    std::printf("the longest is %s with %llu lines\n", path.c_str(), static_cast<unsigned long long>(*longest));
  }
  std::printf("%zu files, %llu lines; counted in this process: %llu\n", paths.size(),
              static_cast<unsigned long long>(there), static_cast<unsigned long long>(here));
  return lines.size() == paths.size() && there == here ? 0 : 1;
}
