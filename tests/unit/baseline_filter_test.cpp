// The baseline filter twice over: its program run by a small interpreter over every boundary, and installed in a
// child whose "lane" is an ordinary shared mapping without mseal, so that nothing but the filter can be what
// refuses.
#include "worker/baseline_filter.hpp"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <random>

#include "tests/support/bpf_interpreter.hpp"

namespace selvage::worker {
namespace {

using arguments = std::array<std::uint64_t, 6>;
using tests::interpret;

constexpr std::uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

constexpr address_range lane = {0x7f1230000000, 0x7f1240000000};

std::uint32_t decide(long number, const arguments& args, const address_range& range = lane) {
  static const auto program = baseline_filter(lane);
  seccomp_data call = {
      .nr = static_cast<int>(number), .arch = bpf::native_architecture, .instruction_pointer = 0, .args = {}};
  std::copy(args.begin(), args.end(), std::begin(call.args));
  return interpret(range.begin == lane.begin && range.end == lane.end ? program : baseline_filter(range), call);
}

TEST(baseline_filter, leaves_ordinary_calls_alone) {
  for (const long number :
       {SYS_read, SYS_write, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_execve, SYS_clone, SYS_openat, SYS_brk}) {
    EXPECT_EQ(decide(number, {}), SECCOMP_RET_ALLOW) << number;
  }
}

TEST(baseline_filter, decides_a_call_without_arguments_by_its_number_alone) {
  // The kernel's bitmap takes a call that is allowed without a look at its arguments: see seccomp_is_const_allow.
  seccomp_data call = {.nr = SYS_read, .arch = bpf::native_architecture, .instruction_pointer = 0, .args = {}};
  unsigned steps = 0;
  EXPECT_EQ(interpret(baseline_filter(lane), call, &steps), SECCOMP_RET_ALLOW);
  EXPECT_LE(steps, 16U);
}

TEST(baseline_filter, refuses_the_calls_that_reach_past_the_lane) {
  for (const long number : {long{SYS_remap_file_pages}, long{SYS_process_madvise}, 456L})
    EXPECT_EQ(decide(number, {}), refused);
  EXPECT_EQ(decide(SYS_io_uring_setup, {}), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(decide(SYS_madvise, {0, 4096, MADV_REMOVE}), refused);
  EXPECT_EQ(decide(SYS_madvise, {0, 4096, MADV_DOFORK}), refused);
  constexpr std::uint64_t hwpoison = 100, soft_offline = 101;
  EXPECT_EQ(decide(SYS_madvise, {0, 4096, hwpoison}), refused);
  EXPECT_EQ(decide(SYS_madvise, {0, 4096, soft_offline}), refused);
  EXPECT_EQ(decide(SYS_madvise, {0, 4096, 0xffffffff00000000U | MADV_REMOVE}), refused) << "the kernel takes an int";
  EXPECT_EQ(decide(SYS_madvise, {0, 4096, MADV_DONTNEED}), SECCOMP_RET_ALLOW);
}

TEST(baseline_filter, refuses_every_form_of_requeueing) {
  for (std::uint64_t operation = 0; operation < 16; ++operation) {
    const bool requeues = operation == FUTEX_REQUEUE || operation == FUTEX_CMP_REQUEUE ||
                          operation == FUTEX_WAIT_REQUEUE_PI || operation == FUTEX_CMP_REQUEUE_PI;
    for (const std::uint64_t flags :
         {0, FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME, FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME}) {
      EXPECT_EQ(decide(SYS_futex, {0, operation | flags}), requeues ? refused : SECCOMP_RET_ALLOW) << operation;
      EXPECT_EQ(decide(SYS_futex, {0, operation | flags | (1ULL << 40U)}), requeues ? refused : SECCOMP_RET_ALLOW);
    }
  }
}

TEST(baseline_filter, refuses_memory_that_a_limit_does_not_count_where_there_is_one) {
  const auto limited = baseline_filter(lane, true);
  const auto decide_limited = [&](long number, std::uint64_t flags) {
    seccomp_data call = {.nr = static_cast<int>(number),
                         .arch = bpf::native_architecture,
                         .instruction_pointer = 0,
                         .args = {0, 4096, PROT_READ | PROT_WRITE, flags, ~0ULL, 0}};
    return interpret(limited, call);
  };
  constexpr std::uint32_t no_memory = SECCOMP_RET_ERRNO | ENOMEM;
  constexpr std::uint64_t high = 1ULL << 40U;
  constexpr long memfd_secret = 447;
  for (const long number : {long{SYS_memfd_create}, memfd_secret, long{SYS_shmget}}) {
    EXPECT_EQ(decide_limited(number, 0), no_memory);
    EXPECT_EQ(decide(number, {}), SECCOMP_RET_ALLOW);
  }
  for (const std::uint64_t flags : {MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED_VALIDATE | MAP_ANONYMOUS,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, MAP_PRIVATE | MAP_GROWSDOWN}) {
    EXPECT_EQ(decide_limited(SYS_mmap, flags), no_memory) << flags;
    EXPECT_EQ(decide_limited(SYS_mmap, flags | high), no_memory) << flags;
  }
  for (const std::uint64_t flags : {MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, MAP_SHARED,
                                    MAP_PRIVATE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED}) {
    EXPECT_EQ(decide_limited(SYS_mmap, flags), SECCOMP_RET_ALLOW) << flags;
  }
}

TEST(baseline_filter, kills_calls_of_other_architectures) {
  seccomp_data call = {.nr = SYS_read, .arch = AUDIT_ARCH_I386, .instruction_pointer = 0, .args = {}};
  EXPECT_EQ(interpret(baseline_filter(lane), call), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
  EXPECT_EQ(decide(0x40000000 | SYS_read, {}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(decide(0x7fffffff, {}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(decide(-1, {}), SECCOMP_RET_ALLOW) << "a number that is none: the kernel says ENOSYS";
#endif
}

// The same question in whole numbers: an address has 56 bits and a length 63, so the sum fits.
bool overlaps(const address_range& range, std::uint64_t address, std::uint64_t length) {
  const std::uint64_t begin = address & 0x00ffffffffffffffU, end = begin + length;
  if (begin >= range.begin && begin < range.end) return true;
  return begin < range.begin && end > range.begin;
}

TEST(baseline_filter, refuses_mremap_of_exactly_the_ranges_that_touch_the_lane) {
  const address_range ranges[] = {lane,
                                  {0x7fff00000000, 0x800000000000},
                                  {0x10000, 0x20000},
                                  {0xfffff000, 0x100001000},
                                  {0x7ffe00000000, 0x7fff00000000}};
  for (const address_range& range : ranges) {
    std::vector<std::uint64_t> addresses,
        lengths = {0, 1, 0xfff, 0x1000, 0x1001, 0xffffffff, 0x100000000, 0x7fffffffffffffff};
    for (const std::uint64_t edge : {range.begin, range.end}) {
      for (const std::int64_t step : {-0x100000000L, -0x1001L, -0x1000L, -1L, 0L, 1L, 0x1000L, 0x100000000L}) {
        addresses.push_back(edge + static_cast<std::uint64_t>(step));
      }
    }
    for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{0x1000}, std::uint64_t{0x00ffffffffffffff}})
      addresses.push_back(address);
    for (const std::uint64_t address : std::vector(addresses)) {
      addresses.push_back(address | 0xab00000000000000U);  // a tagged pointer names the same page
      lengths.push_back(range.begin - address);
      lengths.push_back(range.begin - address + 1);
    }
    for (const std::uint64_t address : addresses) {
      for (const std::uint64_t length : lengths) {
        // Over 2^63 there is no such range: refused where it starts below the lane, and of no effect elsewhere.
        if (length >> 63U != 0) continue;
        const std::uint32_t expected = overlaps(range, address, length) ? refused : SECCOMP_RET_ALLOW;
        ASSERT_EQ(decide(SYS_mremap, {address, length, 4096, MREMAP_MAYMOVE, range.begin}, range), expected)
            << std::hex << address << " + " << length;
        ASSERT_EQ(decide(SYS_mremap, {0x3000, 0, length, MREMAP_MAYMOVE | MREMAP_FIXED, address}, range), expected);
      }
    }
  }
}

TEST(baseline_filter, agrees_with_arithmetic_in_whole_numbers_at_random) {
  std::mt19937_64 random(20240601);
  RecordProperty("seed", 20240601);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t address = random() >> (random() % 32), length = random() >> (1 + random() % 63);
    ASSERT_EQ(decide(SYS_mremap, {address, length, 1, 0, 0}),
              overlaps(lane, address, length) ? refused : SECCOMP_RET_ALLOW)
        << std::hex << address << " + " << length;
  }
}

TEST(baseline_filter, refuses_in_the_kernel_what_it_refuses_on_paper) {
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr std::size_t page = 4096, bytes = 16 * page;
    const int fd = ::memfd_create("lane", 0);
    if (::ftruncate(fd, 64 * page) != 0) ::_exit(100);
    auto* const found = static_cast<char*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    auto* const own = static_cast<char*>(::mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    const auto begin = reinterpret_cast<std::uintptr_t>(found);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // Before: each works.
    if (::mremap(found, 0, page, MREMAP_MAYMOVE) == MAP_FAILED) ::_exit(101);
    if (::madvise(found, page, MADV_REMOVE) != 0) ::_exit(102);
    bpf::install(baseline_filter({begin, begin + bytes}));
    const auto is_refused = [](bool failed) { return failed && errno == EPERM; };
    if (!is_refused(::mremap(found, 0, page, MREMAP_MAYMOVE) == MAP_FAILED)) ::_exit(1);
    if (!is_refused(::mremap(found + bytes - page, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED)) ::_exit(2);
    if (!is_refused(::mremap(own, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, found) == MAP_FAILED)) ::_exit(3);
    if (!is_refused(::madvise(found, page, MADV_REMOVE) != 0)) ::_exit(4);
    if (!is_refused(::syscall(SYS_futex, found, FUTEX_REQUEUE, 0, 1, found + 64, 0) != 0)) ::_exit(5);
    if (!is_refused(::syscall(SYS_remap_file_pages, found, page, 0, 8, 0) != 0)) ::_exit(6);
    if (::mremap(own, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED) ::_exit(7);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(bpf_assembler, refuses_a_jump_that_leads_nowhere) {
  bpf::assembler code;
  const auto nowhere = code.label();
  code.fetch(bpf::syscall_number).jump_if(bpf::compare::equal, 1, nowhere).finish(SECCOMP_RET_ALLOW);
  EXPECT_THROW((void)code.assemble(), std::logic_error);
}

TEST(bpf_assembler, refuses_a_conditional_jump_that_is_too_far) {
  for (const unsigned between : {255U, 256U}) {
    bpf::assembler code;
    const auto far = code.label();
    code.fetch(bpf::syscall_number).jump_if(bpf::compare::equal, 1, far);
    for (unsigned i = 0; i < between; ++i) code.load_constant(i);
    code.place(far).finish(SECCOMP_RET_ALLOW);
    if (between == 255) {
      EXPECT_NO_THROW((void)code.assemble());
    } else {
      EXPECT_THROW((void)code.assemble(), std::logic_error);
    }
  }
}

}  // namespace
}  // namespace selvage::worker
