// A store whose files something has happened to: it says so, it gives no wrong result, and it never takes its program
// with it. FAILURES row 31.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "schema/stored_run.hpp"
#include "store/environment.hpp"
#include "store/names.hpp"
#include "store/records.hpp"
#include "tests/run/store_support.hpp"
#include "tests/support/child.hpp"
#include "tests/support/random.hpp"

namespace selvage::test {
namespace {

using store_detail::environment;
using ::testing::HasSubstr;

std::string content_of(const std::filesystem::path& file) {
  std::ifstream from(file, std::ios::binary);
  std::ostringstream to;
  to << from.rdbuf();
  return std::move(to).str();
}

void write_content(const std::filesystem::path& file, std::string_view content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

class damaged_stores : public ::testing::Test {
 protected:
  damaged_stores() : store_(place_.path(), {.commit_items = 40}) {
    // Small and large records, replaced ones, so that there are branch pages, overflow pages and a free list.
    journal writer = open(store_, {.name = "run", .fingerprint = {{"task", "t"}}});
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 200; ++i) put_one(writer, "key " + std::to_string(i), round == 2 ? 0 : 5);
      (void)writer.flush();
    }
    for (int i = 0; i < 10; ++i) put_one(writer, "large " + std::to_string(i), 400);
    (void)writer.flush();
  }

  void put_one(journal& into, const std::string& key, int repeats) {
    std::string output = output_of(key);
    for (int i = 0; i < repeats; ++i) output += output_of(key);
    outputs_[key] = output;
    ASSERT_TRUE(into.put(item_of(key, output)));
  }

  [[nodiscard]] std::filesystem::path file() const { return place_.path() / "run.run" / store_detail::data_file; }

  /// Opens, reads and writes the run in a process of its own. Returns: "intact", "error: ...", or what is wrong.
  std::string what_comes_of_it() {
    return tests::said_by_child([&]() -> std::string {
      const selvage::store store(place_.path(), {.commit_items = 40});
      auto opened = store.open({.name = "run", .fingerprint = {{"task", "t"}}});
      if (!opened) return "error: " + std::string(opened.error().what());
      std::string first_error;
      for (const auto& [key, output] : outputs_) {
        const std::string found = found_in(*opened, key);
        if (found == output || found == "(none)") continue;
        if (!found.starts_with("(error) ")) return "WRONG: " + key + ": " + found;
        if (first_error.empty()) first_error = "error: " + found;
      }
      for (int i = 0; i < 200; ++i) {
        const std::string key = "new " + std::to_string(i);
        (void)opened->put(item_of(key, output_of(key)));
      }
      if (const auto done = opened->flush(); !done) return "error: " + std::string(done.error().what());
      return first_error.empty() ? "intact" : first_error;
    });
  }

  const scratch_directory place_;
  const selvage::store store_;
  std::map<std::string, std::string> outputs_;
};

TEST_F(damaged_stores, are_intact_to_begin_with) {
  EXPECT_TRUE(store_.check("run").value().ok());
  EXPECT_EQ(what_comes_of_it(), "intact");
  EXPECT_TRUE(store_.check("run").value().ok());
}

TEST_F(damaged_stores, are_told_by_any_lost_end) {
  const std::string whole = content_of(file());
  for (std::size_t size = 0; size < whole.size(); size += size < 8192 ? 512 : 4096) {
    write_content(file(), whole.substr(0, size));
    const std::string outcome = what_comes_of_it();
    // The last pages may be free.
    ASSERT_TRUE(outcome.starts_with("error: store_error") || outcome == "intact") << size << " bytes: " << outcome;
    ASSERT_TRUE(size >= whole.size() / 2 || outcome.find("selvage store check") != outcome.npos) << outcome;
  }
}

TEST_F(damaged_stores, are_told_by_any_zeroed_page) {
  const std::string whole = content_of(file());
  for (std::size_t page = 0; page < whole.size() / 4096; ++page) {
    std::string spoilt = whole;
    std::fill_n(spoilt.begin() + static_cast<std::ptrdiff_t>(page * 4096), 4096, '\0');
    write_content(file(), spoilt);
    const std::string outcome = what_comes_of_it();
    ASSERT_TRUE(outcome.starts_with("error: ") || outcome == "intact") << "page " << page << ": " << outcome;
  }
  write_content(file(), std::string(whole.size(), '\0'));
  EXPECT_THAT(what_comes_of_it(), HasSubstr("is no head of a file"));
}

// Without the check LMDB itself is brought down by some of these.
TEST_F(damaged_stores, survive_any_flipped_bit) {
  tests::random_source random;
  const std::string whole = content_of(file());
  int told = 0;
  for (int round = 0; round < 300; ++round) {
    std::string spoilt = whole;
    // Every other one in the head of a page, where LMDB's own numbers are.
    std::size_t at = static_cast<std::size_t>(random.below(spoilt.size()));
    if (round % 2 == 0) at = at / 4096 * 4096 + static_cast<std::size_t>(random.below(160));
    spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << random.below(8)));
    write_content(file(), spoilt);
    const std::string outcome = what_comes_of_it();
    ASSERT_TRUE(outcome.starts_with("error: ") || outcome == "intact") << "byte " << at << ": " << outcome;
    told += outcome != "intact" ? 1 : 0;
  }
  EXPECT_GT(told, 30) << "bits were flipped where nothing is";
}

TEST_F(damaged_stores, survive_garbage) {
  tests::random_source random;
  std::string whole = content_of(file());
  for (int round = 0; round < 50; ++round) {
    std::string spoilt = whole;
    const std::size_t length = 1 + static_cast<std::size_t>(random.below(2000));
    const std::size_t begin = static_cast<std::size_t>(random.below(spoilt.size() - length));
    for (std::size_t i = begin; i < begin + length; ++i) spoilt[i] = static_cast<char>(random.bits());
    write_content(file(), spoilt);
    const std::string outcome = what_comes_of_it();
    ASSERT_TRUE(outcome.starts_with("error: ") || outcome == "intact") << "from " << begin << ": " << outcome;
  }
}

TEST_F(damaged_stores, are_left_as_they_are) {
  std::string spoilt = content_of(file());
  std::fill_n(spoilt.begin() + 4096, 100, '\xff');
  write_content(file(), spoilt);
  EXPECT_THAT(what_comes_of_it(), HasSubstr("it is left as it is"));
  EXPECT_EQ(content_of(file()), spoilt);
  EXPECT_FALSE(store_.check("run").value().ok());
  EXPECT_THAT(store_.look_at("run").value().problem, HasSubstr("data.mdb"));
  EXPECT_EQ(code_of(store_.for_each("run", [](const stored_item&) { return true; })), "store_error");
  EXPECT_EQ(code_of(store_.compact("run")), "store_error");
  EXPECT_EQ(open(store_, {.name = "other"}).found(), 0U) << "another run of the store knows nothing of it";
  EXPECT_EQ(open(store_, {.name = "run", .fresh = true}).found(), 0U);
}

TEST_F(damaged_stores, name_the_record_that_is_spoilt) {
  std::string spoilt = content_of(file());
  // What is replaced leaves old copies on free pages: spoil them all.
  const std::string needle = output_of("key 199");
  for (std::size_t at = spoilt.find(needle); at != std::string::npos; at = spoilt.find(needle, at + 1)) {
    spoilt[at + 3] ^= 1;
  }
  write_content(file(), spoilt);
  const auto found = store_.check("run").value();
  EXPECT_EQ(found.items, outputs_.size() - 1);
  ASSERT_EQ(found.problems.size(), 1U);
  EXPECT_THAT(found.problems[0], HasSubstr("the checksum of a record is wrong (record 'key 199')"));
  const journal opened = open(store_, {.name = "run", .fingerprint = {{"task", "t"}}});
  EXPECT_THAT(found_in(opened, "key 199"), HasSubstr("checksum"));
  EXPECT_EQ(found_in(opened, "key 198"), outputs_["key 198"]);
}

TEST_F(damaged_stores, miss_a_file_that_is_gone) {
  std::filesystem::remove(file());
  EXPECT_THAT(what_comes_of_it(), HasSubstr("it is gone"));
}

TEST_F(damaged_stores, refuse_a_directory_with_another_runs_name) {
  std::filesystem::rename(place_.path() / "run.run", place_.path() / "other.run");
  EXPECT_THAT(words_of(store_.open({.name = "other", .fingerprint = {{"task", "t"}}})),
              HasSubstr("it is of the run 'run'"));
}

TEST_F(damaged_stores, refuse_what_a_newer_version_wrote) {
  {
    environment in(place_.path() / "run.run", environment::access::write, environment::content::unknown, 1U << 20U);
    store_detail::transaction change = in.write();
    ASSERT_EQ(store_detail::write_manifest(in, change, {schema::stored_run_format + 1, {}, "run", {{"task", "t"}}}), 0);
    ASSERT_EQ(change.commit(), 0);
  }
  EXPECT_THAT(what_comes_of_it(), HasSubstr("it has format 2, and this Selvage reads formats up to 1"));
}

TEST_F(damaged_stores, notice_a_record_in_the_wrong_place) {
  {
    environment in(place_.path() / "run.run", environment::access::write, environment::content::unknown, 1U << 20U);
    store_detail::transaction change = in.write();
    const auto stored = in.find(change, store_detail::record_name("key 1"));
    ASSERT_TRUE(stored);
    const std::vector<std::byte> copy(stored->begin(), stored->end());
    ASSERT_EQ(in.put(change, store_detail::record_name("key 2"), copy), 0);
    ASSERT_EQ(change.commit(), 0);
  }
  EXPECT_THAT(what_comes_of_it(), HasSubstr("the record of key 'key 1' lies where another should be"));
}

TEST(stored_items, survive_any_flipped_bit) {
  schema::item_encoder encoder;
  const std::string output = output_of("key");
  const stored_item item{.key = "key",
                         .failed = errc::crashed,
                         .attempts = 2,
                         .message = "it crashed",
                         .output = std::as_bytes(std::span(output))};
  const auto encoded = encoder.encode(item).value();
  schema::aligned_copy scratch;
  EXPECT_EQ(owned_item(schema::decode_item(encoded, scratch).value()), owned_item(item));
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    std::vector<std::byte> spoilt(encoded.begin(), encoded.end());
    spoilt[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << bit % 8)};
    EXPECT_FALSE(schema::decode_item(spoilt, scratch));
  }
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_FALSE(schema::decode_item(encoded.first(size), scratch));
    EXPECT_FALSE(schema::decode_manifest(encoded.first(size)));
  }
  EXPECT_EQ(schema::decode_manifest(encoded).error(), "the manifest is a record of another kind");
}

}  // namespace
}  // namespace selvage::test
