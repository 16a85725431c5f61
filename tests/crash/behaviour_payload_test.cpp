// BEHAVIOURS, "Payload edges", through a real pool: what the codec's own tests prove in one process, arguments and
// results prove here across two.

#include <gmock/gmock.h>

#include <bit>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <variant>

#include "shm/layout.hpp"
#include "tests/support/pool_fixture.hpp"
#include "tests/support/random.hpp"
#include "tests/support/shared_words.hpp"

namespace selvage::test {
namespace {

class payloads : public pool_survives {};

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
auto echo_of(const char* name) {
  return task(name, [](T value) { return value; });
}

// "NaN, both infinities, -0.0, smallest and largest doubles": compared bit by bit.
TEST_F(payloads, doubles_keep_every_bit) {
  const auto echo = echo_of<double>("echo");
  const auto two = task("two", [](std::string, double value) { return std::pair<std::string, double>("", value); });
  pool pool(watched({.workers = 1}), echo, two);
  using limits = std::numeric_limits<double>;
  for (const double value : {limits::quiet_NaN(), -limits::quiet_NaN(), limits::signaling_NaN(),
                             std::bit_cast<double>(0x7ff8dead'beef0001ULL), limits::infinity(), -limits::infinity(),
                             -0.0, 0.0, limits::min(), limits::denorm_min(), limits::max(), limits::lowest()}) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(pool.call(echo, value).get()), std::bit_cast<std::uint64_t>(value));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(pool.call(two, "x", value).get().second),
              std::bit_cast<std::uint64_t>(value));
  }
}

TEST_F(payloads, integers_keep_their_extremes) {
  const auto all =
      task("all", [](std::int8_t a, std::uint8_t b, std::int16_t c, std::uint16_t d, std::int32_t e, std::uint32_t f,
                     std::int64_t g, std::uint64_t h, bool i) { return std::tuple(a, b, c, d, e, f, g, h, i); });
  pool pool(watched({.workers = 1}), all);
  const auto extremes = [&]<class Pick>(Pick pick, bool flag) {
    const std::tuple expected(pick(std::int8_t{}), pick(std::uint8_t{}), pick(std::int16_t{}), pick(std::uint16_t{}),
                              pick(std::int32_t{}), pick(std::uint32_t{}), pick(std::int64_t{}), pick(std::uint64_t{}),
                              flag);
    EXPECT_EQ(std::apply([&](auto... each) { return pool.call(all, each...).get(); }, expected), expected);
  };
  extremes([](auto it) { return std::numeric_limits<decltype(it)>::min(); }, false);
  extremes([](auto it) { return std::numeric_limits<decltype(it)>::max(); }, true);
}

// "null and empty, every optional state"
TEST_F(payloads, empty_is_not_nothing) {
  using maybe = std::optional<std::string>;
  using nested = std::optional<std::optional<int>>;
  const auto echo = task("echo", [](maybe a, nested b, std::vector<std::string> c, std::map<std::string, int> d,
                                    std::variant<std::monostate, int> e) {
    return std::tuple(std::move(a), b, std::move(c), std::move(d), e);
  });
  pool pool(watched({.workers = 1}), echo);
  const std::tuple<maybe, nested, std::vector<std::string>, std::map<std::string, int>,
                   std::variant<std::monostate, int>>
      cases[] = {
          {std::nullopt, std::nullopt, {}, {}, std::monostate{}},
          {"", nested(std::in_place, std::nullopt), {""}, {{"", 0}}, 0},
          {"x", nested(std::in_place, 7), {"", "", ""}, {{"a", 1}, {"b", 2}}, -1},
      };
  for (const auto& each : cases)
    EXPECT_EQ(std::apply([&](const auto&... field) { return pool.call(echo, field...).get(); }, each), each);
}

// "null": the dynamic one, alone and inside of others.
TEST_F(payloads, a_null_value_is_a_value) {
  const auto echo = task("echo", [](const value& given) { return given; });
  pool pool(watched({.workers = 1}), echo);
  value::map object;
  object["nothing"] = value();
  object["something"] = 1;
  for (const value& each : {value(), value(value::array{value(), 1, value()}), value(object)}) {
    EXPECT_TRUE(pool.call(echo, each).get() == each);
  }
}

// "text at the inline limit, one below and one above, in 1-, 2-, 3- and 4-byte UTF-8 and in invalid UTF-8 (carried
// untouched)"
TEST_F(payloads, text_around_the_inline_limit_arrives_untouched) {
  const auto echo = task("echo", [](std::string_view text) { return text; });
  const auto beside = task("beside", [](int, const std::string& text) { return text; });
  pool pool(watched({.workers = 1}), echo, beside);
  const std::string letters[] = {"a",    "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\xa7\xb5",
                                 "\xff", "\xc3",     "\xed\xa0\x80", std::string(1, '\0')};
  for (const std::string& letter : letters) {
    for (std::size_t size = 0; size <= shm::inline_payload_bytes + 40; ++size) {
      std::string text;
      while (text.size() < size) text += letter;
      text.resize(size);  // may cut a letter in two
      ASSERT_EQ(pool.call(echo, text).get(), text);
      ASSERT_EQ(pool.call(beside, 1, text).get(), text);
    }
  }
}

// "a payload that overflows its slot never touches its neighbour": every slot of the lane is full at once.
TEST_F(payloads, full_slots_do_not_touch_their_neighbours) {
  for (const std::size_t size :
       {shm::inline_payload_bytes - 1, shm::inline_payload_bytes, shm::inline_payload_bytes + 1, std::size_t{4096}}) {
    const gate closed;
    const auto echo = task("echo", [&closed](std::string_view text) {
      if (text.empty()) closed.pass();
      return text;
    });
    pool pool(watched({.workers = 1, .depth = {.maximum = 64, .window = 1h}}), echo);
    auto first = pool.call(echo, std::string());
    std::vector<future<std::string>> calls;
    for (int i = 0; i < 256; ++i) calls.push_back(pool.call(echo, std::string(size, static_cast<char>(i))));
    EXPECT_EQ(pool.stats().in_flight, 64U);  // none can have been answered
    closed.open();
    EXPECT_EQ(first.get(), "");
    for (int i = 0; i < 256; ++i)
      ASSERT_EQ(calls[static_cast<std::size_t>(i)].get(), std::string(size, static_cast<char>(i)));
  }
}

// "exactly the cap passes, one over is refused before anything is reserved"
TEST_F(payloads, the_cap_is_exact_for_arguments) {
  constexpr std::uint64_t cap = 1U << 20U;
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1, .payload_cap = {cap}}), length);
  const auto over = pool.call(length, std::string(cap + 1, 'x')).result();
  ASSERT_FALSE(over.has_value());
  EXPECT_EQ(over.error().code(), errc::payload_too_large);
  EXPECT_EQ(over.error().details().task, "length");
  EXPECT_THAT(over.error().what(), HasSubstr(std::to_string(cap + 1)));
  EXPECT_THAT(over.error().what(), HasSubstr("payload_cap"));
  EXPECT_EQ(pool.stats().lanes[0].request_bytes_reserved, 0U);
  EXPECT_EQ(pool.call(length, std::string(cap, 'x')).get(), cap);
}

TEST_F(payloads, the_cap_is_exact_for_results) {
  constexpr std::uint64_t cap = 1U << 20U;
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'r'); });
  pool pool(watched({.workers = 1, .payload_cap = {cap}}), make);
  const auto over = pool.call(make, cap + 1).result();
  ASSERT_FALSE(over.has_value());
  EXPECT_EQ(over.error().code(), errc::payload_too_large);
  EXPECT_THAT(over.error().what(), HasSubstr(std::to_string(cap + 1)));
  EXPECT_EQ(pool.call(make, cap).get(), std::string(cap, 'r'));
  EXPECT_EQ(pool.stats().restarts.crashed, 0U);
}

TEST_F(payloads, a_table_that_is_within_the_cap_passes_whatever_its_bound_said) {
  constexpr std::uint64_t cap = 64U << 10U;
  const auto total = task("total", [](const std::vector<std::string>& words) {
    std::size_t sum = 0;
    for (const std::string& word : words) sum += word.size();
    return sum;
  });
  pool pool(watched({.workers = 1, .payload_cap = {cap}}), total);
  EXPECT_EQ(pool.call(total, std::vector<std::string>(1, std::string(cap - 200, 'x'))).get(), cap - 200);
  EXPECT_EQ(code_of(pool.call(total, std::vector<std::string>(1, std::string(cap, 'x'))).result()),
            errc::payload_too_large);
  EXPECT_EQ(code_of(pool.call(total, std::vector<std::string>(cap, "")).result()), errc::payload_too_large);
  EXPECT_EQ(pool.call(total, std::vector<std::string>{"a", "bc"}).get(), 3U);
}

// "deep nesting"
struct leaf {
  int number;
  std::string text;
  friend bool operator==(const leaf&, const leaf&) = default;
};
struct branch {
  std::vector<leaf> leaves;
  std::optional<leaf> one;
  std::variant<int, std::string, leaf> any;
  std::map<std::string, std::vector<std::optional<leaf>>> named;
  friend bool operator==(const branch&, const branch&) = default;
};
struct tree {
  std::vector<std::vector<std::vector<branch>>> branches;
  std::tuple<branch, std::pair<leaf, std::array<leaf, 3>>> pair;
  std::chrono::nanoseconds age;
  friend bool operator==(const tree&, const tree&) = default;
};

class shaper {
 public:
  explicit shaper(tests::random_source& random) : random_(random) {}
  std::size_t few() { return random_.below(4); }
  leaf a_leaf() {
    return {static_cast<int>(random_.bits()),
            std::string(random_.below(random_.one_in(10) ? 3000 : 30), static_cast<char>(random_.bits()))};
  }
  branch a_branch() {
    branch it;
    for (std::size_t i = few(); i > 0; --i) it.leaves.push_back(a_leaf());
    if (random_.one_in(2)) it.one = a_leaf();
    switch (random_.below(3)) {
      case 0:
        it.any = static_cast<int>(random_.bits());
        break;
      case 1:
        it.any = std::string(random_.below(100), 'v');
        break;
      default:
        it.any = a_leaf();
        break;
    }
    for (std::size_t i = few(); i > 0; --i) {
      auto& row = it.named[std::to_string(random_.below(10))];
      for (std::size_t j = few(); j > 0; --j) row.push_back(random_.one_in(3) ? std::optional<leaf>() : a_leaf());
    }
    return it;
  }
  tree a_tree() {
    tree it{.branches = {},
            .pair = {a_branch(), {a_leaf(), {a_leaf(), a_leaf(), a_leaf()}}},
            .age = std::chrono::nanoseconds(random_.bits() >> 1U)};
    for (std::size_t i = few(); i > 0; --i) {
      auto& outer = it.branches.emplace_back();
      for (std::size_t j = few(); j > 0; --j) {
        auto& inner = outer.emplace_back();
        for (std::size_t k = few(); k > 0; --k) inner.push_back(a_branch());
      }
    }
    return it;
  }

 private:
  tests::random_source& random_;
};

// "a thousand random shapes round-trip"
TEST_F(payloads, a_thousand_random_shapes_round_trip) {
  tests::random_source random;
  shaper shape(random);
  const auto echo = task("echo", [](const tree& it) { return it; });
  pool pool(watched({.workers = 2}), echo);
  std::vector<tree> sent;
  std::vector<future<tree>> calls;
  for (int i = 0; i < 1000; ++i) {
    sent.push_back(shape.a_tree());
    calls.push_back(pool.call(echo, sent.back()));
  }
  for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(calls[i].get(), sent[i]) << i;
}

TEST_F(payloads, dynamic_values_nest_deeply_and_what_is_too_deep_is_an_error) {
  const auto echo = task("echo", [](const value& it) { return it; });
  pool pool(watched({.workers = 1}), echo, add);
  const auto nested = [](int levels) {
    value it(1);
    for (int i = 0; i < levels; ++i) {
      value::array around;
      around.push_back(std::move(it));
      it = value(std::move(around));
    }
    return it;
  };
  EXPECT_EQ(pool.call(echo, nested(30)).get(), nested(30));
  const value too_deep = nested(10'000);
  EXPECT_THROW(pool.call(echo, too_deep).get(), std::exception);
  expect_usable(pool);
}

// "an exception keeps type, message and nested causes"
struct file_trouble : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST_F(payloads, an_exception_keeps_type_message_and_nested_causes) {
  const auto nest = task("nest", [](int) -> int {
    try {
      try {
        throw std::out_of_range("third: \xc3\xa9");
      } catch (...) {
        std::throw_with_nested(std::invalid_argument("second"));
      }
    } catch (...) {
      std::throw_with_nested(file_trouble("first"));
    }
  });
  const auto odd = task("odd", [](int) -> int { throw 7; });
  pool pool(watched({.workers = 1}), nest, odd);
  const auto outcome = pool.call(nest, 0).result();
  ASSERT_FALSE(outcome.has_value());
  const failure& what = outcome.error().details();
  EXPECT_EQ(what.code, errc::task_failed);
  EXPECT_EQ(what.task, "nest");
  EXPECT_THAT(what.exception_type, HasSubstr("file_trouble"));
  EXPECT_THAT(what.message, HasSubstr("first"));
  EXPECT_THAT(what.causes, ElementsAre(HasSubstr("second"), HasSubstr("third: \xc3\xa9")));
  EXPECT_THAT(what.causes[0], HasSubstr("invalid_argument"));
  const auto thrown_int = pool.call(odd, 0).result();
  ASSERT_FALSE(thrown_int.has_value());
  EXPECT_EQ(thrown_int.error().code(), errc::task_failed);
  EXPECT_THAT(thrown_int.error().details().exception_type, HasSubstr("int"));
}

TEST_F(payloads, an_exception_as_long_as_a_book_is_cut_not_lost) {
  const auto shout = task("shout", [](std::uint64_t size) -> int { throw std::runtime_error(std::string(size, 'A')); });
  for (const bytes arena : {4_KiB, 64_KiB, 64_MiB}) {
    pool pool(watched({.workers = 1, .arena = {.initial = 4_KiB, .maximum = arena}}), shout, add);
    for (const std::uint64_t size : {0U, 80U, 4096U, 60'000U, 10'000'000U}) {
      const auto outcome = pool.call(shout, size).result();
      ASSERT_FALSE(outcome.has_value());
      EXPECT_EQ(outcome.error().code(), errc::task_failed)
          << size << ": " << std::string(outcome.error().what()).substr(0, 200);
    }
    expect_usable(pool);
  }
}

// ---- in place
// ----------------------------------------------------------------------------------------------------------

TEST_F(payloads, arguments_are_built_and_results_viewed_in_place) {
  const auto reverse =
      task("reverse", [](std::span<const std::byte> in) { return std::vector<std::byte>(in.rbegin(), in.rend()); });
  pool pool(watched({.workers = 1}), reverse);
  for (const std::size_t size : {0U, 1U, 79U, 80U, 81U, 4096U, 4097U, 1'000'000U}) {
    const trusted_view view = pool.call_trusted(reverse, in_place(size,
                                                                  [](std::span<std::byte> out) {
                                                                    for (std::size_t i = 0; i < out.size(); ++i)
                                                                      out[i] = static_cast<std::byte>(i % 251);
                                                                  }))
                                  .get();
    ASSERT_EQ(view.bytes().size(), size);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(view.bytes()[i], static_cast<std::byte>((size - 1 - i) % 251));
  }
}

TEST_F(payloads, a_fill_that_throws_posts_nothing_and_leaves_the_pool_well) {
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 64_KiB}), length);
  for (int i = 0; i < 200; ++i) {
    const std::size_t size = i % 2 == 0 ? 100 : 60'000;
    EXPECT_THROW((void)pool.call(length, in_place(size, [](std::span<std::byte>) { throw std::runtime_error("no"); })),
                 std::runtime_error);
  }
  EXPECT_EQ(pool.call(length, std::string((64_KiB).count, 'x')).get(), (64_KiB).count);
  EXPECT_EQ(pool.stats().posted, 1U);
}

// Its call has no outcome, and a shutdown that waits for the last outcome must be told so.
TEST_F(payloads, a_fill_that_throws_while_the_pool_is_drained_ends_the_drain) {
  const auto length = task("length", [](std::string_view text) { return text.size(); });
  for (const bool queued : {false, true}) {
    const auto busy = task("busy", [](int) { ::usleep(500'000); });
    pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), length, busy);
    std::optional<future<void>> ahead;
    if (queued) ahead.emplace(pool.call(busy, 1));
    std::atomic<bool> filling{false}, closing{false};
    std::thread caller([&] {
      const auto fill = [&](std::span<std::byte>) {
        filling = true;
        while (!closing) ::usleep(1000);
        ::usleep(queued ? 800'000 : 200'000);  // the drain waits for nothing else by then
        throw std::runtime_error("no");
      };
      EXPECT_THROW((void)pool.call(length, in_place(10'000, fill)), std::runtime_error);
    });
    while (!filling) ::usleep(1000);
    closing = true;
    pool.shutdown(1h);
    caller.join();
  }
}

// Views pin at most half an arena and half a lane's slots; what is beyond is copied, and nobody waits.
TEST_F(payloads, views_that_are_kept_never_stop_the_pool) {
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'm'); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 1024_KiB}, .payload_cap = 1024_KiB}), make,
            add);
  std::vector<trusted_view> kept;
  for (int i = 0; i < 200; ++i) kept.push_back(pool.call_trusted(make, 200).get());
  for (int i = 0; i < 40; ++i) kept.push_back(pool.call_trusted(make, 100'000).get());
  for (int i = 0; i < 240; ++i)
    EXPECT_EQ(kept[static_cast<std::size_t>(i)].text(), std::string(i < 200 ? 200 : 100'000, 'm'));
  EXPECT_EQ(pool.call(make, 512U << 10U).get().size(), 512U << 10U);
  expect_usable(pool);
  kept.clear();
  EXPECT_EQ(pool.call(make, 1024U << 10U).get().size(), 1024U << 10U);
}

TEST_F(payloads, one_kept_view_does_not_fill_a_lane_that_is_one_deep) {
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'm'); });
  pool pool(watched({.workers = 1, .depth = {.maximum = 1}}), make, add);
  const trusted_view kept = pool.call_trusted(make, 10'000).get();
  EXPECT_EQ(pool.call(add, 1, 2).get(), 3);
}

TEST_F(payloads, views_that_nobody_took_are_given_back) {
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'm'); });
  pool pool(watched({.workers = 1, .arena = {.initial = 64_KiB, .maximum = 64_KiB}, .payload_cap = 64_KiB}), make);
  for (int i = 0; i < 300; ++i) {
    auto view = pool.call_trusted(make, 20'000);
    if (i % 3 == 0) view.wait();  // settled and dropped; otherwise dropped on its way
  }
  EXPECT_EQ(pool.call(make, 64U << 10U).get().size(), 64U << 10U);
  EXPECT_EQ(pool.stats().in_flight, 0U);
}

TEST_F(payloads, a_view_outlives_its_pool) {
  const auto make = task("make", [](std::uint64_t size) { return std::string(size, 'm'); });
  trusted_view taken;
  future<trusted_view> left;
  {
    pool pool(watched({.workers = 1}), make);
    taken = pool.call_trusted(make, 100'000).get();
    left = pool.call_trusted(make, 50'000);
    left.wait();
  }
  EXPECT_EQ(taken.text(), std::string(100'000, 'm'));
  EXPECT_EQ(left.get().text(), std::string(50'000, 'm'));
}

}  // namespace
}  // namespace selvage::test
