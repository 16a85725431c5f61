// See report.hpp.

#include "report.hpp"

#include <cstdio>
#include <string_view>

#include "terminal.hpp"

namespace unpack {
namespace {

constexpr std::size_t most_broken_files = 10;  // of which the failure is printed

struct paint {
  const char* good = colours() ? "\x1b[32m" : "";
  const char* bad = colours() ? "\x1b[31m" : "";
  const char* bold = colours() ? "\x1b[1m" : "";
  const char* none = colours() ? "\x1b[0m" : "";
};

bool same(const ending& one, const ending& other) {
  if (one && other) return *one == *other;
  return !one && !other && one.error().code() == other.error().code() &&
         one.error().details().message == other.error().details().message;
}

bool is_right(const item& what, const ending& how, const ending& here) {
  return what.kind == mischief::none ? same(how, here) : failed_rightly(what.kind, how);
}

void print_run(const char* name, const run& all) {
  std::size_t succeeded = 0;
  unpacked sum;
  for (const ending& each : all.endings) {
    if (!each) continue;
    ++succeeded;
    sum.bytes_in += each->bytes_in;
    sum.bytes_out += each->bytes_out;
  }
  const double seconds = all.files_time.count();
  std::printf("%-16s %8zu %8zu %9.1f MB %9.1f MB %9.2f s %9.2f s %8.0f/s %7.0f MB/s\n", name, all.endings.size(),
              succeeded, static_cast<double>(sum.bytes_in) / 1e6, static_cast<double>(sum.bytes_out) / 1e6, seconds,
              all.time.count(), static_cast<double>(succeeded) / seconds,
              static_cast<double>(sum.bytes_out) / 1e6 / seconds);
}

void print_failure(const item& what, const selvage::error& why, const char* colour, const char* mark) {
  std::printf("  %-26s %s%-14s%s %s%s\n", what.path.c_str(), colour, std::string(to_string(why.code())).c_str(),
              *colour != '\0' ? "\x1b[0m" : "", why.details().message.c_str(), mark);
}

void print_failures(const std::vector<item>& items, const pool_run& pool, const run& here, const paint& paint) {
  std::printf("\n%sfailures in the pool%s\n", paint.bold, paint.none);
  std::size_t broken = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ending& how = pool.endings[i];
    const bool hostile = items[i].kind != mischief::none;
    const bool right = is_right(items[i], how, here.endings[i]);
    if (how) {
      if (!right) std::printf("  %-26s %ssucceeded%s: wrong\n", items[i].path.c_str(), paint.bad, paint.none);
    } else if (!right) {
      print_failure(items[i], how.error(), paint.bad, ": wrong");
    } else if (hostile || ++broken <= most_broken_files) {
      print_failure(items[i], how.error(), paint.good, "");
    }
  }
  if (broken > most_broken_files) {
    std::printf("  and %zu more files that zlib refuses in this process too\n", broken - most_broken_files);
  }
}

// What went otherwise than it should have: nothing, mostly.
void print_surprises(const char* name, const std::vector<item>& items, const run& judged, const run& here,
                     const paint& paint) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ending& how = judged.endings[i];
    if (is_right(items[i], how, here.endings[i])) continue;
    std::printf("wrong in %s:", name);
    if (how) {
      std::printf("  %-26s %ssucceeded%s\n", items[i].path.c_str(), paint.bad, paint.none);
    } else {
      print_failure(items[i], how.error(), paint.bad, "");
    }
  }
}

void print_restarts(const selvage::restart_stats& why) {
  const auto all = why.crashed + why.exited + why.timed_out + why.aborted + why.failed_starts + why.recycled_calls +
                   why.recycled_resident + why.recycled_age + why.recycled_memory;
  const auto number = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  std::printf("\nworkers restarted: %llu (%llu crashed, %llu exited, %llu timed out, %llu for other reasons)\n",
              number(all), number(why.crashed), number(why.exited), number(why.timed_out),
              number(all - why.crashed - why.exited - why.timed_out));
}

void print_findings(const char* name, const findings& found, const paint& paint) {
  std::printf(
      "%-16s %s%s%s: %zu of %zu files as zlib gives them in this process, %zu of %zu hostile items failed for the "
      "right reason\n",
      name, found.good() ? paint.good : paint.bad, found.good() ? "right" : "WRONG", paint.none, found.equal,
      found.equal + found.different, found.failed_rightly, found.hostile);
}

}  // namespace

findings judge(const std::vector<item>& items, const run& judged, const run& here) {
  findings found;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool right = is_right(items[i], judged.endings[i], here.endings[i]);
    if (items[i].kind != mischief::none) {
      ++found.hostile;
      found.failed_rightly += right ? 1 : 0;
    } else {
      ++(right ? found.equal : found.different);
    }
  }
  return found;
}

void print_report(const std::vector<item>& items, const run& here, const pool_run& pool, const run& forks) {
  const paint paint;
  std::printf("%s%-16s %8s %8s %12s %12s %11s %11s %10s %12s%s\n", paint.bold, "", "items", "good", "bytes in",
              "bytes out", "files done", "all over", "rate", "throughput", paint.none);
  print_run("in this process", here);
  print_run("pool", pool);
  print_run("fork per item", forks);
  std::printf(
      "\nThe pool has %u workers, and as many forks run at a time. One item spins in one of them until its limit of "
      "%lld s. "
      "In this process no hostile item is run.\n",
      pool.workers, static_cast<long long>(time_limit.count()));
  print_failures(items, pool, here, paint);
  print_restarts(pool.restarts);
  print_surprises("fork per item", items, forks, here, paint);
  print_findings("pool", judge(items, pool, here), paint);
  print_findings("fork per item", judge(items, forks, here), paint);
  std::printf(
      "%sThe pool had unpacked all files after %.2f s; with a fork per item it took %.2f s, %.1f times as long.%s\n",
      paint.bold, pool.files_time.count(), forks.files_time.count(), forks.files_time / pool.files_time, paint.none);
}

}  // namespace unpack
