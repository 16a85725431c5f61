#pragma once
// Tasks that ask for what strict permissions do not grant. Each makes one attempt and returns the errno that it got, 0
// where it was let.

#include <sys/types.h>

#include <cstdint>

namespace selvage::victims {

// ---- files (FAILURES row 19)
int open_a_file();  ///< /etc/passwd
int create_a_file();
int list_a_folder();
int look_at_its_own_memory();  ///< /proc/self/mem
int look_at_its_parents_memory();
int read_a_link();
int look_a_name_up();  ///< stat
int change_a_mode();   ///< of a descriptor that it holds

// ---- sockets (row 20): by family, type and protocol; and the ways around socket()
int open_a_socket(int family, int type, int protocol);
int open_a_pair_of_sockets();
int open_a_fast_socket();  ///< sendto with MSG_FASTOPEN

// ---- processes and the kernel (row 21)
int run_a_program();
int fork_a_child();
int vfork_a_child();
int clone_a_child();
int clone_a_child_anew();  ///< clone3
int attach_to_its_parent();
int read_its_parents_memory();
int write_its_parents_memory();
int load_a_bpf_program();
int watch_performance();
int set_up_a_ring();  ///< io_uring
int handle_its_own_page_faults();
int mount_something();
int enter_a_namespace();
int leave_its_namespaces();
int make_a_key();
int share_memory_by_system_v();
int make_a_semaphore();
int make_a_message_queue();
int open_a_posix_queue();
int make_a_memory_file();
int type_into_its_terminal();  ///< TIOCSTI
int install_a_filter();
int become_somebody_else();  ///< setuid
int become_dumpable();
int take_real_time();             ///< sched_setscheduler(SCHED_FIFO)
int be_nicer_than_it_was_made();  ///< a negative nice value
int outlive_its_supervisor();     ///< clears its death signal
int make_code_of_data();          ///< mprotect PROT_EXEC
int map_writable_code();
int take_the_signal_of_refusals();  ///< sigaction(SIGSYS)
int ignore_the_signal_of_refusals();
int watch_a_file();  ///< inotify

// ---- others (row 22): `pid` is the host's, the supervisor's or a sibling's
int signal_process(pid_t pid);
int limit_process(pid_t pid);
int renice_process(pid_t pid);
int pin_process(pid_t pid);
int own_a_descriptor_for(pid_t pid);  ///< F_SETOWN

}  // namespace selvage::victims
