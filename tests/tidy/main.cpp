// Runs checks of the house rules over a tree: `selvage_tidy ROOT [CHECK]...`, all of them where none is named. Called
// by ctest, once for each check. Exits with 1 after any complaint, each one line in the form of a compiler's.

#include "tests/tidy/checks.hpp"

#include <algorithm>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s ROOT [CHECK]...\n", argv[0]);
    return 2;
  }
  const std::span<char*> wanted(argv + 2, static_cast<std::size_t>(argc - 2));
  const auto tree = tidy::read_tree(argv[1]);
  std::size_t complaints = 0;
  std::size_t run = 0;
  for (const tidy::check& check : tidy::checks()) {
    if (!wanted.empty() && std::ranges::find(wanted, check.name) == wanted.end()) continue;
    ++run;
    for (const tidy::complaint& found : check.run(tree)) {
      std::printf("%s:%zu: %s\n", found.path.c_str(), found.line, found.what.c_str());
      ++complaints;
    }
  }
  if (run == 0 || tree.empty()) {
    std::fprintf(stderr, "%s: no such check, or nothing to check there\n", argv[1]);
    return 2;
  }
  std::printf("%zu files, %zu complaints\n", tree.size(), complaints);
  return complaints == 0 ? 0 : 1;
}
