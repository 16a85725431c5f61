#pragma once
// The resume store: what the items of a run came to, kept on disk by key, so that a run that was interrupted goes on
// where it was. One directory holds any number of runs by name; each is an LMDB environment of its own, so that one
// run cannot slow, lock out or spoil another.
//
//   selvage::store store("/var/lib/thumbnails");
//   selvage::journal journal = store.open({.name = "2026-11", .fingerprint = {{"task", "decode 3"}}}).value();
//   if (!journal.find(key, [&](const selvage::stored_item& item) { use(item.output); })) {
//     journal.put({.key = key, .attempts = 1, .output = result});   // on its way to the disk
//   }
//   journal.flush();                                                 // on the disk
//
// Every record has a checksum, and the structure of a file is checked before LMDB believes it: damage is an error that
// says what to do, never a crash and never a wrong result. A store must lie on a local filesystem.
//
// Thread-safety: a store may be used by any number of threads; a journal too. Neither may be used in a forked child of
// the process that opened it: there it answers with errc::store_error, and its destruction does nothing.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include <selvage/bytes.hpp>
#include <selvage/error.hpp>

namespace selvage {

namespace detail {
class journal_core;
}

/// What a crash may cost. Lost records are only run again: in every mode a record that was said to be durable is whole.
enum class durability : std::uint8_t {
  /// Each record is on its way to the disk at once. A crash of the process or of the machine loses what was being
  /// synced just then. Costs a sync (0.2 to 10 ms of the disk) for each record that comes alone; those that come
  /// during one share the next.
  strict,
  /// Records go to the disk together, after store_options::commit_interval at the latest. A crash of the process or of
  /// the machine loses what came since then, none of which was said to be durable.
  batch,
  /// As batch, without waiting for the disk: durable means that the kernel has it. A crash of the process loses no
  /// more than with batch. A crash of the machine may lose the whole run's records: the kernel writes them in any
  /// order, and a file that is damaged so is refused.
  process,
};

struct store_options {
  selvage::durability durability = durability::batch;
  // Records are committed together once one of these is reached. Ignored by durability::strict.
  std::chrono::nanoseconds commit_interval{std::chrono::milliseconds(10)};  ///< since the oldest of them came; over 0
  unsigned commit_items = 1024;                                             ///< at least 1
  bytes commit_bytes = 4_MiB;                                               ///< at least 1; of records as encoded
  bytes map = 64_MiB;  ///< address space taken for a run at first, at least 64 KiB; doubled whenever that is too little
  /// LMDB needs a filesystem that keeps shared mappings coherent and honours locks: NFS, SMB, FUSE and their kind are
  /// refused. True: take this one nevertheless.
  bool any_filesystem = false;
};

/// What one item came to. As an argument it borrows from the caller; as given to a visitor it is valid during the
/// visit.
struct stored_item {
  std::string_view key{};        ///< any bytes, also none; at most 1 MiB
  std::optional<errc> failed{};  ///< nothing: it succeeded
  std::uint32_t attempts = 1;    ///< that it took
  std::uint64_t ordinal = 0;     ///< its place among the items of the run that ran it
  std::chrono::system_clock::time_point finished{};
  std::chrono::nanoseconds run_time{0};  ///< of its last attempt
  std::uint64_t peak_memory = 0;         ///< bytes, of the worker that ran it, as far as that is known
  std::string_view message{};            ///< of a failure
  std::span<const std::byte> output{};   ///< of a success, encoded; aligned to 16 bytes when given to a visitor
};

/// What the results of a run depend on, in parts with names: the task's name and version, options, the schema of its
/// items. Equal keys of runs with equal fingerprints have equal results.
using fingerprint = std::vector<std::pair<std::string, std::string>>;

/// The first part in which two fingerprints differ, in words for a user; nothing where they are equal. The order of the
/// parts does not count.
[[nodiscard]] std::optional<std::string> first_difference(const fingerprint& stored, const fingerprint& asked);

/// What happens where the stored run has another fingerprint.
enum class on_mismatch : std::uint8_t {
  refuse,  ///< errc::fingerprint_mismatch, naming the first part that differs
  rerun,   ///< its records are forgotten
  reuse,   ///< its records are taken as they are, and the new fingerprint is written over the old one
};

struct journal_options {
  std::string name{};  ///< of the run: 1 to 80 bytes, any but control characters
  selvage::fingerprint fingerprint{};
  selvage::on_mismatch on_mismatch = on_mismatch::refuse;
  bool fresh = false;  ///< forget the records that there are
  /// Told on the journal's writer thread, after each commit: the number of the last record that is durable. Must not
  /// throw or block. Told once more, with the error, where a commit has failed.
  std::function<void(std::uint64_t)> on_durable{};
  std::function<void(const error&)> on_failure{};
};

/// One run of a store, open for reading and writing. It holds the run's lock: nobody else can open it.
class journal {
 public:
  journal(journal&&) noexcept;
  journal& operator=(journal&&) noexcept;
  /// Writes what was put, as flush() does; an error is lost: flush first.
  ~journal();

  /// Calls `use` with the record of this key, where there is a durable one. Returns: whether there is.
  /// Errors: store_error where the record is damaged. Cost: some 500 ns, and a copy of the record.
  tl::expected<bool, error> find(std::string_view key, const std::function<void(const stored_item&)>& use = {}) const;

  /// Takes a copy of `item` for the disk, in place of an earlier one with its key. Returns: its number, from 1 up.
  /// Blocks: while four times store_options::commit_bytes wait to be written. Errors: what a commit has failed with,
  /// then and ever after; the records of that commit are not durable, those before are. Cost: some 200 ns and a copy.
  tl::expected<std::uint64_t, error> put(const stored_item& item);

  /// The number of the last record that is durable; all before it are. Cost: a load.
  [[nodiscard]] std::uint64_t durable() const noexcept;

  /// What a commit has failed with, where one has. Cost: a lock.
  [[nodiscard]] std::optional<error> failed() const;

  /// Blocks until every record that was put is durable, or cannot be. Errors: as put.
  tl::expected<void, error> flush();

  /// What was put is written without waiting for more, as soon as the writer can. Never blocks.
  void hurry() noexcept;

  /// Records that were there when the run was opened.
  [[nodiscard]] std::uint64_t found() const noexcept;

 private:
  friend class store;
  explicit journal(std::unique_ptr<detail::journal_core> core) noexcept;
  std::unique_ptr<detail::journal_core> core_;
};

/// A run of a store, as seen from outside.
struct stored_run {
  std::string name{};
  selvage::fingerprint fingerprint{};
  std::chrono::system_clock::time_point created{};
  std::uint64_t items = 0;
  bytes size{0};               ///< of its file of records
  bytes files{0};              ///< on the disk, of those that are in store::files_of
  std::int32_t opened_by = 0;  ///< the process that has it open, 0 for none; -1 where the kernel does not say which
  std::string problem{};       ///< why nothing else is known of it, empty for none
};

/// What a check of a run has found.
struct store_check {
  std::uint64_t items = 0;              ///< records that are whole
  std::vector<std::string> problems{};  ///< the first 100, each with its place and key; empty: none
  [[nodiscard]] bool ok() const noexcept { return problems.empty(); }
};

class store {
 public:
  /// Nothing is opened or made until it is needed. Errors, thrown: invalid_options names the field.
  explicit store(std::filesystem::path directory, store_options options = {});

  /// Opens a run, or begins one. Errors: invalid_options; store_busy names the process that has it open;
  /// fingerprint_mismatch; store_error: a full or read-only disk, a remote filesystem, a damaged file, or one that a
  /// newer Selvage has written: what is there is left as it is. Cost: a few ms, and one look at every page of the file.
  [[nodiscard]] tl::expected<journal, error> open(journal_options options) const;

  // The following look at runs without changing them, also while another process writes to them. One program looks at
  // one run once at a time, and not while it has the run open itself: store_busy.

  /// All runs, by name. Errors: store_error where there is no such directory.
  [[nodiscard]] tl::expected<std::vector<stored_run>, error> runs() const;
  [[nodiscard]] tl::expected<stored_run, error> look_at(std::string_view run) const;
  /// Calls `use` with each record, in the order of their keys (those over 510 bytes come last), until it says false.
  tl::expected<void, error> for_each(std::string_view run, const std::function<bool(const stored_item&)>& use) const;
  /// Calls `use` with the record of one key. Returns: whether there is one.
  tl::expected<bool, error> find(std::string_view run, std::string_view key,
                                 const std::function<void(const stored_item&)>& use) const;
  /// Looks at every page and record. Errors: store_busy while the run is open: its file is changing.
  [[nodiscard]] tl::expected<store_check, error> check(std::string_view run) const;

  // These change it. Errors: store_busy while the run is open.

  /// Deletes the run and all its records. Returns: whether there was one.
  tl::expected<bool, error> forget(std::string_view run) const;
  /// Writes the run anew without the free pages in its file. Returns: bytes before and after.
  tl::expected<std::pair<bytes, bytes>, error> compact(std::string_view run) const;

  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

  /// A folder for files that the records of a run speak of: there while the run is, deleted with it, kept by compact()
  /// with links. Only whoever has the run open may write to it; what a record speaks of has to be synced before it is
  /// put. Errors, thrown: invalid_options where no run can be called so.
  [[nodiscard]] std::filesystem::path files_of(std::string_view run) const;

 private:
  std::filesystem::path directory_;
  store_options options_;
};

}  // namespace selvage
