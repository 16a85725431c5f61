// Tasks out of a library that the host never loads: found by their names and signatures, run by sealed workers only.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {

struct point {
  int x = 0;
  int y = 0;
  friend bool operator==(const point&, const point&) = default;
};

namespace {

using ::testing::HasSubstr;

/// Beside this program, where it was moved together with its modules; else where they were built.
std::string moved_or(const std::filesystem::path& built) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / built.filename();
  return std::filesystem::exists(beside) ? beside.string() : built.string();
}

const std::string module_path = moved_or(SELVAGE_TEST_MODULE);
const std::string other_path = moved_or(SELVAGE_OTHER_TEST_MODULE);

class module_tasks : public pool_survives, public ::testing::WithParamInterface<start> {};

template <class Signature>
auto import_it(std::string_view name, task_options options = {}) {
  return import_task<Signature>(module_path, name, std::move(options));
}

std::string maps_of_this_process() {
  std::ostringstream text;
  text << std::ifstream("/proc/self/maps").rdbuf();
  return text.str();
}

template <class Signature>
std::string refusal_of(std::string_view library, std::string_view name) {
  try {
    (void)import_task<Signature>(library, name);
    return "taken";
  } catch (const error& problem) {
    EXPECT_EQ(problem.code(), errc::unknown_task);
    return problem.what();
  }
}

TEST_P(module_tasks, are_called_like_any_others) {
  const auto shout = import_it<std::string(std::string_view)>("shout");
  const auto sum = import_it<int(int, int)>("add");
  const auto nothing = import_it<void()>("nothing");
  const auto fail = import_it<int(std::string_view)>("fail");
  const auto die = import_it<int()>("die");
  pool pool(watched({.workers = 2, .start = GetParam()}), shout, sum, nothing, fail, die);
  EXPECT_EQ(pool.call(shout, "hello").get(), "hello!");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool.call(sum, i, 1).get(), i + 1);
  pool.call(nothing).get();
  const auto failed = pool.call(fail, "no").result();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().details().exception_type, "std::invalid_argument");
  EXPECT_EQ(failed.error().details().message, "no");
  EXPECT_EQ(pool.call(die).result().error().code(), errc::crashed);
  EXPECT_EQ(pool.call(sum, 2, 3).get(), 5);
  EXPECT_THAT(maps_of_this_process(), ::testing::Not(HasSubstr("test_module"))) << "the host has loaded it";
}

TEST_P(module_tasks, are_confined_from_the_moment_that_their_module_is_loaded) {
  const auto met = import_it<int()>("what_the_constructor_met");
  {
    pool pool(watched({.workers = 1, .start = GetParam()}), met);
    EXPECT_EQ(pool.call(met).get(), EACCES);
  }
  const auto freely = import_it<int()>("what_the_constructor_met", {.permissions = permissions::unsafe()});
  pool pool(watched({.workers = 1, .start = GetParam(), .permissions = permissions::unsafe()}), freely);
  EXPECT_EQ(pool.call(freely).get(), 0);
}

TEST_P(module_tasks, have_their_limits_beside_other_tasks) {
  const auto wait = import_it<bool()>("wait_for_abort", {.timeout = 50ms});
  pool pool(watched({.workers = 1, .start = GetParam(), .permissions = permissions::unsafe()}), wait, add);
  EXPECT_EQ(pool.call(wait).result().error().code(), errc::timed_out);
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
}

INSTANTIATE_TEST_SUITE_P(by, module_tasks, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

class modules : public pool_survives {};

TEST_F(modules, are_refused_where_a_signature_is_another_one) {
  EXPECT_THAT((refusal_of<int(int, long)>(module_path, "add")),
              HasSubstr("its task 'add' is int (int, int), and was imported as int (int, long int)"));
  EXPECT_THAT((refusal_of<int(int, int)>(module_path, "sub")),
              HasSubstr("it has no task 'sub', only: shout, add, paths"));
}

TEST_F(modules, are_refused_where_there_are_none) {
  EXPECT_THAT((refusal_of<int()>("./nowhere.so", "add")), HasSubstr("./nowhere.so: No such file"));
  EXPECT_THAT((refusal_of<int()>("libnowhere.so", "add")), HasSubstr("it is in none of"));
  EXPECT_THAT((refusal_of<int()>("libc.so.6", "add")), HasSubstr("it is no module"));
  EXPECT_THAT((refusal_of<int()>("/etc", "add")), HasSubstr("it is no file"));
  EXPECT_THAT((refusal_of<int()>("/etc/passwd", "add")), HasSubstr("/etc/passwd"));
  EXPECT_THAT((refusal_of<int()>("/proc/self/exe", "add")), HasSubstr(": it is no "));
}

TEST_F(modules, that_are_spoilt_are_refused_or_read) {
  tests::random_source random;
  std::ostringstream whole;
  whole << std::ifstream(module_path, std::ios::binary).rdbuf();
  const std::string text = whole.str();
  const std::string path = std::filesystem::temp_directory_path() / ("spoilt-" + std::to_string(::getpid()) + ".so");
  const auto look = [&](std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    try {
      (void)import_task<int(int, int)>(path, "add");
    } catch (const error& problem) {
      ASSERT_EQ(problem.code(), errc::unknown_task);
    }
  };
  for (int round = 0; round < 300; ++round) {
    std::string spoilt = text;
    const bool in_head = round % 2 == 0;
    for (int i = 0; i < 4; ++i) spoilt[random.below(in_head ? 1024 : spoilt.size())] = static_cast<char>(random.bits());
    look(spoilt);
  }
  for (std::size_t size = 0; size < text.size(); size += 1 + text.size() / 50)
    look(std::string_view(text).substr(0, size));
  std::filesystem::remove(path);
}

TEST_F(modules, that_have_changed_since_fail_the_call) {
  const std::string path = std::filesystem::temp_directory_path() / ("changed-" + std::to_string(::getpid()) + ".so");
  std::filesystem::copy_file(module_path, path, std::filesystem::copy_options::overwrite_existing);
  const auto sum = import_task<int(int, int)>(path, "add");
  pool pool(watched({.workers = 1}), sum);
  std::filesystem::copy_file(other_path, path + ".new");
  std::filesystem::rename(path + ".new", path);
  const auto changed = pool.call(sum, 1, 2).result();
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), errc::task_failed);
  std::filesystem::remove(path);
}

TEST_F(modules, tell_types_of_the_same_members_apart_by_their_names) {
  // A struct of the host's is another type than the module's, and that is said.
  EXPECT_THAT((refusal_of<std::map<std::string, std::vector<point>>(const std::vector<point>&)>(module_path, "paths")),
              HasSubstr("was imported as"));
}

}  // namespace
}  // namespace selvage::test
