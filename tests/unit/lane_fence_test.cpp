// A lane whose heavy fence fails, as in a sandbox that refuses membarrier(2): nothing is taken for known that is not.

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/support/child.hpp"
#include "tests/support/lane_pair.hpp"
#include "worker/bpf.hpp"

namespace {

using namespace selvage::shm;
namespace bpf = selvage::worker::bpf;

void refuse_membarrier() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  bpf::assembler code;
  const auto refuse = code.label();
  code.fetch(bpf::syscall_number).jump_if(bpf::compare::equal, SYS_membarrier, refuse).finish(SECCOMP_RET_ALLOW);
  code.place(refuse).finish(SECCOMP_RET_ERRNO | 1);
  bpf::install(code.assemble());
}

TEST(lane_fence, a_recall_that_the_worker_may_not_see_takes_nothing_back) {
  selvage::tests::child isolated([] {
    refuse_membarrier();
    selvage::tests::lane_memory memory;
    host_lane host(memory.request(), memory.response(), fences::asymmetric);
    worker_lane worker(memory.request(), memory.response());
    host.reset();
    host.open(1);
    worker.open(1);
    const unsigned slot = host.claim().value();
    host.header(slot).flags = host.base_flags(slot);
    host.publish(slot);
    if (host.recall(slot)) return 1;  // it could have been started at this moment, and run twice
    const unsigned next = worker.next(worker.pending());
    return next == slot && !worker.start(next, 1) ? 0 : 2;  // seen all the same: the worker skips it
  });
  EXPECT_EQ(isolated.exit_status(), 0);
}

}  // namespace
