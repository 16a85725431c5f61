#pragma once
// Misbehaving functions, one per behaviour, for the tests of the worker, the supervisor and the pool: wrap one in a
// task and see what its caller gets. None of them works by the grace of product code: each does what a broken or
// hostile task could do.

#include <cstdint>
#include <string>

#include "shm/lane.hpp"

namespace selvage::victims {

// ---- dying.cpp: ends its worker -----------------------------------------------------------------------------------

void kill_itself();                    ///< SIGKILL, which nothing can record
void dereference_null();               ///< SIGSEGV at address 0
void write_at(std::uint64_t address);  ///< SIGSEGV at that address
void call_null();                      ///< SIGSEGV: jumps to address 0
void touch_behind_the_end();           ///< SIGBUS: a mapped file that is shorter than its mapping
void divide_by_zero();                 ///< SIGFPE (arm64 does not trap: it raises the signal)
void run_an_illegal_instruction();     ///< SIGILL
void abort_itself();                   ///< SIGABRT by abort()
void hit_a_breakpoint();               ///< SIGTRAP
void exit_at_once(int status);         ///< _exit: no handler runs
void exit_politely(int status);        ///< exit: handlers run
void exit_quickly(int status);         ///< quick_exit
void leave_its_main_thread();          ///< pthread_exit in the task's own thread
void throw_in_a_detached_thread();     ///< std::terminate, SIGABRT
void crash_in_a_second_thread();       ///< SIGSEGV outside of the main thread
void overflow_the_stack();             ///< SIGSEGV with no stack left
void smash_its_stack();                ///< overwrites return addresses and frame pointers, then SIGSEGV

// ---- hanging.cpp: does not come back ------------------------------------------------------------------------------

void spin_without_sigterm();       ///< burns a core with every signal ignored that can be
void sleep_for_ever();             ///< in pause()
void deadlock_on_its_own_mutex();  ///< locks a mutex twice
void stop_itself();                ///< SIGSTOP

// ---- hanging.cpp as well: takes what it can get -------------------------------------------------------------------

void allocate_without_end();  ///< operator new until it throws std::bad_alloc, every page touched
int leave_a_grandchild();     ///< double fork and setsid; returns the pid of the sleeper that is left behind

// ---- eating.cpp: uses more than it may ------------------------------------------------------------------------------

void burn_processor_time(int threads, std::int64_t ns);  ///< of so much in each thread
void burn_without_having_started();                      ///< takes its `started` back, says it has just begun, spins
int open_files_without_end();                            ///< throws std::system_error
void write_without_end(const std::string& path, bool ignores_the_signal);  ///< 4 KiB at a time; throws the same
int start_threads_without_end(int most);         ///< which stay; throws std::system_error; returns `most`
int count_threads_until_refused(int most);       ///< as many as it could start before one was refused; they end
int fork_without_end(int most);                  ///< each child forks too; half setsid, a third leave orphans; how many
int map_shared_memory(std::uint64_t bytes);      ///< these return 0, or the errno
int map_downwards(std::uint64_t bytes);          ///< MAP_GROWSDOWN
int fill_a_memory_file(std::uint64_t bytes);     ///< memfd_create
int make_a_shared_segment(std::uint64_t bytes);  ///< System V
std::uint64_t use_the_stack(std::uint64_t bytes);       ///< by recursion
std::uint64_t use_a_larger_stack(std::uint64_t bytes);  ///< the same, once it has raised its bound as far as it may
/// Fills memory and makes it read-only, so that RLIMIT_DATA does not count it. Returns 0, or the errno.
int fill_and_protect(std::uint64_t bytes);
int fill_in_children(int children, std::uint64_t bytes_each);  ///< forked, which stay; how many
/// Forks a child that forks the one that burns and ends: nobody ever waits for that. Then it sleeps.
void burn_as_an_orphan();
int leave_the_session();  ///< of a child: 0 where it can, or the errno
/// Forks sleepers until it is ended; how many, where `most` was reached.
int fork_sleepers(int most);

// ---- lying.cpp: writes what it likes into its own lane ------------------------------------------------------------

/// The lane as its worker has it mapped, found in /proc/self/maps. The addresses may be written as far as the
/// kernel lets.
struct lane_of_worker {
  shm::request_view request;
  shm::response_view response;
  const shm::supervisor_words* orders;
  std::uint64_t request_bytes, response_bytes;
};
[[nodiscard]] lane_of_worker own_lane();

void die_after_half_a_result(unsigned slot);  ///< writes part of its answer's header, then SIGKILL
void die_after_publishing(unsigned slot);  ///< toggles its `done` bit with an empty answer, rings nobody, then SIGKILL
void scribble_over_the_responses(
    std::uint64_t seed);      ///< noise over words, headers and crash record; then goes on as if nothing were
void forge_completions();     ///< toggles every `done` bit
void forge_a_crash_record();  ///< claims a crash of another epoch and call
void ring_without_end();      ///< a wake storm on the host's doorbell

// ---- reaching.cpp: goes for what is not its own. Each returns 0 where it succeeded, otherwise the errno -----------

int write_the_request_region();      ///< through /proc/self/mem
int make_the_requests_writable();    ///< mprotect
int grow_a_mapping();                ///< mremap of the response region to more bytes, over the neighbour's lane
int duplicate_a_mapping();           ///< mremap with an old size of 0
int move_a_mapping();                ///< mremap to elsewhere
int move_a_range_that_reaches_in();  ///< mremap of a range that begins before the lane
int map_over_a_mapping();            ///< mremap of other memory onto the lane
int remap_its_pages();               ///< remap_file_pages
int punch_a_hole();                  ///< madvise(MADV_REMOVE)
int punch_a_hole_by_process_madvise();
int hand_down_the_lane();             ///< madvise(MADV_DOFORK)
int requeue_a_waiter(int operation);  ///< futex with this operation, from the host's doorbell to its own word
int requeue_a_waiter_anew();          ///< futex_requeue(2)
int set_up_io_uring();

}  // namespace selvage::victims
