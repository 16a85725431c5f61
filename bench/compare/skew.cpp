// Items of which a few are a hundred times as long as the others: what all of them take, and how long a short one waits
// behind them. All peers have as many unanswered items at a time, but for OpenMP, which is given all of them at once.

#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <numeric>
#include <semaphore>
#include <sstream>
#include <string>
#include <vector>

#include <selvage/selvage.hpp>

#include "arithmetic.hpp"
#include "processes.hpp"
#include "work.hpp"

namespace compare {
namespace {

struct mix {
  std::vector<std::uint64_t> loops;  ///< of each item, in the order in which they are handed over
  std::uint64_t short_loops;
  unsigned workers;
  std::size_t window;  ///< items that are handed over and not answered
};

mix mix_of(const request& asked) {
  const std::uint64_t short_loops = asked.number("loops");
  mix all{.loops = std::vector<std::uint64_t>(asked.number("items"), short_loops),
          .short_loops = short_loops,
          .workers = static_cast<unsigned>(asked.number("workers")),
          .window = asked.number("window")};
  std::istringstream positions(asked.text("long"));
  for (std::string each; std::getline(positions, each, ',');)
    all.loops.at(std::stoull(each)) = asked.number("long_loops");
  return all;
}

std::uint64_t sum_of(const mix& all) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < all.loops.size(); ++i) sum += item(i, all.loops[i]);
  return sum;
}

/// Of each item: when it was handed over, when it was answered, and with what. Two threads may each write of another.
class journal {
 public:
  explicit journal(std::size_t items) : begun_(items), took_(items), results_(items) {}
  void hand_over(std::size_t i) { begun_[i] = limits::now_ns(); }
  void answered(std::size_t i, std::uint64_t result) {
    took_[i] = limits::now_ns() - begun_[i];
    results_[i] = result;
  }
  [[nodiscard]] std::uint64_t sum() const {
    return std::accumulate(results_.begin(), results_.end(), std::uint64_t{0});
  }
  [[nodiscard]] double short_p99(const mix& all) const {
    std::vector<std::uint64_t> times;
    for (std::size_t i = 0; i < took_.size(); ++i) {
      if (all.loops[i] == all.short_loops) times.push_back(took_[i]);
    }
    std::ranges::sort(times);
    return static_cast<double>(times[(times.size() - 1) * 99 / 100]);
  }

 private:
  std::vector<std::uint64_t> begun_, took_, results_;
};

void by_pool(const mix& all, unsigned ahead, journal& log, answer& found) {
  const auto work = selvage::task("item", item);
  selvage::pool pool({.workers = all.workers, .depth = {.maximum = ahead}}, work);
  for (unsigned i = 0; i < 4 * all.workers; ++i) (void)pool.call(work, 0U, 0U).get();
  const std::uint64_t begin = limits::now_ns();
  selvage::completion_queue<std::uint64_t> done(pool);
  std::vector<std::size_t> item_of(all.window);  // by ticket
  std::size_t next = 0;
  while (next < all.loops.size() || done.size() != 0) {
    while (next < all.loops.size() && done.size() < all.window) {
      log.hand_over(next);
      item_of.at(done.add(pool.call(work, next, all.loops[next]))) = next;
      ++next;
    }
    done.wait();
    while (auto each = done.pop()) log.answered(item_of[each->ticket], each->result.value());
  }
  found["ns"] = static_cast<double>(limits::now_ns() - begin);
}

/// A child for each, as many at a time as there may be workers. The others of the window wait here.
void by_forks(const mix& all, journal& log, answer& found) {
  struct report {
    pid_t pid;
    std::size_t item;
    std::uint64_t result;
  };
  const auto answers = open_pipe(sizeof(report));
  const auto run = [&](std::size_t i) {
    if (fork_bound() != 0) return;
    const report one{.pid = ::getpid(), .item = i, .result = item(i, all.loops[i])};
    ::_exit(::write(answers[1], &one, sizeof one) == sizeof one ? 0 : 1);
  };
  const std::uint64_t begin = limits::now_ns();
  std::size_t handed_over = 0;
  std::size_t forked = 0;
  for (std::size_t answered = 0; answered < all.loops.size(); ++answered) {
    for (; handed_over < all.loops.size() && handed_over - answered < all.window; ++handed_over)
      log.hand_over(handed_over);
    for (; forked < handed_over && forked - answered < all.workers; ++forked) run(forked);
    report one{};
    read_whole(answers[0], reinterpret_cast<std::byte*>(&one), sizeof one);
    log.answered(one.item, one.result);
    ::waitpid(one.pid, nullptr, 0);
  }
  found["ns"] = static_cast<double>(limits::now_ns() - begin);
}

void by_threads(const mix& all, journal& log, answer& found) {
  boost::asio::thread_pool threads(all.workers);
  std::counting_semaphore<> room(static_cast<std::ptrdiff_t>(all.window));
  const std::uint64_t begin = limits::now_ns();
  for (std::size_t i = 0; i < all.loops.size(); ++i) {
    room.acquire();
    log.hand_over(i);
    boost::asio::post(threads, [&, i] {
      log.answered(i, item(i, all.loops[i]));
      room.release();
    });
  }
  threads.join();
  found["ns"] = static_cast<double>(limits::now_ns() - begin);
}

void by_openmp(const mix& all, journal& log, answer& found) {
  const auto threads = static_cast<int>(all.workers);
#pragma omp parallel num_threads(threads)
  {}
  const std::uint64_t begin = limits::now_ns();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (std::size_t i = 0; i < all.loops.size(); ++i) log.answered(i, item(i, all.loops[i]));
  found["ns"] = static_cast<double>(limits::now_ns() - begin);
}

}  // namespace

answer skew(const request& asked) {
  const mix all = mix_of(asked);
  constexpr unsigned default_ahead = selvage::depth_options{}.maximum;
  const std::uint64_t begin = limits::now_ns();
  const std::uint64_t expected = sum_of(all);
  answer found{{"alone_ns", static_cast<double>(limits::now_ns() - begin)}};
  journal log(all.loops.size());
  if (asked.peer == "selvage") {
    by_pool(all, default_ahead, log, found);
  } else if (asked.peer == "selvage_not_ahead") {
    by_pool(all, 1, log, found);
  } else if (asked.peer == "fork") {
    by_forks(all, log, found);
  } else if (asked.peer == "threads") {
    by_threads(all, log, found);
  } else if (asked.peer == "openmp") {
    by_openmp(all, log, found);
  } else {
    throw not_for_this("there is no such peer");
  }
  require(log.sum() == expected, "the sum was wrong");
  if (asked.peer != "openmp") found["short_p99"] = log.short_p99(all);
  return found;
}

}  // namespace compare
