// The public face of a store: see <selvage/store.hpp>. Reads as a table of contents: directories are
// run_directory.hpp's, files file_check.hpp's, records records.hpp's.

#include <selvage/store.hpp>

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "store/environment.hpp"
#include "store/journal_core.hpp"
#include "store/names.hpp"
#include "store/opening.hpp"
#include "store/problem.hpp"
#include "store/records.hpp"
#include "store/run_directory.hpp"

namespace selvage {

using store_detail::attempt;
using store_detail::environment;
using store_detail::fail;
using store_detail::transaction;

namespace {

constexpr std::size_t most_problems = 100;

[[noreturn]] void refuse(const std::string& what) { throw error(errc::invalid_options, what); }

void validate(const store_options& options) {
  if (options.durability > durability::process) refuse("durability: it is none of strict, batch and process");
  if (options.commit_interval <= std::chrono::nanoseconds(0) || options.commit_interval > std::chrono::hours(1)) {
    refuse("commit_interval: it must be over 0, and at most an hour");
  }
  if (options.commit_items == 0) refuse("commit_items: it must be at least 1");
  if (options.commit_bytes == bytes{0} || options.commit_bytes > 1_GiB) {
    refuse("commit_bytes: it must be 1 byte to 1 GiB");
  }
  if (options.map < 64_KiB || options.map > bytes{std::uint64_t{1} << 45U}) {
    refuse("map: it must be 64 KiB to 32 TiB");
  }
}

/// A run that is looked at: with its lock, where nobody has it, so that it stays as it is.
struct look {
  std::optional<store_detail::owned_directory> lock;
  pid_t opened_by = 0;
  std::filesystem::path path;
};

look look_for(const std::filesystem::path& store, std::string_view run) {
  look found{std::nullopt, 0, store_detail::path_of(store, run)};
  try {
    auto owned = store_detail::own(found.path);
    if (!owned) fail(found.path, "there is no such run");
    found.lock.emplace(*std::move(owned));
  } catch (const error& problem) {
    if (problem.code() != errc::store_busy) {
      // A medium that cannot be written has no writer either.
      if (!std::filesystem::exists(found.path / store_detail::data_file)) throw;
      return found;
    }
    found.opened_by = store_detail::owner_of(found.path);
    // LMDB must not have one file open twice in a process.
    if (found.opened_by == ::getpid()) throw;
  }
  return found;
}

environment open_for_reading(const look& run) {
  const bool changes = run.opened_by != 0;
  return {run.path, environment::access::read, changes ? environment::content::sound : environment::content::unknown,
          0};
}

stored_run describe(const std::filesystem::path& store, std::string_view name) {
  stored_run run;
  run.name = name;
  try {
    const look at = look_for(store, name);
    run.opened_by = at.opened_by;
    run.size = bytes{std::filesystem::file_size(at.path / store_detail::data_file)};
    run.files = bytes{store_detail::size_of_files(at.path)};
    const environment from = open_for_reading(at);
    const transaction in = from.read();
    auto manifest = store_detail::read_manifest(from, in);
    run.fingerprint = std::move(manifest.fingerprint);
    run.created = manifest.created;
    run.items = from.records(in) - 1;
  } catch (const error& problem) {
    run.problem = problem.details().message;
    if (problem.code() == errc::store_busy) run.opened_by = ::getpid();
  } catch (const std::exception& problem) {
    run.problem = problem.what();
  }
  return run;
}

}  // namespace

store::store(std::filesystem::path directory, store_options options)
    : directory_(std::move(directory)), options_(options) {
  if (directory_.empty()) refuse("directory: it must have a name");
  validate(options_);
  directory_ = std::filesystem::absolute(directory_);  // whatever the program's working directory becomes
}

std::filesystem::path store::files_of(std::string_view run) const {
  return store_detail::path_of(directory_, run) / store_detail::files_folder;
}

tl::expected<journal, error> store::open(journal_options options) const {
  return attempt(directory_, [&] {
    auto opened = store_detail::open_run(directory_, options_, options);
    return journal(std::make_unique<detail::journal_core>(std::move(opened.directory), std::move(opened.environment),
                                                          options_, std::move(options)));
  });
}

tl::expected<std::vector<stored_run>, error> store::runs() const {
  return attempt(directory_, [&] {
    std::vector<stored_run> runs;
    for (const auto& name : store_detail::runs_in(directory_)) runs.push_back(describe(directory_, name));
    return runs;
  });
}

tl::expected<stored_run, error> store::look_at(std::string_view run) const {
  return attempt(directory_, [&] {
    const auto path = store_detail::path_of(directory_, run);
    if (!std::filesystem::exists(path)) fail(path, "there is no such run");
    return describe(directory_, run);
  });
}

tl::expected<void, error> store::for_each(std::string_view run,
                                          const std::function<bool(const stored_item&)>& use) const {
  return attempt(directory_, [&] {
    const look at = look_for(directory_, run);
    const environment from = open_for_reading(at);
    store_detail::for_each_item(from, from.read(), [&](const tl::expected<stored_item, std::string>& item) {
      if (!item) throw store_detail::damaged_file(from.file(), item.error());
      return use(*item);
    });
  });
}

tl::expected<bool, error> store::find(std::string_view run, std::string_view key,
                                      const std::function<void(const stored_item&)>& use) const {
  return attempt(directory_, [&] {
    const look at = look_for(directory_, run);
    const environment from = open_for_reading(at);
    schema::aligned_copy scratch;
    const transaction in = from.read();
    const auto item = store_detail::read_item(from, in, key, scratch);
    if (item && use) use(*item);
    return item.has_value();
  });
}

tl::expected<store_check, error> store::check(std::string_view run) const {
  return attempt(directory_, [&] {
    const auto path = store_detail::path_of(directory_, run);
    const auto owned = store_detail::own(path);
    if (!owned) fail(path, "there is no such run");
    store_check found;
    const auto note = [&](std::string problem) {
      if (found.problems.size() < most_problems) found.problems.push_back(std::move(problem));
    };
    std::optional<environment> opened;
    try {
      opened.emplace(path, environment::access::read, environment::content::unknown, 0);
    } catch (const store_detail::damaged_file& problem) {
      note((path / store_detail::data_file).string() + ": " + problem.what_is_wrong());
      return found;
    }
    const environment& from = *opened;
    const transaction in = from.read();
    try {
      (void)store_detail::read_manifest(from, in);
    } catch (const error& problem) {
      note(problem.details().message);
    }
    store_detail::for_each_item(from, in, [&](const tl::expected<stored_item, std::string>& item) {
      if (item) {
        ++found.items;
      } else {
        note(from.file().string() + ": " + item.error());
      }
      return true;
    });
    return found;
  });
}

tl::expected<bool, error> store::forget(std::string_view run) const {
  return attempt(directory_, [&] {
    auto owned = store_detail::own(store_detail::path_of(directory_, run));
    if (!owned) return false;
    store_detail::remove(*std::move(owned));
    return true;
  });
}

tl::expected<std::pair<bytes, bytes>, error> store::compact(std::string_view run) const {
  return attempt(directory_, [&] {
    const auto path = store_detail::path_of(directory_, run);
    auto owned = store_detail::own(path);
    if (!owned) fail(path, "there is no such run");
    const auto file = path / store_detail::data_file;
    const bytes before{std::filesystem::file_size(file)};
    store_detail::replace(*std::move(owned), [&](const std::filesystem::path& into) {
      store_detail::link_files(path, into);
      const environment from(path, environment::access::read, environment::content::unknown, 0);
      if (const int code = ::mdb_env_copy2(from.get(), into.c_str(), MDB_CP_COMPACT); code != 0) {
        fail(into, "cannot be written", code);
      }
    });
    return std::pair(before, bytes{std::filesystem::file_size(file)});
  });
}

}  // namespace selvage
