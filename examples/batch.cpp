// batch: many calls at once, some of which fail. Shows futures kept in a container, errors as data, a future as
// another call's argument, and the pool's figures.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <selvage/selvage.hpp>

namespace {

int square_of(int n) {
  if (n % 100 == 42) throw std::invalid_argument("no square for " + std::to_string(n));
  if (n == 500) std::abort();  // the whole process, in a worker's stead
  return n * n;
}

const auto square = selvage::task("square", square_of);
const auto add = selvage::task("add", [](int a, int b) { return a + b; });

}  // namespace

int main() {
  constexpr int count = 1000;
  selvage::pool pool({.workers = 2}, square, add);

  std::vector<selvage::future<int>> futures;
  futures.reserve(count);
  for (int n = 0; n < count; ++n) futures.push_back(pool.call(square, n));

  int right = 0;
  std::map<selvage::errc, int> failures;
  for (int n = 0; n < count; ++n) {
    const auto result = futures[static_cast<std::size_t>(n)].result();
    if (result) {
      right += *result == n * n ? 1 : 0;
    } else if (failures[result.error().code()]++ == 0) {
      std::printf("first of its kind: %s\n", result.error().what());
    }
  }
  std::printf("%d right, %d threw, %d crashed\n", right, failures[selvage::errc::task_failed],
              failures[selvage::errc::crashed]);

  // A future as an argument is awaited by the pool, not by this thread.
  const int thirteen = pool.call(add, pool.call(square, 2), pool.call(square, 3)).get();
  std::printf("2 * 2 + 3 * 3 = %d\n", thirteen);

  const selvage::pool_stats stats = pool.stats();
  std::printf("%llu calls succeeded, %llu failed; workers restarted after a crash: %llu\n",
              static_cast<unsigned long long>(stats.succeeded), static_cast<unsigned long long>(stats.failed),
              static_cast<unsigned long long>(stats.restarts.crashed));
  for (const selvage::task_stats& task : stats.tasks) {
    std::printf("  %s: 90 %% of the runs took at most %lld ns\n", task.name.c_str(),
                static_cast<long long>(task.service.quantile(0.9).count()));
  }
  const bool good = right == count - 11 && failures[selvage::errc::task_failed] == 10 &&
                    failures[selvage::errc::crashed] == 1 && thirteen == 13 && stats.restarts.crashed == 1;
  return good ? 0 : 1;
}
