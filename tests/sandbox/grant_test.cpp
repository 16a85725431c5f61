// What a strict worker is granted, it has, and nothing beside it; and what a pool cannot be built with.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/kernel.hpp"
#include "tests/support/child.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/victims/forbidden.hpp"
#include "tests/victims/victims.hpp"
#include "worker/bpf.hpp"

namespace selvage::test {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

// ---- tasks: plain functions, for both ways to start -----------------------------------------------------------------

int open_for_reading(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd == -1) return errno;
  ::close(fd);
  return 0;
}
int open_for_writing(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd == -1) return errno;
  const bool written = ::write(fd, "x", 1) == 1;
  ::close(fd);
  return written ? 0 : EIO;
}
int cut(const std::string& path) { return ::truncate(path.c_str(), 0) == -1 ? errno : 0; }
int remove_file(const std::string& path) { return ::unlink(path.c_str()) == -1 ? errno : 0; }
int make_link(const std::string& target, const std::string& path) {
  return ::symlink(target.c_str(), path.c_str()) == -1 ? errno : 0;
}
int move_file(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == -1 ? errno : 0;
}

sockaddr_in loopback(int port) {
  sockaddr_in it = {};
  it.sin_family = AF_INET;
  it.sin_port = htons(static_cast<std::uint16_t>(port));
  it.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return it;
}

int connect_to(int port, int type) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd == -1) return errno;
  const sockaddr_in to = loopback(port);
  const int error = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == -1 ? errno : 0;
  ::close(fd);
  return error;
}
constexpr int any_port = -1;  // the kernel's choice, without bind()

int listen_on(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd == -1) return errno;
  const sockaddr_in at = loopback(port);
  const bool is_bound = port == any_port || ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  const int error = !is_bound || ::listen(fd, 1) == -1 ? errno : 0;
  ::close(fd);
  return error;
}

const auto reads = task("reads", &open_for_reading);
const auto crash = task("crash", &victims::kill_itself);
const auto writes = task("writes", &open_for_writing);
const auto cuts = task("cuts", &cut);
const auto removes = task("removes", &remove_file);
const auto links = task("links", &make_link);
const auto moves = task("moves", &move_file);
const auto connects = task("connects", &connect_to);
const auto listens = task("listens", &listen_on);

/// A folder of its own, gone at the end.
class some_folder {
 public:
  some_folder() {
    std::string name = (fs::temp_directory_path() / "selvage-grant-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
    path_ = name;
    fs::create_directory(path_ / "in");
    std::ofstream(path_ / "in" / "file") << "inside";
    std::ofstream(path_ / "outside") << "outside";
    fs::create_symlink(path_ / "outside", path_ / "in" / "leads_out");
    fs::create_symlink(path_ / "in" / "file", path_ / "leads_in");
  }
  ~some_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  some_folder(const some_folder&) = delete;
  some_folder& operator=(const some_folder&) = delete;
  [[nodiscard]] std::string at(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

/// A port of this machine that somebody listens on.
class listener {
 public:
  listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(fd_, 16) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
      throw std::system_error(errno, std::generic_category(), "a listening socket");
    port_ = ntohs(at.sin_port);
  }
  ~listener() { ::close(fd_); }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

class grants : public pool_survives, public ::testing::WithParamInterface<start> {
 protected:
  [[nodiscard]] pool_options with(permissions given) {
    return watched({.workers = 1, .start = GetParam(), .permissions = std::move(given)});
  }
  static bool landlock(int least) {
    if (base::landlock_version() >= least) return true;
    std::printf("skipped: this kernel has no version %d of Landlock\n", least);
    return false;
  }
};

INSTANTIATE_TEST_SUITE_P(by, grants, ::testing::Values(start::fork, start::spawn),
                         [](const auto& info) { return info.param == start::fork ? "fork" : "spawn"; });

// ---- files ---------------------------------------------------------------------------------------------------------

// FAILURES row 19
TEST_P(grants, of_reading_hold_within_and_not_beside) {
  if (!landlock(1)) GTEST_SKIP();
  const some_folder folder;
  pool pool(with(permissions::strict().read(folder.at("in"))), reads, writes, cuts, removes);
  EXPECT_EQ(pool.call(reads, folder.at("in")).get(), 0);
  EXPECT_EQ(pool.call(reads, folder.at("in/file")).get(), 0);
  EXPECT_EQ(pool.call(reads, folder.at("in/../in/file")).get(), 0);
  EXPECT_EQ(pool.call(reads, folder.at("leads_in")).get(), 0);
  for (const char* const path : {"outside", "in/leads_out", "in/../outside", "."})
    EXPECT_EQ(pool.call(reads, folder.at(path)).get(), EACCES) << path;
  for (const char* const path : {"/etc/passwd", "/proc/self/mem", "/proc/self/status", "/", "/dev/null"})
    EXPECT_EQ(pool.call(reads, path).get(), EACCES) << path;
  EXPECT_EQ(pool.call(writes, folder.at("in/file")).get(), EACCES);
  EXPECT_EQ(pool.call(writes, folder.at("in/new")).get(), EACCES);
  EXPECT_EQ(pool.call(cuts, folder.at("in/file")).get(), EACCES);
  EXPECT_EQ(pool.call(removes, folder.at("in/file")).get(), EACCES);
}

TEST_P(grants, of_writing_hold_within_and_are_not_of_reading) {
  if (!landlock(base::landlock_with_truncate)) GTEST_SKIP();
  const some_folder folder;
  pool pool(with(permissions::strict().write(folder.at("in"))), reads, writes, cuts, removes, links, moves);
  EXPECT_EQ(pool.call(writes, folder.at("in/new")).get(), 0);
  EXPECT_EQ(pool.call(reads, folder.at("in/new")).get(), EACCES);
  EXPECT_EQ(pool.call(cuts, folder.at("in/new")).get(), 0);
  EXPECT_EQ(pool.call(moves, folder.at("in/new"), folder.at("in/newer")).get(), 0);
  EXPECT_NE(pool.call(moves, folder.at("in/newer"), folder.at("newest")).get(), 0);
  EXPECT_EQ(pool.call(removes, folder.at("in/newer")).get(), 0);
  EXPECT_EQ(pool.call(links, folder.at("outside"), folder.at("in/way_out")).get(), 0);
  for (const char* const path : {"outside", "in/leads_out", "in/way_out", "new"}) {
    EXPECT_EQ(pool.call(writes, folder.at(path)).get(), EACCES) << path;
    EXPECT_NE(pool.call(cuts, folder.at(path)).get(), 0) << path;
  }
  EXPECT_EQ(pool.call(removes, folder.at("outside")).get(), EACCES);
}

TEST_P(grants, may_name_one_file) {
  if (!landlock(base::landlock_with_truncate)) GTEST_SKIP();
  const some_folder folder;
  pool pool(with(permissions::strict().read(folder.at("in/file")).write(folder.at("outside")).read("/dev/null")), reads,
            writes);
  EXPECT_EQ(pool.call(reads, folder.at("in/file")).get(), 0);
  EXPECT_EQ(pool.call(reads, folder.at("in")).get(), EACCES);
  EXPECT_EQ(pool.call(writes, folder.at("outside")).get(), 0);
  EXPECT_EQ(pool.call(writes, folder.at("in/file")).get(), EACCES);
  EXPECT_EQ(pool.call(reads, "/dev/null").get(), 0);
}

// FAILURES row 19: a task that may write cannot make a grant of its pool mean something else for the next worker.
TEST_P(grants, are_of_what_was_there_and_not_of_what_takes_its_name) {
  if (!landlock(base::landlock_with_truncate)) GTEST_SKIP();
  const some_folder folder;
  pool pool(with(permissions::strict().write(folder.at(".")).read(folder.at("in"))), add, reads, moves, links, crash);
  EXPECT_EQ(pool.call(moves, folder.at("in"), folder.at("elsewhere")).get(), 0);
  EXPECT_EQ(pool.call(links, "/etc", folder.at("in")).get(), 0);
  for (int worker = 0; worker < 3; ++worker) {
    EXPECT_EQ(code_of(pool.call(crash).result()), errc::crashed);
    EXPECT_EQ(pool.call(reads, folder.at("in/passwd")).get(), EACCES);
    EXPECT_EQ(pool.call(reads, folder.at("elsewhere/file")).get(), 0);
  }
}

TEST_P(grants, that_are_gone_from_their_place_fail_no_worker) {
  if (!landlock(base::landlock_with_truncate)) GTEST_SKIP();
  const some_folder folder;
  pool pool(with(permissions::strict().write(folder.at(".")).read(folder.at("outside"))), add, reads, removes, crash);
  EXPECT_EQ(pool.call(removes, folder.at("outside")).get(), 0);
  EXPECT_EQ(code_of(pool.call(crash).result()), errc::crashed);
  EXPECT_EQ(pool.call(reads, folder.at("outside")).get(), ENOENT);
  expect_usable(pool);
}

// ---- the network ---------------------------------------------------------------------------------------------------

// FAILURES row 20
TEST_P(grants, of_a_port_are_of_that_port) {
  if (!landlock(base::landlock_with_ports)) GTEST_SKIP();
  const listener granted, other;
  pool pool(with(permissions::strict().net(tcp_connect{granted.port()})), connects, listens);
  EXPECT_EQ(pool.call(connects, granted.port(), SOCK_STREAM).get(), 0);
  EXPECT_EQ(pool.call(connects, other.port(), SOCK_STREAM).get(), EACCES);
  EXPECT_EQ(pool.call(connects, granted.port(), SOCK_DGRAM).get(), EACCES);
  EXPECT_EQ(pool.call(listens, 0).get(), EACCES);
  EXPECT_EQ(pool.call(listens, any_port).get(), EACCES);
}

TEST_P(grants, of_listening_are_not_of_connecting) {
  if (!landlock(base::landlock_with_ports)) GTEST_SKIP();
  const listener other;
  std::uint16_t free_port = 0;
  {
    const listener for_a_moment;
    free_port = for_a_moment.port();
  }
  pool pool(with(permissions::strict().net(tcp_listen{free_port})), connects, listens);
  EXPECT_EQ(pool.call(listens, free_port).get(), 0);
  EXPECT_EQ(pool.call(listens, free_port == 1024 ? 1025 : free_port - 1).get(), EACCES);
  EXPECT_EQ(pool.call(connects, other.port(), SOCK_STREAM).get(), EACCES);
}

TEST_P(grants, of_udp_are_not_of_tcp) {
  const listener other;
  pool pool(with(permissions::strict().net(udp{})), connects);
  EXPECT_EQ(pool.call(connects, other.port(), SOCK_DGRAM).get(), 0);
  EXPECT_EQ(pool.call(connects, other.port(), SOCK_STREAM).get(), EACCES);
}

// ---- the rest ------------------------------------------------------------------------------------------------------

TEST_P(grants, of_code_made_at_run_time) {
  const auto make = task("make", &victims::map_writable_code);
  const auto turn = task("turn", &victims::make_code_of_data);
  pool pool(with(permissions::strict().jit(true)), make, turn);
  EXPECT_EQ(pool.call(make).get(), 0);
  EXPECT_EQ(pool.call(turn).get(), 0);
}

TEST_P(grants, unsafe_has_everything_that_the_program_has) {
  const auto memory = task("memory", &victims::make_a_memory_file);
  const auto child = task("child", &victims::clone_a_child);
  const listener other;
  pool pool(with(permissions::unsafe()), reads, memory, child, connects);
  EXPECT_EQ(pool.call(reads, "/etc/passwd").get(), 0);
  EXPECT_EQ(pool.call(memory).get(), 0);
  EXPECT_EQ(pool.call(child).get(), 0);
  EXPECT_EQ(pool.call(connects, other.port(), SOCK_STREAM).get(), 0);
}

TEST_P(grants, by_default_are_all_for_forked_workers_and_none_for_spawned_ones) {
  pool pool(with({}), reads);
  EXPECT_EQ(pool.call(reads, "/etc/passwd").get(), GetParam() == start::fork ? 0 : EACCES);
}

// ---- what a pool cannot be built with ------------------------------------------------------------------------------

class permission_check : public pool_survives {
 protected:
  /// What the constructor says; empty where the pool was built.
  [[nodiscard]] static std::string refusal(const permissions& given, errc expected = errc::invalid_options) {
    try {
      pool built({.workers = 1, .permissions = given}, reads);
    } catch (const error& problem) {
      EXPECT_EQ(problem.code(), expected) << problem.what();
      return problem.what();
    }
    return {};
  }
};

TEST_F(permission_check, refuses_what_would_expose_what_nobody_names) {
  for (const char* const broad : {"/", "/etc", "/dev/.."}) {
    EXPECT_THAT(refusal(permissions::strict().read(broad)), HasSubstr("would expose")) << broad;
    EXPECT_THAT(refusal(permissions::strict().write(broad)), HasSubstr("would expose")) << broad;
  }
  EXPECT_THAT(refusal(permissions::strict().read("/etc")), HasSubstr("/etc/shadow"));
  // Named, but for writing only.
  EXPECT_THAT(refusal(permissions::strict().read("/etc").write("/etc/shadow")), HasSubstr("would expose"));
  if (base::landlock_version() >= 1) {
    EXPECT_EQ(refusal(permissions::strict().read("/etc").read("/etc/shadow")), "");
    EXPECT_EQ(refusal(permissions::strict().read("/dev/null").read("/proc/self/status")), "");
  }
}

TEST_F(permission_check, sees_through_links_to_what_would_be_exposed) {
  const some_folder folder;
  fs::create_symlink("/etc", folder.at("settings"));
  EXPECT_THAT(refusal(permissions::strict().read(folder.at("settings"))), HasSubstr("/etc/shadow"));
}

TEST_F(permission_check, knows_the_secrets_of_a_home) {
  const some_folder folder;
  fs::create_directory(folder.at("in/.ssh"));
  const char* const before = std::getenv("HOME");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("HOME", folder.at("in").c_str(), 1);
  EXPECT_THAT(refusal(permissions::strict().read(folder.at("."))), HasSubstr(".ssh"));
  before == nullptr ? ::unsetenv("HOME") : ::setenv("HOME", kept.c_str(), 1);
}

TEST_F(permission_check, names_the_path_that_is_not_there) {
  EXPECT_THAT(refusal(permissions::strict().read("/nowhere/at/all")), HasSubstr("read(\"/nowhere/at/all\")"));
  EXPECT_THAT(refusal(permissions::strict().write("")), HasSubstr("write(\"\")"));
  EXPECT_THAT(refusal(permissions::strict().read(std::string("/etc/passwd\0/x", 14))), HasSubstr("zero byte"));
  EXPECT_THAT(refusal(permissions::strict().env("A=B")), HasSubstr("env(\"A=B\")"));
  EXPECT_THAT(refusal(permissions::strict().env("")), HasSubstr("env(\"\")"));
}

TEST_F(permission_check, takes_a_path_from_the_working_directory) {
  if (base::landlock_version() < 1) GTEST_SKIP() << "no Landlock";
  const some_folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.at("in"));
  {
    pool pool(watched({.workers = 1, .permissions = permissions::strict().read(".")}), reads);
    fs::current_path(before);
    EXPECT_EQ(pool.call(reads, folder.at("in/file")).get(), 0);
    EXPECT_EQ(pool.call(reads, folder.at("outside")).get(), EACCES);
  }
}

// Landlock is not there: simulated by a filter that refuses its first call.
TEST_F(permission_check, fails_closed_where_the_kernel_cannot_enforce_a_grant) {
  tests::child host([] {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    worker::bpf::assembler code;
    const auto absent = code.label();
    code.fetch(worker::bpf::syscall_number)
        .jump_if(worker::bpf::compare::equal, 444, absent)  // landlock_create_ruleset
        .finish(SECCOMP_RET_ALLOW)
        .place(absent)
        .finish(SECCOMP_RET_ERRNO | ENOSYS);
    worker::bpf::install(code.assemble());
    const auto code_of_building = [](const permissions& given) -> int {
      try {
        pool built({.workers = 1, .permissions = given}, reads);
        return built.call(reads, "/etc/passwd").get();
      } catch (const error& problem) {
        const bool helps = std::string(problem.what()).find("best_effort") != std::string::npos;
        return problem.code() == errc::sandbox_unavailable && helps ? -1 : -2;
      }
    };
    if (code_of_building(permissions::strict().read("/usr")) != -1) return 1;
    if (code_of_building(permissions::strict().write("/tmp")) != -1) return 2;
    if (code_of_building(permissions::strict().net(tcp_connect{1})) != -1) return 3;
    if (code_of_building(permissions::strict()) != EACCES) return 4;  // the filter alone refuses all files
    if (code_of_building(permissions::strict().read("/usr").best_effort(true)) != 0) return 5;
    return 0;
  });
  EXPECT_EQ(host.exit_status(), 0);
}

TEST_F(permission_check, a_value_of_permissions_is_not_changed_by_a_grant) {
  const permissions none = permissions::strict();
  const permissions some = none.read("/usr").env("LANG").net(udp{});
  EXPECT_TRUE(none.granted().read.empty());
  EXPECT_TRUE(none.granted().environment.empty());
  EXPECT_FALSE(none.granted().udp);
  EXPECT_EQ(some.granted().read, std::vector<std::string>{"/usr"});
  EXPECT_TRUE(some.is_strict());
}

}  // namespace
}  // namespace selvage::test
