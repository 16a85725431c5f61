#pragma once
// A run that is open: lookups by whoever asks, and a thread that writes what was put, many records in one commit.
// Called by: journal.cpp. The thread that puts never waits for the disk, unless the disk is far behind.
//
// Thread-safety: all but the destructor. Lives in the process that made it: see journal.cpp for its children.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <selvage/store.hpp>

#include "base/this_process.hpp"
#include "schema/stored_run.hpp"
#include "store/environment.hpp"
#include "store/records.hpp"
#include "store/run_directory.hpp"

namespace selvage::detail {

class journal_core {
 public:
  journal_core(store_detail::owned_directory directory, std::unique_ptr<store_detail::environment> environment,
               const store_options& options, journal_options told);
  journal_core(const journal_core&) = delete;
  journal_core& operator=(const journal_core&) = delete;
  ~journal_core();

  [[nodiscard]] bool find(std::string_view key, const std::function<void(const stored_item&)>& use);
  tl::expected<std::uint64_t, error> put(const stored_item& item);
  tl::expected<void, error> flush();
  void hurry() noexcept;
  [[nodiscard]] std::optional<error> failed() {
    const std::lock_guard guard(mutex_);
    return failure_;
  }
  [[nodiscard]] std::uint64_t durable() const noexcept {
    return durable_.load(std::memory_order_acquire);  // SYNC durable: what find() then looks for is committed
  }
  [[nodiscard]] std::uint64_t found() const noexcept { return look_.items_at_first(); }
  /// False in a forked child, where nothing of this may be touched.
  [[nodiscard]] bool is_ours() const noexcept { return base::is_this_process(process_); }
  [[nodiscard]] const std::filesystem::path& file() const noexcept { return environment_->file(); }

 private:
  /// Records on their way to the disk: their bytes one behind the other.
  struct batch {
    struct record {
      std::size_t key_size;
      std::size_t value_size;
    };
    std::vector<record> records;
    std::vector<std::byte> bytes;  ///< of each: its key, then its value

    void add(std::string_view key, std::span<const std::byte> value);
    void clear() {
      records.clear();
      bytes.clear();
    }
  };

  void write();
  [[nodiscard]] bool is_due() const;
  void commit(const batch& records);
  [[nodiscard]] int try_commit(const batch& records);

  const store_detail::owned_directory directory_;
  const std::unique_ptr<store_detail::environment> environment_;
  const store_options options_;
  const journal_options told_;
  const std::uint64_t process_;  // token

  std::mutex looking_;  // one lookup at a time, and none while the map grows
  store_detail::standing_look look_;
  std::uint64_t looked_at_ = 0;  // durable_, when it was renewed last

  std::mutex mutex_;  // all that follows, and the encoder
  std::condition_variable wake_writer_;
  std::condition_variable wake_callers_;
  schema::item_encoder encoder_;
  batch waiting_;
  batch writing_;
  std::chrono::steady_clock::time_point oldest_{};  ///< of those that wait
  std::uint64_t put_ = 0;                           ///< number of the last record
  std::uint64_t flush_to_ = 0;                      ///< somebody waits for this record
  bool stopping_ = false;
  std::optional<error> failure_;

  std::atomic<std::uint64_t> durable_{0};
  schema::aligned_copy write_scratch_;  // the writer's
  std::thread writer_;                  // last: it uses the rest
};

}  // namespace selvage::detail
