// FAILURES row 28: shutting down with stuck, queued and running calls, from wherever, while workers die and retire.
// Bounded, and each call has its outcome.
#include <atomic>
#include <memory>
#include <thread>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/worker_view.hpp"
#include "tests/victims/victims.hpp"

namespace selvage::test {
namespace {

using pool_ends = pool_survives;

// FAILURES row 28
TEST_F(pool_ends, stuck_queued_and_posted_calls_settle_as_closed) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  const auto stop = selvage::task("stop", &victims::stop_itself);
  pool pool(watched({.workers = 3}), add, spin, stop);
  std::vector<future<void>> stuck;
  stuck.push_back(pool.call(stop));
  for (int i = 0; i < 20; ++i) stuck.push_back(pool.call(spin));
  std::vector<future<int>> queued;
  for (int i = 0; i < 500; ++i) queued.push_back(pool.call(add, i, 1));
  pool.shutdown();
  for (auto& each : stuck) EXPECT_EQ(code_of(each.result()), errc::pool_closed);
  for (auto& each : queued) {
    const auto sum = each.result();
    EXPECT_TRUE(sum || sum.error().code() == errc::pool_closed);
  }
  EXPECT_EQ(code_of(pool.call(add, 1, 2).result()), errc::pool_closed);
}

// FAILURES row 28
TEST_F(pool_ends, draining_really_drains) {
  const auto nap = selvage::task("nap", [](int ms) {
    ::usleep(static_cast<useconds_t>(ms) * 1000);
    return ms;
  });
  pool pool(watched({.workers = 2}), nap);
  std::vector<future<int>> naps;
  for (int i = 0; i < 60; ++i) naps.push_back(pool.call(nap, i % 5));
  pool.shutdown(1h);
  for (int i = 0; i < 60; ++i) {
    const auto& each = naps[static_cast<std::size_t>(i)];
    EXPECT_TRUE(each.ready());
  }
  for (int i = 0; i < 60; ++i) EXPECT_EQ(naps[static_cast<std::size_t>(i)].get(), i % 5);
}

// FAILURES row 28
TEST_F(pool_ends, draining_is_over_when_its_time_is_over) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  pool pool(watched({.workers = 2}), add, spin);
  auto stuck = pool.call(spin);
  auto sum = pool.call(add, 1, 2);
  pool.shutdown(1s);
  EXPECT_EQ(code_of(stuck.result()), errc::pool_closed);
  EXPECT_EQ(sum.get(), 3);
}

// FAILURES row 28: whoever has a future may be anywhere between a look at its call and the pool's lock.
TEST_F(pool_ends, futures_are_asked_while_another_thread_destroys_their_pool) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  for (int round = 0; round < 40; ++round) {
    auto built = std::make_unique<pool>(watched({.workers = 1}), spin);
    std::atomic<unsigned> closed{0};
    const auto closes = [&closed](const auto& outcome) {
      const errc code = code_of(outcome);
      closed += code == errc::pool_closed || code == errc::aborted ? 1 : 0;
    };
    std::vector<std::thread> askers;
    for (unsigned which = 0; which < 3; ++which) {
      askers.emplace_back([&closes, which, asked = [&] {
        std::vector<future<void>> mine;
        for (int i = 0; i < 20; ++i) mine.push_back(built->call(spin));
        return mine;
      }()]() mutable {
        for (auto& each : asked) {
          if (which == 2) {
            std::move(each).then(closes);
            continue;
          }
          while (which == 0 && !each.wait_for(0s)) {
          }
          each.abort();
          closes(each.result());
        }
      });
    }
    built.reset();
    for (auto& each : askers) each.join();
    EXPECT_EQ(closed, 60U);
  }
}

// FAILURES row 28: a thread that waits has the collector's seat.
TEST_F(pool_ends, threads_that_wait_for_stuck_calls_are_let_go) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  for (int round = 0; round < 10; ++round) {
    pool pool(watched({.workers = 2}), add, spin);
    std::atomic<unsigned> closed{0};
    std::vector<std::thread> waiters;
    for (int t = 0; t < 4; ++t) {
      waiters.emplace_back([&, stuck = std::make_shared<future<void>>(pool.call(spin))] {
        closed += code_of(stuck->result()) == errc::pool_closed ? 1U : 0U;
      });
    }
    ::usleep(static_cast<useconds_t>(round) * 1000);
    pool.shutdown();
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(closed, 4U);
  }
}

// FAILURES row 28: destruction instead of shutdown, with threads still in their waits.
TEST_F(pool_ends, threads_that_wait_while_the_pool_is_destroyed_are_let_go) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  for (int round = 0; round < 20; ++round) {
    auto built = std::make_unique<pool>(watched({.workers = 2}), add, spin);
    std::atomic<unsigned> closed{0};
    std::vector<std::thread> waiters;
    for (int t = 0; t < 4; ++t) {
      waiters.emplace_back([&, stuck = std::make_shared<future<void>>(built->call(spin))] {
        closed += code_of(stuck->result()) == errc::pool_closed ? 1U : 0U;
      });
    }
    ::usleep(5'000);  // they are in their waits
    built.reset();
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(closed, 4U);
  }
}

// FAILURES row 28: callers that wait for room in the queue.
TEST_F(pool_ends, callers_that_wait_for_room_are_let_go) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  pool pool(watched({.workers = 1, .queue = 2}), spin);
  std::vector<std::thread> callers;
  std::atomic<unsigned> closed{0};
  for (int t = 0; t < 6; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        if (code_of(pool.call(spin).result()) == errc::pool_closed) ++closed;
      }
    });
  }
  ::usleep(20'000);
  pool.shutdown();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(closed, 60U);
}

// FAILURES row 28: callers that wait for bytes in the queue.
TEST_F(pool_ends, callers_that_wait_for_bytes_are_let_go) {
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  const auto length = selvage::task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1,
                     .arena = {.initial = 64_KiB, .maximum = 64_KiB},
                     .payload_cap = 64_KiB,
                     .depth = {.maximum = 1}}),
            spin, length);
  auto stuck = pool.call(spin);
  std::vector<std::jthread> callers;
  std::atomic<unsigned> closed{0};
  for (int t = 0; t < 6; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 3; ++i) {
        closed += code_of(pool.call(length, std::string(60'000, 'x')).result()) == errc::pool_closed ? 1U : 0U;
      }
    });
  }
  ::usleep(20'000);
  pool.shutdown();
  callers.clear();
  EXPECT_EQ(closed, 18U);
  EXPECT_EQ(code_of(stuck.result()), errc::pool_closed);
}

// FAILURES row 28
TEST_F(pool_ends, shutting_down_twice_from_several_threads_and_from_a_callback_is_one_shutdown) {
  for (int round = 0; round < 10; ++round) {
    std::atomic<unsigned> called{0};
    pool pool(watched({.workers = 2}), add);
    for (int i = 0; i < 20; ++i) {
      pool.call(add, i, 1).then([&, i](const auto&) {
        if (i == 10) pool.shutdown();
        ++called;
      });
    }
    std::vector<std::thread> closers;
    for (int t = 0; t < 3; ++t) closers.emplace_back([&] { pool.shutdown(10ms); });
    for (std::thread& closer : closers) closer.join();
    pool.shutdown();
    EXPECT_TRUE(holds_in_the_end([&] { return called == 20; })) << called;
  }
}

// BEHAVIOURS: destruction from a callback.
TEST_F(pool_ends, a_pool_destroyed_by_its_own_callback_ends_well) {
  for (int round = 0; round < 10; ++round) {
    auto built = std::make_unique<pool>(watched({.workers = 2}), add);
    std::atomic<bool> over{false};
    auto sum = built->call(add, 1, 2);
    std::move(sum).then([&, own = std::move(built)](const auto& outcome) mutable {
      EXPECT_TRUE(outcome.has_value());
      own.reset();
      over = true;
    });
    EXPECT_TRUE(holds_in_the_end([&] { return over.load(); }));
  }
}

// FAILURES row 28: recycling during shutdown.
TEST_F(pool_ends, workers_that_retire_or_die_during_the_shutdown_are_in_nobodys_way) {
  tests::random_source random;
  for (int round = 0; round < 20; ++round) {
    pool pool(watched({.workers = 3, .recycle = {.calls = 3, .age = 5ms}}), add);
    std::vector<future<int>> sums;
    for (int i = 0; i < 200; ++i) sums.push_back(pool.call(add, i, 1));
    const auto pids = worker_pids(pool);
    ::usleep(static_cast<useconds_t>(random.below(6'000)));
    if (round % 2 == 0 && !pids.empty()) ::kill(pids[0], SIGKILL);
    pool.shutdown(round % 3 == 0 ? 0ms : 5s);
    for (auto& each : sums) {
      const auto sum = each.result();
      const bool closed = !sum && sum.error().code() == errc::pool_closed;
      const bool crashed = !sum && sum.error().code() == errc::crashed;
      EXPECT_TRUE(sum || (closed && round % 3 == 0) || (crashed && round % 2 == 0)) << sum.error().report();
    }
  }
}

// FAILURES row 28: workers that are being born, or in their backoff.
TEST_F(pool_ends, a_pool_whose_workers_cannot_be_replaced_is_closed_all_the_same) {
  blackboard notes;
  pool pool(watched({.workers = 2,
                     .restart = {.budget = 1000, .backoff = 1h, .backoff_limit = 1h},
                     .initializer =
                         [&notes] {
                           if (notes[0] != 0) ::_exit(1);
                         }}),
            add);
  notes[0] = 1;
  for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
  std::vector<future<int>> sums;
  for (int i = 0; i < 50; ++i) sums.push_back(pool.call(add, i, 1));
  ::usleep(20'000);
  pool.shutdown(20ms);
  for (auto& each : sums) {
    const auto sum = each.result();
    EXPECT_TRUE(sum || sum.error().code() == errc::pool_closed || sum.error().code() == errc::crashed)
        << sum.error().report();
  }
}

// FAILURES row 28: finalizers run in idle workers, and one that hangs is bounded.
TEST_F(pool_ends, finalizers_run_in_idle_workers) {
  blackboard notes;
  pool pool(watched({.workers = 3, .finalizer = [&notes] { ++notes[0]; }}), add);
  expect_usable(pool);
  pool.shutdown();
  EXPECT_EQ(notes[0], 3U);
}

// FAILURES row 28
TEST_F(pool_ends, a_finalizer_that_hangs_ends_with_the_patience) {
  pool pool(watched({.workers = 1, .finalizer = [] { victims::sleep_for_ever(); }}), add);
  expect_usable(pool);
  pool.shutdown();
}

// FAILURES row 28: a call of one pool that waits for a call of another one.
TEST_F(pool_ends, a_call_that_waits_for_an_input_of_another_pool_is_closed_with_its_own) {
  const auto nap = selvage::task("nap", [] {
    ::usleep(200'000);
    return 5;
  });
  pool other(watched({.workers = 1}), nap);
  auto built = std::make_unique<pool>(watched({.workers = 1}), add);
  auto sum = built->call(add, other.call(nap), 1);
  built->shutdown();
  EXPECT_TRUE(sum.ready());
  EXPECT_EQ(code_of(sum.result()), errc::pool_closed);
  built.reset();
  ::usleep(300'000);  // the input comes, and finds nobody
}

// BEHAVIOURS: nothing runs afterwards.
TEST_F(pool_ends, nothing_runs_after_the_shutdown) {
  blackboard notes;
  const auto count = selvage::task("count", [&notes] {
    ++notes[0];
    ::usleep(1'000);
  });
  pool pool(watched({.workers = 2}), count);
  for (int i = 0; i < 100; ++i) pool.call(count).detach();
  pool.shutdown();
  const std::uint64_t ran = notes[0];
  ::usleep(50'000);
  EXPECT_EQ(notes[0], ran);
}

// BEHAVIOURS: shutting down right after a kill with calls outstanding.
TEST_F(pool_ends, a_shutdown_right_after_a_kill_is_safe) {
  for (int round = 0; round < 30; ++round) {
    pool pool(watched({.workers = 2}), add);
    std::vector<future<int>> sums;
    for (int i = 0; i < 50; ++i) sums.push_back(pool.call(add, i, 1));
    for (const int pid : worker_pids(pool)) ::kill(pid, SIGKILL);
    if (round % 2 == 0) pool.shutdown();
    // otherwise the futures outlive the pool, or are dropped before it
    if (round % 3 == 0) sums.clear();
  }
}

// FAILURES row 28: futures that outlive their pool have their outcome.
TEST_F(pool_ends, futures_and_views_outlive_their_pool) {
  const auto text = selvage::task("text", [](std::size_t size) { return std::string(size, 't'); });
  const auto spin = selvage::task("spin", &victims::spin_without_sigterm);
  std::vector<future<void>> stuck;
  future<std::string> done;
  trusted_view view;
  {
    pool pool(watched({.workers = 2}), text, spin);
    done = pool.call(text, std::size_t{100'000});
    done.wait();
    view = pool.call_trusted(text, std::size_t{50'000}).get();
    for (int i = 0; i < 10; ++i) stuck.push_back(pool.call(spin));
  }
  EXPECT_EQ(done.get().size(), 100'000U);
  EXPECT_EQ(view.text(), std::string(50'000, 't'));
  for (auto& each : stuck) EXPECT_EQ(code_of(each.result()), errc::pool_closed);
  view = {};
}

}  // namespace
}  // namespace selvage::test
