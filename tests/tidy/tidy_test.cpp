// Each check over a tree planted to break its rule, and over one that keeps it: a check that cannot fail checks
// nothing. Called by ctest. Plants in scratch folders only.

#include "tests/tidy/checks.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace {

namespace fs = std::filesystem;

/// A scratch folder, gone with the object.
class planted_tree {
 public:
  planted_tree() {
    std::string name = (fs::temp_directory_path() / ("selvage-tidy-" + std::string(6, 'X'))).string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    root_ = name;
  }
  planted_tree(const planted_tree&) = delete;
  planted_tree& operator=(const planted_tree&) = delete;
  ~planted_tree() { fs::remove_all(root_); }

  planted_tree& with(const fs::path& path, std::string_view text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
    return *this;
  }

  /// "path:line" of every complaint.
  [[nodiscard]] std::vector<std::string> complaints(std::string_view name) const {
    std::vector<std::string> places;
    for (const tidy::check& check : tidy::checks()) {
      if (check.name != name) continue;
      for (const tidy::complaint& found : check.run(tidy::read_tree(root_))) {
        places.push_back(found.path + ":" + std::to_string(found.line));
      }
    }
    return places;
  }

 private:
  fs::path root_;
};

/// The lines of `path` that `check` complains about.
std::vector<std::string> planted(std::string_view check, const fs::path& path, std::string_view text) {
  return planted_tree().with(path, text).complaints(check);
}

using places = std::vector<std::string>;

TEST(include_graph, the_three_sides_never_include_one_another) {
  for (const std::string from : {"worker", "supervisor", "pool"}) {
    for (const std::string to : {"worker", "supervisor", "pool", "start"}) {
      const auto found = planted("include_graph", from + "/a.cpp", "#include \"" + to + "/b.hpp\"\n");
      EXPECT_EQ(found.size(), from == to ? 0U : 1U) << from << " -> " << to;
    }
    EXPECT_EQ(planted("include_graph", from + "/a.cpp", "#include \"shm/a.hpp\"\n#include \"schema/b_generated.h\"\n"),
              places{});
  }
}

TEST(include_graph, nothing_includes_a_folder_above_it) {
  EXPECT_EQ(planted("include_graph", "base/a.hpp", "\n#include \"shm/b.hpp\"\n"), places{"base/a.hpp:2"});
  EXPECT_EQ(planted("include_graph", "shm/a.hpp", "#include \"schema/b.hpp\"\n"), places{"shm/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "schema/a.hpp", "#include \"shm/b.hpp\"\n"), places{"schema/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "shm/deep/a.hpp", "  #  include \"pool/b.hpp\"\n"), places{"shm/deep/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "shm/a.hpp", "#include <pool/b.hpp>\n"), places{"shm/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "shm/a.hpp", "#include \"selvage/error.hpp\"\n"), places{"shm/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "shm/a.hpp", "#include \"lane.hpp\"\n"), places{"shm/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "shm/a.hpp", "#include \"shm/../pool/b.hpp\"\n"), places{"shm/a.hpp:1"});
  EXPECT_EQ(planted("include_graph", "start/a.cpp", "#include \"pool/b.hpp\"\n#include <selvage/pool.hpp>\n"),
            places{});
}

TEST(include_graph, public_headers_include_the_standard_library_expected_and_each_other) {
  constexpr auto text = "#include <vector>\n#include <tl/expected.hpp>\n#include <selvage/error.hpp>\n";
  EXPECT_EQ(planted("include_graph", "include/selvage/a.hpp", text), places{});
  for (const std::string other : {"<boost/asio.hpp>", "<unistd.h>", "<fmt/format.h>", "\"shm/lane.hpp\"",
                                  "\"selvage/error.hpp\"", "<flatbuffers/flatbuffers.h>"}) {
    EXPECT_EQ(planted("include_graph", "include/selvage/a.hpp", "#include " + other + "\n").size(), 1U) << other;
  }
}

TEST(include_graph, only_the_named_headers_include_what_their_names_say) {
  EXPECT_EQ(planted("include_graph", "include/selvage/asio.hpp", "#include <boost/asio/async_result.hpp>\n"), places{});
  EXPECT_EQ(planted("include_graph", "include/selvage/flatbuffers.hpp", "#include <flatbuffers/verifier.h>\n"),
            places{});
  EXPECT_EQ(planted("include_graph", "include/selvage/detail/aggregate.hpp", "#include <boost/pfr.hpp>\n"), places{});
  EXPECT_EQ(planted("include_graph", "include/selvage/asio.hpp", "#include <boost/pfr.hpp>\n").size(), 1U);
  EXPECT_EQ(planted("include_graph", "include/selvage/detail/aggregate.hpp", "#include <boost/asio.hpp>\n").size(), 1U);
}

TEST(include_graph, users_of_the_public_api_see_nothing_else) {
  for (const std::string path : {"examples/a.cpp", "bench/a.cpp", "cli/a.cpp", "tests/consumer/project/a.cpp"}) {
    EXPECT_EQ(planted("include_graph", path, "#include <selvage/pool.hpp>\n#include <sys/wait.h>\n"), places{}) << path;
    EXPECT_EQ(planted("include_graph", path, "#include \"shm/lane.hpp\"\n").size(), 1U) << path;
    EXPECT_EQ(planted("include_graph", path, "#include <selvage/detail/codec.hpp>\n").size(), 1U) << path;
    EXPECT_EQ(planted("include_graph", path, "#include \"selvage/pool.hpp\"\n").size(), 1U) << path;
  }
  EXPECT_EQ(planted("include_graph", "bench/stages.cpp", "#include \"shm/lane.hpp\"\n"), places{});
  EXPECT_EQ(planted("include_graph", "bench/limits/a.cpp", "#include <selvage/pool.hpp>\n").size(), 1U);
  EXPECT_EQ(planted("include_graph", "bench/limits/a.cpp", "#include <atomic>\n"), places{});
}

TEST(memory_orders, every_operation_names_its_order) {
  for (const std::string bare :
       {"a.load()", "a->load()", "a.store(1)", "a.exchange(f(1, 2))", "a.fetch_add(1)", "a.compare_exchange_weak(x, y)",
        "a.store(\n  1\n)", "a\n  .load()", "flag.test_and_set()"}) {
    EXPECT_EQ(planted("memory_orders", "shm/a.cpp", "//\nauto f() { " + bare + "; }\n").size(), 1U) << bare;
  }
  for (const std::string spelt :
       {"a.load(std::memory_order_acquire)", "a.store(\n  f(1),\n  std::memory_order::release)", "a.load(order)",
        "std::atomic_thread_fence(std::memory_order_seq_cst)", "load()", "g(\"a.load()\")", "g(); // a.load()",
        "g(R\"(a.load())\")", "a.stored()"}) {
    EXPECT_EQ(planted("memory_orders", "shm/a.cpp", "//\nauto f() { " + spelt + "; }\n"), places{}) << spelt;
  }
}

TEST(memory_orders, an_order_of_one_operation_does_not_excuse_the_next) {
  EXPECT_EQ(planted("memory_orders", "pool/a.cpp", "x.load(std::memory_order_relaxed);\ny.load();\n"),
            places{"pool/a.cpp:2"});
}

TEST(memory_orders, operators_on_atomics_are_bare) {
  for (const std::string declared : {"std::atomic<int> n{0};", "word64 n;", "std::atomic<std::uint64_t> n = 0;"}) {
    for (const std::string bare : {"n++", "++n", "--n", "n += 2", "n |= 1", "n = 3", "this->n = 3"}) {
      EXPECT_EQ(planted("memory_orders", "shm/a.cpp", declared + "\nvoid f() { " + bare + "; }\n"),
                places{"shm/a.cpp:2"})
          << declared << bare;
    }
    for (const std::string fine :
         {"enum class e { n = 1, o = 2 }", "if (n == 3) g()", "const int n = 3", "m++", "g(n)"}) {
      EXPECT_EQ(planted("memory_orders", "shm/a.cpp", declared + "\nvoid f() { " + fine + "; }\n"), places{}) << fine;
    }
  }
}

TEST(memory_orders, operators_on_atomics_of_the_own_header_are_seen) {
  planted_tree tree;
  tree.with("shm/a.hpp", "word32 count_;\nword64 slots_[64];\n")
      .with("shm/a.cpp", "void f() {\n  ++count_;\n  slots_[1] = 2;\n}\n");
  EXPECT_EQ(tree.complaints("memory_orders"), (places{"shm/a.cpp:2", "shm/a.cpp:3"}));
}

TEST(memory_orders, tests_may_be_lax) {
  EXPECT_EQ(planted("memory_orders", "tests/unit/a_test.cpp", "a.load();\n"), places{});
}

TEST(sync_names, each_has_two_ends) {
  planted_tree tree;
  tree.with("shm/a.hpp", "x;  // SYNC posted: publishes\ny;  // SYNC alone\n")
      .with("worker/b.cpp", "/// SYNC posted.\n");
  EXPECT_EQ(tree.complaints("sync_names"), places{"shm/a.hpp:2"});
  EXPECT_EQ(tree.with("pool/c.cpp", "// SYNC alone: acquires\n").complaints("sync_names"), places{});
}

TEST(leftovers, are_found_in_every_kind_of_file) {
  for (const std::string word : {"TO"
                                 "DO",
                                 "FIX"
                                 "ME",
                                 "XX"
                                 "X",
                                 "HA"
                                 "CK"}) {
    for (const std::string path : {"shm/a.cpp", "docs/a.md", "cmake/a.cmake", "dev", "schema/a.fbs"}) {
      EXPECT_EQ(planted("leftovers", path, "one\n# " + word + ": two\n"), places{path + ":2"}) << word;
    }
    EXPECT_EQ(planted("leftovers", "a.cpp", "// " + word + "ING my" + word + "\n"), places{}) << word;
  }
}

TEST(file_length, is_five_hundred_lines) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "//\n";
  EXPECT_EQ(planted("file_length", "shm/a.cpp", text), places{});
  EXPECT_EQ(planted("file_length", "shm/a.cpp", text + "//\n"), places{"shm/a.cpp:501"});
}

TEST(line_length, is_a_hundred_and_twenty_characters) {
  EXPECT_EQ(planted("line_length", "shm/a.cpp", std::string(120, 'x') + "\n"), places{});
  EXPECT_EQ(planted("line_length", "shm/a.cpp", "\n" + std::string(121, 'x') + "\n"), places{"shm/a.cpp:2"});
  EXPECT_EQ(planted("line_length", "shm/a.cpp", std::string(119, 'x') + "\u00e9\n"), places{});
}

TEST(whitespace, has_no_tabs_no_trailing_blanks_and_ends_its_lines) {
  EXPECT_EQ(planted("whitespace", "dev", "\tx\n"), places{"dev:1"});
  EXPECT_EQ(planted("whitespace", "a.md", "x\ny \n"), places{"a.md:2"});
  EXPECT_EQ(planted("whitespace", "a.cpp", "x\r\n"), places{"a.cpp:1"});
  EXPECT_EQ(planted("whitespace", "a.cpp", "x\ny"), places{"a.cpp:2"});
  EXPECT_EQ(planted("whitespace", "a.cpp", "x\n\ny\n"), places{});
  EXPECT_EQ(planted("whitespace", "a.cpp", ""), places{});
}

TEST(lead_comment, opens_every_file) {
  EXPECT_EQ(planted("lead_comment", "shm/a.cpp", "// What.\n#include <vector>\n"), places{});
  EXPECT_EQ(planted("lead_comment", "shm/a.hpp", "#pragma once\n// What.\n"), places{});
  EXPECT_EQ(planted("lead_comment", "shm/a.cpp", "#include <vector>\n"), places{"shm/a.cpp:1"});
  EXPECT_EQ(planted("lead_comment", "shm/a.hpp", "// What.\n"), (places{"shm/a.hpp:1", "shm/a.hpp:2"}));
  EXPECT_EQ(planted("lead_comment", "shm/a.cpp", ""), places{"shm/a.cpp:1"});
}

TEST(wall_clock, is_not_read_by_the_library) {
  for (const std::string line :
       {"clock_gettime(CLOCK_REALTIME, &t);", "std::chrono::system_clock::now();", "op | FUTEX_CLOCK_REALTIME",
        "x = ::time(nullptr);", "return std::time(nullptr);", "x = time(nullptr);", "gettimeofday(&t, nullptr);"}) {
    for (const std::string folder : {"base", "shm", "pool", "supervisor", "worker", "start"}) {
      EXPECT_EQ(planted("wall_clock", folder + "/a.cpp", "// A lead.\n" + line + "\n"), places{folder + "/a.cpp:2"})
          << line;
    }
    EXPECT_EQ(planted("wall_clock", "tests/crash/a.cpp", line + "\n"), places{}) << line;
  }
  const std::string others = "clock_gettime(CLOCK_MONOTONIC, &t);  // not CLOCK_REALTIME\nfigures.time(1, 2);\n";
  EXPECT_EQ(planted("wall_clock", "pool/a.cpp", others), places{});
}

TEST(read_tree, leaves_out_what_is_built_and_what_is_not_text) {
  planted_tree tree;
  for (const std::string path : {"build/a.cpp", "build-x/a.cpp", ".git/a.cpp", "tests/fuzz/corpus/x/a.txt", "a.bin"}) {
    tree.with(path, "\t");
  }
  EXPECT_EQ(tree.complaints("whitespace"), places{});
  EXPECT_EQ(tree.with("tests/a.cpp", "\t\n").complaints("whitespace"), places{"tests/a.cpp:1"});
}

}  // namespace
