// FAILURES row 14: a worker that writes noise over its lane for ever, beside one that does not, and every way in which
// the host reads an answer.
#include <exception>
#include <stdexcept>

#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/scribble.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

using pool_noise = pool_survives;

// FAILURES row 14
TEST_F(pool_noise, in_one_lane_leaves_the_other_worker_alone) {
  tests::random_source random;
  const shared_words liar(1);
  const auto lie = selvage::task("lie", [&liar](int at, std::uint64_t seed) {
    if (static_cast<std::uint64_t>(::getpid()) == liar[0].load()) scribble(static_cast<target>(at), seed);
  });
  const auto echo = selvage::task("echo", [](const std::string& text) { return text; });
  // Every call has a limit: a worker that lost the bit of an answer looks like one that hangs.
  pool pool(watched({.workers = 2, .balancer = balance::round_robin, .timeout = 500ms, .restart = {.budget = 1000}}),
            add, echo, lie);
  const int honest = pool.stats().lanes.at(1).worker_pid;
  unsigned failed = 0;
  const std::uint64_t end = base::now_ns() + 5'000'000'000U;
  for (int round = 0; base::now_ns() < end || failed == 0; ++round) {
    liar[0] = static_cast<std::uint64_t>(pool.stats().lanes.at(0).worker_pid);
    std::vector<future<void>> lies;
    for (int i = 0; i < 2; ++i) lies.push_back(pool.call(lie, round % 6, random.bits()));
    std::vector<future<int>> sums;
    std::vector<future<std::string>> echoes;
    for (int i = 0; i < 40; ++i) {
      sums.push_back(pool.call(add, i, 1));
      echoes.push_back(pool.call(echo, std::string(random.below(20'000), 'e')));
    }
    for (auto& each : sums) failed += each.result() ? 0 : 1;
    for (auto& each : echoes) failed += each.result() ? 0 : 1;
    for (auto& each : lies) (void)each.result();
  }
  const lane_stats beside = pool.stats().lanes.at(1);
  EXPECT_EQ(beside.worker_pid, honest);
  EXPECT_EQ(beside.epoch, 1U);
  EXPECT_EQ(beside.forged, 0U);
  EXPECT_EQ(beside.bad_responses, 0U);
  replace_workers(pool);
  expect_usable(pool);
}

/// A pool of two workers, the one task of its own, and the one that lies: asks for one kind of answer again and again
/// while there is noise. That the host survives is all there is to see, for a value may be a lie as well.
class pool_reader : public pool_survives {
 protected:
  template <class Task, class Ask>
  void read_through_noise(const Task& honest, Ask ask) {
    const auto lie = selvage::task("lie", [](int at, std::uint64_t seed) { scribble(static_cast<target>(at), seed); });
    tests::random_source random;
    pool pool(watched({.workers = 2,
                       .arena = {.initial = 256_KiB, .maximum = 1_MiB},
                       .timeout = 100ms,
                       .restart = {.budget = 1000}}),
              add, honest, lie);
    for (const target at : {target::everything, target::headers, target::arena, target::plausible_headers}) {
      const std::uint64_t end = base::now_ns() + 500'000'000U;
      do {
        auto lying = pool.call(lie, static_cast<int>(at), random.bits());
        for (int i = 0; i < 30; ++i) ask(pool, honest);
        (void)lying.result();
      } while (base::now_ns() < end);
    }
    replace_workers(pool);
    expect_usable(pool);
  }
};

TEST_F(pool_reader, of_dynamic_values_survives_noise) {
  value::map inner;
  inner["list"] = value::array{1, 2.5, "three", value()};
  inner["text"] = std::string(3000, 't');
  const value it = value::array{inner, inner};
  read_through_noise(selvage::task("copy", [](const value& given) { return given; }),
                     [&](pool& pool, const auto& copy) { (void)pool.call(copy, it).result(); });
}

TEST_F(pool_reader, of_vectors_survives_noise) {
  const std::vector<double> numbers(2000, 0.5);
  read_through_noise(selvage::task("copy", [](const std::vector<double>& given) { return given; }),
                     [&](pool& pool, const auto& copy) { (void)pool.call(copy, numbers).result(); });
}

TEST_F(pool_reader, of_exceptions_survives_noise) {
  const auto fail = selvage::task("fail", []() -> int {
    try {
      throw std::out_of_range(std::string(500, 'i'));
    } catch (const std::exception&) {
      std::throw_with_nested(std::runtime_error(std::string(500, 'o')));
    }
  });
  read_through_noise(fail, [](pool& pool, const auto& failing) {
    const auto outcome = pool.call(failing).result();
    if (!outcome) (void)outcome.error().report();
  });
}

TEST_F(pool_reader, of_results_in_their_place_survives_noise) {
  const auto text = selvage::task("text", [](std::size_t size) { return std::string(size, 't'); });
  read_through_noise(text, [](pool& pool, const auto& asked) {
    const auto view = pool.call_trusted(asked, std::size_t{5000}).result();
    if (!view) return;
    std::size_t sum = 0;
    for (const char each : view->text()) sum += static_cast<unsigned char>(each);
    EXPECT_LE(view->text().size(), 1U << 20U);
    EXPECT_LE(sum, view->text().size() * 255);
  });
}

}  // namespace
}  // namespace selvage::test
