// See journal_core.hpp.

#include "store/journal_core.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <utility>

#include "base/signals_blocked.hpp"
#include "store/names.hpp"
#include "store/problem.hpp"

namespace selvage::detail {

using store_detail::environment;
using store_detail::fail;
using store_detail::transaction;

namespace {

/// So many times commit_bytes may wait before put() does.
constexpr std::uint64_t backlog = 4;

}  // namespace

void journal_core::batch::add(std::string_view key, std::span<const std::byte> value) {
  const auto name = std::as_bytes(std::span(key));
  bytes.insert(bytes.end(), name.begin(), name.end());
  bytes.insert(bytes.end(), value.begin(), value.end());
  records.push_back({key.size(), value.size()});
}

journal_core::journal_core(store_detail::owned_directory directory, std::unique_ptr<environment> environment,
                           const store_options& options, journal_options told)
    : directory_(std::move(directory)),
      environment_(std::move(environment)),
      options_(options),
      told_(std::move(told)),
      process_(base::token_of_this_process()),
      look_(*environment_) {
  const base::signals_blocked quiet;  // the program's handlers run on the program's threads
  writer_ = std::thread([this] { write(); });
}

journal_core::~journal_core() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_writer_.notify_one();
  writer_.join();
  if (options_.durability == durability::process && !failure_) {
    // A machine that goes down from here on loses nothing.
    (void)store_detail::attempt(file(), [&] { environment_->sync(); });
  }
}

bool journal_core::find(std::string_view key, const std::function<void(const stored_item&)>& use) {
  const std::lock_guard guard(looking_);
  if (const std::uint64_t now = durable(); now != looked_at_) {
    look_.let_go();
    looked_at_ = now;
  }
  const auto item = look_.find(key);
  if (item && use) use(*item);
  return item.has_value();
}

tl::expected<std::uint64_t, error> journal_core::put(const stored_item& item) {
  if (item.key.size() > store_detail::max_key) {
    return tl::make_unexpected(
        error(errc::store_error, fmt::format("{}: a key of {} bytes is longer than the {} that the store takes",
                                             file().string(), item.key.size(), store_detail::max_key)));
  }
  std::unique_lock lock(mutex_);
  wake_callers_.wait(lock, [&] { return failure_ || waiting_.bytes.size() < backlog * options_.commit_bytes.count; });
  if (failure_) return tl::make_unexpected(*failure_);
  const auto encoded = encoder_.encode(item);
  if (!encoded) {
    return tl::make_unexpected(error(errc::store_error, fmt::format("{}: {}", file().string(), encoded.error())));
  }
  const bool first = waiting_.records.empty();
  if (first) oldest_ = std::chrono::steady_clock::now();
  waiting_.add(item.key, *encoded);
  const std::uint64_t number = ++put_;
  const bool due = is_due();
  lock.unlock();
  if (first || due) wake_writer_.notify_one();
  return number;
}

tl::expected<void, error> journal_core::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t last = put_;
  flush_to_ = std::max(flush_to_, last);
  wake_writer_.notify_one();
  wake_callers_.wait(lock, [&] { return failure_ || durable() >= last; });
  if (failure_) return tl::make_unexpected(*failure_);
  return {};
}

void journal_core::hurry() noexcept {
  const std::lock_guard guard(mutex_);
  flush_to_ = put_;
  wake_writer_.notify_one();
}

/// Those that wait need not wait for more. Requires: mutex_.
bool journal_core::is_due() const {
  return options_.durability == durability::strict || waiting_.records.size() >= options_.commit_items ||
         waiting_.bytes.size() >= options_.commit_bytes.count || flush_to_ > durable() || stopping_;
}

void journal_core::write() {
  ::prctl(PR_SET_NAME, "selvage-store");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_writer_.wait(lock, [&] { return stopping_ || !waiting_.records.empty(); });
    if (waiting_.records.empty()) return;
    wake_writer_.wait_until(lock, oldest_ + options_.commit_interval, [&] { return is_due(); });
    std::swap(waiting_, writing_);
    const std::uint64_t last = put_;
    lock.unlock();
    std::optional<error> problem;
    if (auto done = store_detail::attempt(file(), [&] { commit(writing_); }); !done) problem = std::move(done.error());
    writing_.clear();
    lock.lock();
    if (problem) {
      failure_ = problem;
      waiting_.clear();
    } else {
      // SYNC durable: the commit is visible to find()
      durable_.store(last, std::memory_order_release);
    }
    wake_callers_.notify_all();
    lock.unlock();
    if (problem && told_.on_failure) told_.on_failure(*problem);
    if (!problem && told_.on_durable) told_.on_durable(last);
    lock.lock();
    if (problem) return;
  }
}

void journal_core::commit(const batch& records) {
  {
    const std::lock_guard guard(looking_);
    look_.let_go();  // a page that it holds could not be used again
  }
  for (;;) {
    const int code = try_commit(records);
    if (code == 0) return;
    if (code != MDB_MAP_FULL) fail(file(), "cannot be written", code);
    const std::lock_guard guard(looking_);
    look_.let_go();
    environment_->grow();
  }
}

int journal_core::try_commit(const batch& records) {
  transaction in = environment_->write();
  const std::byte* at = records.bytes.data();
  for (const auto& record : records.records) {
    const std::string_view key(reinterpret_cast<const char*>(at), record.key_size);
    const std::span<const std::byte> value(at + record.key_size, record.value_size);
    if (const int code = write_item(*environment_, in, key, value, write_scratch_); code != 0) return code;
    at += record.key_size + record.value_size;
  }
  return in.commit();
}

}  // namespace selvage::detail
