// Many items of equal length, by the ways that a C++ program would choose: what all of them take.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <selvage/selvage.hpp>

#include "arithmetic.hpp"
#include "processes.hpp"
#include "work.hpp"

namespace compare {
namespace {

struct job {
  std::uint64_t items;
  std::uint64_t loops;
  unsigned workers;
  std::uint64_t expected;  ///< the sum of all items' results
};

std::uint64_t sum_of(const job& all) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < all.items; ++i) sum += item(i, all.loops);
  return sum;
}

/// `begin`: as soon as all workers are there.
template <class Work>
answer timed(const job& all, Work&& work) {
  const std::uint64_t begin = limits::now_ns();
  const std::uint64_t sum = work();
  const std::uint64_t end = limits::now_ns();
  if (sum != all.expected) throw std::logic_error("the sum was wrong");
  return {{"ns", static_cast<double>(end - begin)}};
}

answer by_pool(const job& all) {
  const auto work = selvage::task("item", item);
  selvage::pool pool({.workers = all.workers}, work);
  for (unsigned i = 0; i < 4 * all.workers; ++i) (void)pool.call(work, 0U, 0U).get();
  return timed(all, [&] {
    // As many in flight as keep each worker busy while its last answers are collected.
    constexpr std::size_t for_each_worker = 64;
    selvage::completion_queue<std::uint64_t> done(pool);
    std::uint64_t made = 0;
    std::uint64_t sum = 0;
    while (made < all.items || done.size() != 0) {
      while (made < all.items && done.size() < for_each_worker * all.workers)
        done.add(pool.call(work, made++, all.loops));
      done.wait();
      while (auto next = done.pop()) sum += next->result.value();
    }
    return sum;
  });
}

/// One call for many items: what README says to do with short ones.
answer by_chunks(const job& all) {
  const auto work = selvage::task("chunk", [](std::uint64_t first, std::uint64_t last, std::uint64_t loops) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = first; i < last; ++i) sum += item(i, loops);
    return sum;
  });
  selvage::pool pool({.workers = all.workers}, work);
  for (unsigned i = 0; i < 4 * all.workers; ++i) (void)pool.call(work, 0U, 0U, 0U).get();
  return timed(all, [&] {
    const std::uint64_t chunks = std::min(all.items, std::uint64_t{16} * all.workers);
    std::vector<selvage::future<std::uint64_t>> calls;
    for (std::uint64_t i = 0; i < chunks; ++i)
      calls.push_back(pool.call(work, all.items * i / chunks, all.items * (i + 1) / chunks, all.loops));
    std::uint64_t sum = 0;
    for (auto& call : calls) sum += call.get();
    return sum;
  });
}

/// A child for so many items each, as many at a time as there may be workers.
answer by_forks(const job& all, std::uint64_t for_each_child) {
  return timed(all, [&] {
    struct report {
      pid_t pid;
      std::uint64_t sum;
    };
    const auto answers = open_pipe(sizeof(report));
    std::uint64_t sum = 0;
    std::uint64_t running = 0;
    const auto take = [&] {
      report one{};
      read_whole(answers[0], reinterpret_cast<std::byte*>(&one), sizeof one);
      sum += one.sum;
      ::waitpid(one.pid, nullptr, 0);
      --running;
    };
    for (std::uint64_t first = 0; first < all.items; first += for_each_child) {
      if (running == all.workers) take();
      if (fork_bound() == 0) {
        report one{.pid = ::getpid(), .sum = 0};
        for (std::uint64_t i = first; i < std::min(all.items, first + for_each_child); ++i)
          one.sum += item(i, all.loops);
        ::_exit(::write(answers[1], &one, sizeof one) == sizeof one ? 0 : 1);
      }
      ++running;
    }
    while (running != 0) take();
    return sum;
  });
}

answer by_threads(const job& all) {
  boost::asio::thread_pool threads(all.workers);
  std::atomic<std::uint64_t> sum = 0;
  return timed(all, [&] {
    for (std::uint64_t i = 0; i < all.items; ++i) {
      // relaxed: join() orders it
      boost::asio::post(threads, [&, i] { sum.fetch_add(item(i, all.loops), std::memory_order_relaxed); });
    }
    threads.join();
    return sum.load();
  });
}

answer by_openmp(const job& all) {
  const auto threads = static_cast<int>(all.workers);
  std::uint64_t sum = 0;
#pragma omp parallel num_threads(threads)
  {}
  return timed(all, [&] {
#pragma omp parallel for schedule(dynamic) reduction(+ : sum) num_threads(threads)
    for (std::uint64_t i = 0; i < all.items; ++i) sum += item(i, all.loops);
    return sum;
  });
}

}  // namespace

answer fan_out(const request& asked) {
  job all{asked.number("items"), asked.number("loops"), static_cast<unsigned>(asked.number("workers")), 0};
  const std::uint64_t begin = limits::now_ns();
  all.expected = sum_of(all);
  const auto alone = static_cast<double>(limits::now_ns() - begin);
  answer found;
  if (asked.peer == "loop") {
    found = timed(all, [&] { return sum_of(all); });
  } else if (asked.peer == "selvage") {
    found = by_pool(all);
  } else if (asked.peer == "selvage_chunks") {
    found = by_chunks(all);
  } else if (asked.peer == "fork") {
    found = by_forks(all, 1);
  } else if (asked.peer == "fork_chunks") {
    found = by_forks(all, (all.items + all.workers - 1) / all.workers);
  } else if (asked.peer == "threads") {
    found = by_threads(all);
  } else if (asked.peer == "openmp") {
    found = by_openmp(all);
  } else {
    throw not_for_this("there is no such peer");
  }
  found["alone_ns"] = alone;
  return found;
}

}  // namespace compare
