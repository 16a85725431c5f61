// Calls that crash their worker, and calls that hang: what one costs its caller, whom else it costs, and how many a
// second can be survived. A child for each call is what a pool is compared with.

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include <selvage/selvage.hpp>

#include "processes.hpp"
#include "work.hpp"

namespace compare {
namespace {

enum class ending : std::uint8_t { answer, crash, hang };

constexpr std::chrono::milliseconds hang_limit(50);

std::uint64_t right_answer(std::uint64_t number) { return 3 * number + 1; }

std::uint64_t ending_call(ending how, std::uint64_t pause_ms, std::uint64_t number) {
  std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  if (how == ending::crash) {
    volatile int* volatile nowhere = nullptr;  // volatile, twice: the store stays, and to where is not seen
    *nowhere = 1;                              // NOLINT(clang-analyzer-core.NullDereference): meant
  }
  while (how == ending::hang) ::pause();
  return right_answer(number);
}

class calls_of_pool {
 public:
  using handle = selvage::future<std::uint64_t>;

  explicit calls_of_pool(selvage::pool_options options)
      : task_("ending", ending_call), pool_(std::move(options), task_) {}
  handle start(ending how, std::uint64_t pause_ms, std::uint64_t number) {
    if (how == ending::hang) return pool_.call_with({.timeout = hang_limit}, task_, how, pause_ms, number);
    return pool_.call(task_, how, pause_ms, number);
  }
  std::optional<std::uint64_t> take(handle call) { return value_of(call.result()); }
  /// Nothing where the call has failed as it was meant to.
  static std::optional<std::uint64_t> value_of(const tl::expected<std::uint64_t, selvage::error>& result) {
    if (result) return *result;
    const auto code = result.error().code();
    if (code != selvage::errc::crashed && code != selvage::errc::timed_out) throw selvage::error(result.error());
    return std::nullopt;
  }

 private:
  selvage::task<decltype(&ending_call)> task_;
  selvage::pool pool_;
};

/// A child for each call, which writes its answer into a pipe.
class calls_of_forks {
 public:
  struct handle {
    pid_t pid;
    int answers;
    int limit_ms;  ///< -1: none
  };

  handle start(ending how, std::uint64_t pause_ms, std::uint64_t number) {
    const auto ends = open_pipe(sizeof(std::uint64_t));
    const pid_t pid = fork_bound();
    if (pid == 0) {
      const std::uint64_t answer = ending_call(how, pause_ms, number);
      ::_exit(::write(ends[1], &answer, sizeof answer) == sizeof answer ? 0 : 1);
    }
    ::close(ends[1]);
    return {pid, ends[0], how == ending::hang ? static_cast<int>(hang_limit.count()) : -1};
  }
  std::optional<std::uint64_t> take(const handle& call) {
    pollfd look{call.answers, POLLIN, 0};
    if (::poll(&look, 1, call.limit_ms) == 0) ::kill(call.pid, SIGKILL);
    std::uint64_t answer = 0;
    const bool whole = ::read(call.answers, &answer, sizeof answer) == sizeof answer;
    ::close(call.answers);
    int status = 0;
    ::waitpid(call.pid, &status, 0);
    return whole && status == 0 ? std::optional(answer) : std::nullopt;
  }
};

double median(std::vector<double> samples) {
  std::ranges::sort(samples);
  return samples[samples.size() / 2];
}

/// "error_ns": until the caller has the error. "next_ns": until it has the answer to another call, made then.
template <class Calls>
answer alone(Calls calls, ending how, std::uint64_t for_ns) {
  constexpr std::size_t fewest = 3;
  std::vector<double> error_ns;
  std::vector<double> next_ns;
  const auto once = [&](std::uint64_t number) {
    const std::uint64_t begin = limits::now_ns();
    if (calls.take(calls.start(how, 0, number))) throw std::logic_error("a call that must fail has answered");
    error_ns.push_back(static_cast<double>(limits::now_ns() - begin));
    if (calls.take(calls.start(ending::answer, 0, number)) != right_answer(number))
      throw std::logic_error("the call after a failed one has no right answer");
    next_ns.push_back(static_cast<double>(limits::now_ns() - begin));
  };
  once(0);  // warm-up
  error_ns.clear();
  next_ns.clear();
  for (const std::uint64_t end = limits::now_ns() + for_ns; limits::now_ns() < end || next_ns.size() < fewest;)
    once(next_ns.size());
  return {{"error_ns", median(error_ns)}, {"next_ns", median(next_ns)}};
}

/// "lost": how many of the others have no right answer. They outlast the moment of the fault, as there are few workers.
template <class Calls>
answer among_others(Calls calls, ending how, std::uint64_t others) {
  const std::uint64_t fault_after_ms = how == ending::crash ? 10 : 0;
  const std::uint64_t length_ms = how == ending::crash ? 12 : 60;
  auto fault = calls.start(how, fault_after_ms, 0);
  std::vector<typename Calls::handle> started;
  for (std::uint64_t i = 0; i < others; ++i) started.push_back(calls.start(ending::answer, length_ms, i));
  if (calls.take(std::move(fault))) throw std::logic_error("a call that must fail has answered");
  double lost = 0;
  for (std::uint64_t i = 0; i < others; ++i) {
    const auto found = calls.take(std::move(started[i]));
    if (found && found != right_answer(i)) throw std::logic_error("an answer was wrong");
    if (!found) ++lost;
  }
  return {{"lost", lost}};
}

struct storm_count {
  std::uint64_t crashes = 0;
  std::uint64_t answers = 0;
  std::uint64_t lost = 0;

  void count(bool should_crash, std::uint64_t number, std::optional<std::uint64_t> found) {
    if (should_crash && !found) return void(++crashes);
    if (!should_crash && found == right_answer(number)) return void(++answers);
    ++lost;
  }
  [[nodiscard]] answer over(std::uint64_t ns) const {
    const double seconds = static_cast<double>(ns) / 1e9;
    return {{"crashes_per_second", static_cast<double>(crashes) / seconds},
            {"answers_per_second", static_cast<double>(answers) / seconds},
            {"lost", static_cast<double>(lost)}};
  }
};

/// Every other call crashes. `depth`: how many calls are posted behind a running one; the others wait in the pool.
answer storm_of_pool(std::uint64_t for_ns, unsigned workers, selvage::depth_options depth) {
  constexpr std::size_t in_flight = 64;
  selvage::pool_options options{.workers = workers, .depth = depth};
  // Deaths of a worker that had run no call yet are a part of this, not a reason to give a place up.
  options.restart.budget = 1'000'000;
  options.restart.backoff = options.restart.backoff_limit = std::chrono::milliseconds(1);
  const auto task = selvage::task("ending", ending_call);
  selvage::pool pool(options, task);
  selvage::completion_queue<std::uint64_t> done(pool);
  std::vector<std::uint64_t> number_of;  // by ticket
  storm_count found;
  std::uint64_t made = 0;
  const std::uint64_t begin = limits::now_ns();
  std::uint64_t now = begin;
  for (bool on = true; on || done.size() != 0;) {
    while (on && done.size() < in_flight) {
      const std::uint64_t number = made++;
      const std::uint32_t ticket =
          done.add(pool.call(task, number % 2 == 0 ? ending::crash : ending::answer, 0U, number));
      if (ticket >= number_of.size()) number_of.resize(ticket + std::size_t{1});
      number_of[ticket] = number;
    }
    done.wait();
    while (auto next = done.pop()) {
      const std::uint64_t number = number_of[next->ticket];
      const bool ended_otherwise = !next->result && next->result.error().code() != selvage::errc::crashed;
      if (ended_otherwise) {
        ++found.lost;
      } else {
        found.count(number % 2 == 0, number, calls_of_pool::value_of(next->result));
      }
    }
    now = limits::now_ns();
    on = now - begin < for_ns;
  }
  return found.over(now - begin);
}

answer storm_of_forks(std::uint64_t for_ns, unsigned workers) {
  calls_of_forks calls;
  std::deque<std::pair<std::uint64_t, calls_of_forks::handle>> running;
  storm_count found;
  std::uint64_t made = 0;
  const std::uint64_t begin = limits::now_ns();
  std::uint64_t now = begin;
  for (bool on = true; on || !running.empty();) {
    while (on && running.size() < workers) {
      const std::uint64_t number = made++;
      running.emplace_back(number, calls.start(number % 2 == 0 ? ending::crash : ending::answer, 0, number));
    }
    const auto [number, call] = running.front();
    running.pop_front();
    found.count(number % 2 == 0, number, calls.take(call));
    now = limits::now_ns();
    on = now - begin < for_ns;
  }
  return found.over(now - begin);
}

template <class Calls>
answer faults_of(const request& asked, Calls calls) {
  const ending how = asked.text("fault") == "crash" ? ending::crash : ending::hang;
  const std::uint64_t others = asked.number("others");
  if (others != 0) return among_others(std::move(calls), how, others);
  return alone(std::move(calls), how, asked.number("for_ms") * 1'000'000U);
}

}  // namespace

answer faults(const request& asked) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);  // a core dump is not what is timed
  const auto workers = static_cast<unsigned>(asked.number("workers"));
  if (asked.text("fault") == "storm") {
    const std::uint64_t for_ns = asked.number("for_ms") * 1'000'000U;
    if (asked.peer == "selvage") return storm_of_pool(for_ns, workers, {});
    if (asked.peer == "selvage_not_ahead") return storm_of_pool(for_ns, workers, {.maximum = 1});
    if (asked.peer == "fork") return storm_of_forks(for_ns, workers);
  } else {
    if (asked.peer == "selvage") return faults_of(asked, calls_of_pool({.workers = workers}));
    if (asked.peer == "fork") return faults_of(asked, calls_of_forks());
  }
  throw not_for_this("there is no such peer");
}

}  // namespace compare
