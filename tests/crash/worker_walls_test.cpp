// A worker stays within its own lane, in every mode: what the kernel, the descriptors and the baseline filter
// refuse, and what ordinary code goes on doing (FAILURES row 17, DESIGN D2).
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/crash/lane_rig.hpp"
#include "tests/support/child.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

void requeue(const void*, call_context& context) {
  answer(context, static_cast<std::int64_t>(victims::requeue_a_waiter(argument<int>(context))));
}

// errno of the attack, 0 where it succeeded.
std::int64_t attack(detail::task_thunk task) {
  lane_rig rig({{"attack", nullptr, task}});
  rig.start_worker();
  return rig.await<std::int64_t>(rig.post(0));
}

template <auto victim>
std::int64_t attack() {
  return attack(&ask_victim<victim>);
}

TEST(worker_walls, the_request_region_cannot_be_written_even_through_proc_self_mem) {
  EXPECT_NE(attack<&victims::write_the_request_region>(), 0);
}

void write_a_request_word(const void*, call_context&) {
  const_cast<shm::request_words*>(victims::own_lane().request.words)->posted.store(1);
}

TEST(worker_walls, writing_the_request_region_is_a_crash) {
  lane_rig rig({{"write", nullptr, &write_a_request_word}});
  rig.start_worker();
  rig.post(0);
  const int status = rig.wait_for_the_end();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(worker_walls, the_request_region_cannot_be_made_writable) {
  const std::int64_t error = attack<&victims::make_the_requests_writable>();
  EXPECT_TRUE(error == EACCES || error == EPERM) << error;  // EPERM where the kernel has mseal
}

TEST(worker_walls, a_mapping_cannot_grow_over_its_neighbour) { EXPECT_EQ(attack<&victims::grow_a_mapping>(), EPERM); }
TEST(worker_walls, a_mapping_cannot_be_duplicated) { EXPECT_EQ(attack<&victims::duplicate_a_mapping>(), EPERM); }
TEST(worker_walls, a_mapping_cannot_be_moved) { EXPECT_EQ(attack<&victims::move_a_mapping>(), EPERM); }
TEST(worker_walls, a_range_that_reaches_into_the_lane_cannot_be_moved) {
  EXPECT_EQ(attack<&victims::move_a_range_that_reaches_in>(), EPERM);
}
TEST(worker_walls, nothing_can_be_moved_onto_the_lane) { EXPECT_EQ(attack<&victims::map_over_a_mapping>(), EPERM); }
TEST(worker_walls, its_pages_cannot_be_remapped) { EXPECT_EQ(attack<&victims::remap_its_pages>(), EPERM); }
TEST(worker_walls, no_hole_can_be_punched) { EXPECT_EQ(attack<&victims::punch_a_hole>(), EPERM); }
TEST(worker_walls, no_hole_can_be_punched_by_process_madvise) {
  EXPECT_EQ(attack<&victims::punch_a_hole_by_process_madvise>(), EPERM);
}
TEST(worker_walls, the_lane_cannot_be_handed_down) { EXPECT_EQ(attack<&victims::hand_down_the_lane>(), EPERM); }
TEST(worker_walls, io_uring_is_not_there) { EXPECT_EQ(attack<&victims::set_up_io_uring>(), ENOSYS); }

TEST(worker_walls, the_hosts_waiter_cannot_be_requeued) {
  lane_rig rig({{"requeue", nullptr, &requeue}, {"anew", nullptr, &ask_victim<&victims::requeue_a_waiter_anew>}});
  rig.start_worker();
  for (const int operation : {FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_WAIT_REQUEUE_PI}) {
    for (const int flags : {0, FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME, FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME}) {
      EXPECT_EQ(rig.await<std::int64_t>(rig.post(0, operation | flags)), EPERM) << operation << " with " << flags;
    }
  }
  EXPECT_EQ(rig.await<std::int64_t>(rig.post(1)), EPERM);
}

std::int64_t libc_mremap() {
  const victims::lane_of_worker lane = victims::own_lane();
  void* const moved = ::mremap(lane.response.words, lane.response_bytes, 2 * lane.response_bytes, MREMAP_MAYMOVE);
  return moved == MAP_FAILED ? errno : 0;
}
std::int64_t libc_madvise() {
  return ::madvise(victims::own_lane().response.words, shm::page_bytes, MADV_REMOVE) != 0 ? errno : 0;
}
std::int64_t libc_mprotect() {
  return ::mprotect(victims::own_lane().request.words, shm::page_bytes, PROT_READ | PROT_WRITE) != 0 ? errno : 0;
}

TEST(worker_walls, the_libc_wrappers_are_refused_as_well) {
  EXPECT_EQ(attack<&libc_mremap>(), EPERM);
  EXPECT_EQ(attack<&libc_madvise>(), EPERM);
  EXPECT_NE(attack<&libc_mprotect>(), 0);
}

// Bytes of the segment that are mapped, and the number of their mappings.
struct mapped {
  std::uint64_t bytes, pieces;
};
void count_mappings(const void*, call_context& context) {
  mapped found = {0, 0};
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("selvage-") == std::string::npos) continue;
    char* rest = nullptr;
    const std::uint64_t begin = std::strtoull(line.c_str(), &rest, 16), end = std::strtoull(rest + 1, nullptr, 16);
    found.bytes += end - begin;
    ++found.pieces;
  }
  answer(context, found);
}

TEST(worker_walls, no_other_lane_is_mapped) {
  lane_rig rig({{"count", nullptr, &count_mappings}});
  rig.start_worker();
  const auto found = rig.await<mapped>(rig.post(0));
  EXPECT_EQ(found.pieces, 3U);
  EXPECT_EQ(found.bytes, rig.shape().request_region_bytes() + rig.shape().response_region_bytes() + shm::page_bytes);
}

void count_in_a_child(const void*, call_context& context) {
  int ends[2];
  if (::pipe(ends) != 0) return;
  if (::fork() == 0) {
    std::ifstream maps("/proc/self/maps");
    std::int64_t found = 0;
    for (std::string line; std::getline(maps, line);) found += line.find("selvage-") != std::string::npos;
    (void)!::write(ends[1], &found, sizeof found);
    ::_exit(0);
  }
  std::int64_t found = -1;
  (void)!::read(ends[0], &found, sizeof found);
  answer(context, found);
}

TEST(worker_walls, no_child_of_a_worker_has_the_lane) { EXPECT_EQ(attack(&count_in_a_child), 0); }

void list_descriptors(const void*, call_context& context) {
  std::uint64_t open = 0;
  for (unsigned fd = 0; fd < 64; ++fd) {
    if (::fcntl(static_cast<int>(fd), F_GETFD) >= 0) open |= std::uint64_t{1} << fd;
  }
  answer(context, open);
}

TEST(worker_walls, only_the_granted_descriptors_are_open) {
  const int granted = ::dup(STDERR_FILENO);
  lane_rig rig({{"list", nullptr, &list_descriptors}}, {.inherit = {granted}});
  rig.start_worker();
  const auto open = rig.await<std::uint64_t>(rig.post(0));
  // 0, 1, 2, the granted one, and the eventfd
  EXPECT_EQ(open & 7U, 7U);
  EXPECT_TRUE(shm::test(open, static_cast<unsigned>(granted)));
  EXPECT_EQ(std::popcount(open), 5);
  ::close(granted);
}

// ---- ordinary code is left alone ----------------------------------------------------------------------------------

std::int64_t realloc_large_blocks() {
  // Above the threshold for mmap, so that realloc is mremap.
  auto* block = static_cast<char*>(std::malloc(4U << 20U));
  block[12345] = 'x';
  bool intact = true;
  for (std::size_t size = 8U << 20U; intact && size <= 64U << 20U; size *= 2) {
    auto* const larger = static_cast<char*>(std::realloc(block, size));
    if (larger != nullptr) block = larger;
    intact = larger != nullptr && block[12345] == 'x';
    if (intact) block[size - 1] = 'y';
  }
  std::free(block);
  return intact ? 0 : 1;
}
std::int64_t load_a_library() {
  void* const library = ::dlopen("libz.so.1", RTLD_NOW);
  return library != nullptr && ::dlsym(library, "inflate") != nullptr ? 0 : 1;
}
std::int64_t run_a_program() { return std::system("/bin/true"); }
std::int64_t wait_and_wake() {
  std::uint32_t word = 0;
  const timespec soon = {0, 1000};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, 0, &soon, nullptr, 0);
  if (errno != ETIMEDOUT) return errno;
  std::thread([] {}).join();
  return ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 0 ? 0 : errno;
}
std::int64_t free_pages() {
  void* const pages = ::mmap(nullptr, 1U << 20U, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ::madvise(pages, 1U << 20U, MADV_DONTNEED) == 0 && ::munmap(pages, 1U << 20U) == 0 ? 0 : errno;
}
std::int64_t call_number_minus_one() { return ::syscall(-1) == -1 && errno == ENOSYS ? 0 : 1; }

TEST(worker_walls, realloc_of_large_blocks_works) { EXPECT_EQ(attack<&realloc_large_blocks>(), 0); }
TEST(worker_walls, dlopen_works) { EXPECT_EQ(attack<&load_a_library>(), 0); }
TEST(worker_walls, exec_works) { EXPECT_EQ(attack<&run_a_program>(), 0); }
TEST(worker_walls, threads_and_futexes_work) { EXPECT_EQ(attack<&wait_and_wake>(), 0); }
TEST(worker_walls, giving_pages_back_works) { EXPECT_EQ(attack<&free_pages>(), 0); }
TEST(worker_walls, a_call_that_does_not_exist_is_enosys) { EXPECT_EQ(attack<&call_number_minus_one>(), 0); }

#if defined(__x86_64__)
void call_by_x32(const void*, call_context& context) {
  answer(context, static_cast<std::int64_t>(::syscall(0x40000000 | SYS_getpid)));
}

std::int64_t call_getpid_of_i386() {
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory");
  return result;
}
void call_by_i386(const void*, call_context& context) { answer(context, call_getpid_of_i386()); }

void expect_killed_by_the_filter(detail::task_thunk task) {
  lane_rig rig({{"foreign", nullptr, task}});
  rig.start_worker();
  rig.post(0);
  const int status = rig.wait_for_the_end();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << status;
}

TEST(worker_walls, calls_of_x32_are_killed) { expect_killed_by_the_filter(&call_by_x32); }

TEST(worker_walls, calls_of_i386_are_killed) {
  tests::child unwalled([] {
    call_getpid_of_i386();
    return 0;
  });
  if (const int status = unwalled.exit_status(); status != 0)
    GTEST_SKIP() << "this kernel has no 32-bit system calls: int 0x80 ends a process with " << status;
  expect_killed_by_the_filter(&call_by_i386);
}
#endif

// ---- the rest of the boot -----------------------------------------------------------------------------------------

struct facts {
  std::int64_t session_is_own, core_limit, no_new_privs, death_signal, stdin_is_null, blocked_signals;
  char name[16];
};
void collect_facts(const void*, call_context& context) {
  facts found = {};
  found.session_is_own = ::getsid(0) == ::getpid();
  rlimit core = {};
  ::getrlimit(RLIMIT_CORE, &core);
  found.core_limit = static_cast<std::int64_t>(core.rlim_max);
  found.no_new_privs = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  int signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &signal);
  found.death_signal = signal;
  char byte = 0;
  found.stdin_is_null = ::read(STDIN_FILENO, &byte, 1) == 0;
  sigset_t mask;
  ::sigprocmask(SIG_BLOCK, nullptr, &mask);
  for (int i = 1; i < 65; ++i) found.blocked_signals += sigismember(&mask, i) == 1;
  struct sigaction terminate = {};
  ::sigaction(SIGTERM, nullptr, &terminate);
  found.blocked_signals += terminate.sa_handler != SIG_DFL;
  ::prctl(PR_GET_NAME, found.name);
  answer(context, found);
}

TEST(worker_walls, a_worker_boots_into_a_process_of_its_own) {
  ::signal(SIGTERM, SIG_IGN);
  sigset_t mask;
  sigfillset(&mask);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  lane_rig rig({{"facts", nullptr, &collect_facts}});
  rig.start_worker();
  const auto found = rig.await<facts>(rig.post(0));
  sigemptyset(&mask);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  EXPECT_EQ(found.session_is_own, 1);
  EXPECT_EQ(found.core_limit, 0);
  EXPECT_EQ(found.no_new_privs, 1);
  EXPECT_EQ(found.death_signal, SIGKILL);
  EXPECT_EQ(found.stdin_is_null, 1);
  EXPECT_EQ(found.blocked_signals, 0);
  EXPECT_STREQ(found.name, "selvage-w1");
}

// What the task may have leaked would count against the next call.
TEST(worker_walls, memory_without_end_is_out_of_memory_and_nothing_more_is_started) {
  lane_rig rig(
      {{"eat", nullptr, &call_victim<&victims::allocate_without_end>}, {"realloc", nullptr, &ask_victim<&free_pages>}},
      {.memory_bytes = 64U << 20U});
  rig.start_worker();
  EXPECT_EQ(rig.await_status(rig.post(0)), shm::response_status::out_of_memory);
  const unsigned next = rig.post(1);
  ::usleep(50'000);
  EXPECT_FALSE(shm::test(rig.host.started(), next));
  EXPECT_FALSE(rig.has_ended());
}

}  // namespace
}  // namespace selvage::test
