// selvage_peers PEER WORK [NAME=VALUE...]: one peer at one piece of work. Prints its figures as a JSON object. Ends
// with 3 where the peer does not do this work. Called by: compare.py.

#include <cstdio>
#include <cstring>
#include <exception>

#include <selvage/init.hpp>

#include "work.hpp"

namespace {

compare::answer answer_of(const std::string& work, const compare::request& asked) {
  if (work == "tiny") return compare::tiny_call(asked);
  if (work == "bulk") return compare::bulk(asked);
  if (work == "fan-out") return compare::fan_out(asked);
  if (work == "skew") return compare::skew(asked);
  if (work == "footprint") return compare::footprint(asked);
  if (work == "faults") return compare::faults(asked);
  if (work == "resume") return compare::resume(asked);
  if (work == "service") return compare::service(asked);
  if (work == "growth") return compare::growth(asked);
  throw compare::not_for_this("there is no such work");
}

}  // namespace

int main(int argc, char** argv) try {
  selvage::init(argc, argv);
  constexpr int usage = 2;
  if (argc < 3) {
    std::fputs("usage: selvage_peers PEER WORK [NAME=VALUE...]\n", stderr);
    return usage;
  }
  compare::request asked{.peer = argv[1], .parts = {}};
  for (int i = 3; i < argc; ++i) {
    const char* const value = std::strchr(argv[i], '=');
    if (value == nullptr) {
      std::fprintf(stderr, "selvage_peers: %s is not NAME=VALUE\n", argv[i]);
      return usage;
    }
    asked.parts.emplace(std::string(argv[i], static_cast<std::size_t>(value - argv[i])), value + 1);
  }
  std::string text;
  for (const auto& [name, value] : answer_of(argv[2], asked))
    text += (text.empty() ? "\"" : ", \"") + name + "\": " + std::to_string(value);
  std::puts(("{" + text + "}").c_str());
  return 0;
} catch (const compare::not_for_this& why) {
  std::fprintf(stderr, "selvage_peers: %s\n", why.what());
  return 3;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "selvage_peers: %s\n", problem.what());
  return 1;
}
