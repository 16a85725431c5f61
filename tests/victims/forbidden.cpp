// The attempts of forbidden.hpp, by system call where the C library would do something else first.

#include "tests/victims/forbidden.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace selvage::victims {
namespace {

// What the call came to; below, its descriptor closed.
int outcome_of(long result) { return result == -1 ? errno : 0; }
int outcome_of_opening(long fd) {
  if (fd == -1) return errno;
  ::close(static_cast<int>(fd));
  return 0;
}
// A child that came to be ends at once; the parent waits for it.
int outcome_of_forking(long pid) {
  if (pid == 0) ::_exit(0);
  if (pid == -1) return errno;
  ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return 0;
}

}  // namespace

int open_a_file() { return outcome_of_opening(::open("/etc/passwd", O_RDONLY | O_CLOEXEC)); }
int create_a_file() { return outcome_of_opening(::open("/tmp/selvage-victim", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }
int list_a_folder() { return outcome_of_opening(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
int look_at_its_own_memory() { return outcome_of_opening(::open("/proc/self/mem", O_RDWR | O_CLOEXEC)); }
int look_at_its_parents_memory() {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/mem", ::getppid());
  return outcome_of_opening(::open(path, O_RDONLY | O_CLOEXEC));
}
int read_a_link() {
  char target[256];
  return outcome_of(::readlink("/proc/self/exe", target, sizeof target));
}
int look_a_name_up() {
  struct stat what;
  return outcome_of(::stat("/etc/passwd", &what));
}
int change_a_mode() { return outcome_of(::fchmod(STDERR_FILENO, 0600)); }

int open_a_socket(int family, int type, int protocol) { return outcome_of_opening(::socket(family, type, protocol)); }
int open_a_pair_of_sockets() {
  int ends[2];
  return outcome_of(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}
int open_a_fast_socket() {
  sockaddr_storage to = {};
  to.ss_family = AF_INET;
  return outcome_of(::sendto(STDERR_FILENO, "x", 1, MSG_FASTOPEN, reinterpret_cast<sockaddr*>(&to), sizeof to));
}

int run_a_program() {
  char name[] = "/bin/true";
  char* const arguments[] = {name, nullptr};
  char* const none[] = {nullptr};
  return outcome_of(::execve(name, arguments, none));
}
int fork_a_child() { return outcome_of_forking(::syscall(SYS_fork)); }
int vfork_a_child() {
#if defined(SYS_vfork)
  return outcome_of_forking(::syscall(SYS_vfork));
#else
  return ENOSYS;
#endif
}
int clone_a_child() { return outcome_of_forking(::fork()); }
int clone_a_child_anew() {
  struct {
    std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } wanted = {};
  wanted.exit_signal = SIGCHLD;
  return outcome_of_forking(::syscall(SYS_clone3, &wanted, sizeof wanted));
}
int attach_to_its_parent() { return outcome_of(::syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, ::getppid(), 0, 0)); }
int read_its_parents_memory() {
  char bytes[16];
  const iovec here = {bytes, sizeof bytes};
  return outcome_of(::process_vm_readv(::getppid(), &here, 1, &here, 1, 0));
}
int write_its_parents_memory() {
  char bytes[16] = {};
  const iovec here = {bytes, sizeof bytes};
  return outcome_of(::process_vm_writev(::getppid(), &here, 1, &here, 1, 0));
}
int load_a_bpf_program() {
  bpf_attr attributes = {};
  return outcome_of_opening(::syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
int watch_performance() {
  perf_event_attr wanted = {};
  wanted.size = sizeof wanted;
  return outcome_of_opening(::syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0));
}
int set_up_a_ring() {
  char parameters[256] = {};
  return outcome_of_opening(::syscall(SYS_io_uring_setup, 4, parameters));
}
int handle_its_own_page_faults() { return outcome_of_opening(::syscall(SYS_userfaultfd, O_CLOEXEC)); }
int mount_something() { return outcome_of(::syscall(SYS_mount, "none", "/mnt", "tmpfs", 0UL, nullptr)); }
int enter_a_namespace() { return outcome_of(::syscall(SYS_setns, STDERR_FILENO, 0)); }
int leave_its_namespaces() { return outcome_of(::syscall(SYS_unshare, CLONE_NEWUSER)); }
int make_a_key() { return outcome_of(::syscall(SYS_add_key, "user", "selvage", "x", 1UL, -2)); }
int share_memory_by_system_v() { return outcome_of(::syscall(SYS_shmget, 0, 4096UL, 01600)); }
int make_a_semaphore() { return outcome_of(::syscall(SYS_semget, 0, 1, 01600)); }
int make_a_message_queue() { return outcome_of(::syscall(SYS_msgget, 0, 01600)); }
int open_a_posix_queue() {
  return outcome_of_opening(::syscall(SYS_mq_open, "selvage", O_CREAT | O_RDWR, 0600, nullptr));
}
int make_a_memory_file() { return outcome_of_opening(::memfd_create("selvage-victim", MFD_CLOEXEC)); }
int type_into_its_terminal() {
  char letter = 'x';
  return outcome_of(::ioctl(STDIN_FILENO, TIOCSTI, &letter));
}
int install_a_filter() {
  sock_filter let = {.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = SECCOMP_RET_ALLOW};
  const sock_fprog program = {.len = 1, .filter = &let};
  return outcome_of(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0U, &program));
}
int become_somebody_else() { return outcome_of(::syscall(SYS_setuid, 65534)); }
int take_real_time() {
  sched_param first = {};
  first.sched_priority = 1;
  return outcome_of(::sched_setscheduler(0, SCHED_FIFO, &first));
}
int be_nicer_than_it_was_made() { return outcome_of(::setpriority(PRIO_PROCESS, 0, -5)); }
int become_dumpable() { return outcome_of(::prctl(PR_SET_DUMPABLE, 1)); }
int outlive_its_supervisor() { return outcome_of(::prctl(PR_SET_PDEATHSIG, 0)); }
int make_code_of_data() {
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 0;
  const int error = outcome_of(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  ::munmap(page, 4096);
  return error;
}
int map_writable_code() {
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  ::munmap(page, 4096);
  return 0;
}
int take_the_signal_of_refusals() {
  struct sigaction own = {};
  own.sa_handler = [](int) {};
  return outcome_of(::sigaction(SIGSYS, &own, nullptr));
}
int ignore_the_signal_of_refusals() {
  struct sigaction own = {};
  own.sa_handler = SIG_IGN;
  return outcome_of(::sigaction(SIGSYS, &own, nullptr));
}
int watch_a_file() { return outcome_of_opening(::syscall(SYS_inotify_init1, 0)); }

int signal_process(pid_t pid) { return outcome_of(::kill(pid, SIGCONT)); }
int limit_process(pid_t pid) {
  rlimit limit;
  return outcome_of(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit));
}
int renice_process(pid_t pid) { return outcome_of(::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), 1)); }
int pin_process(pid_t pid) {
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  return outcome_of(::sched_setaffinity(pid, sizeof first, &first));
}
int own_a_descriptor_for(pid_t pid) { return outcome_of(::fcntl(STDERR_FILENO, F_SETOWN, pid)); }

}  // namespace selvage::victims
