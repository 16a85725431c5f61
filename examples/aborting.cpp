// aborting: calls that are no longer wanted, or take too long. Shows abort_signal in a task, future::abort, a stop
// token, a timeout with a grace, and what happens to a task that does not listen.

#include <chrono>
#include <cstdio>
#include <stop_token>
#include <string>
#include <thread>

#include <selvage/selvage.hpp>

namespace {

using namespace std::chrono_literals;
using result = tl::expected<std::string, selvage::error>;

// Listens: ends early, with what it has. The signal is supplied by the worker; callers do not pass it.
const auto patient = selvage::task("patient", [](selvage::abort_signal stop) {
  return std::string(stop.wait_for(1min) ? "stopped half-way" : "all of it");
});

// Listens, and throws.
const auto strict = selvage::task("strict", [](selvage::abort_signal stop) {
  for (;;) {
    stop.throw_if_requested();
    std::this_thread::sleep_for(1ms);
  }
  return std::string();
});

// Does not listen.
const auto deaf = selvage::task("deaf", [] {
  std::this_thread::sleep_for(1min);
  return std::string("all of it");
});

bool show(const char* what, const result& got, bool good) {
  std::printf("%-32s %s%s\n", what, got ? got->c_str() : got.error().what(), good ? "" : "  <- not expected");
  return good;
}

bool failed_with(const result& got, selvage::errc code) { return !got && got.error().code() == code; }

}  // namespace

int main() {
  selvage::pool pool({.workers = 2}, patient, strict, deaf);
  bool good = true;

  // Where the abort is faster than the start of the run, the call never runs: then it has no result to keep.
  auto unwanted = pool.call(patient);
  unwanted.wait_for(50ms);
  unwanted.abort();
  const result kept = unwanted.result();
  good &= show("abort, and the task listens:", kept, kept || failed_with(kept, selvage::errc::aborted));

  std::stop_source source;
  auto stoppable = pool.call_with({.stop = source.get_token()}, strict);
  stoppable.wait_for(50ms);
  source.request_stop();
  const result stopped = stoppable.result();  // aborted before it was started, or what the task threw when it was told
  const bool told =
      failed_with(stopped, selvage::errc::task_failed) && stopped.error().details().exception_type == "selvage::error";
  good &= show("stop token:", stopped, told || failed_with(stopped, selvage::errc::aborted));

  // At the timeout the signal is raised; the worker would be killed when the grace is over as well.
  const result in_time = pool.call_with({.timeout = 50ms, .grace = 1min}, patient).result();
  good &= show("timeout with a grace:", in_time, in_time && *in_time == "stopped half-way");

  const result killed = pool.call_with({.timeout = 50ms, .grace = 50ms}, deaf).result();
  good &= show("timeout, and the task is deaf:", killed, failed_with(killed, selvage::errc::timed_out));

  // Its future is dropped: nobody wants it any more. With a grace the worker is not kept busy for a minute either.
  {
    auto dropped = pool.call_with({.grace = 10ms}, deaf);
    dropped.wait_for(50ms);
  }
  const result next = pool.call_with({.timeout = 50ms, .grace = 1min}, patient).result();
  good &= show("and the pool goes on:", next, next.has_value());
  return good ? 0 : 1;
}
