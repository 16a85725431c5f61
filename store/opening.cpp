// See opening.hpp.

#include "store/opening.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "schema/stored_run.hpp"
#include "store/names.hpp"
#include "store/problem.hpp"
#include "store/records.hpp"

namespace selvage::store_detail {
namespace {

constexpr std::size_t most_parts = 1000;
constexpr std::size_t longest_part = std::size_t{64} << 10U;

void validate(const journal_options& asked) {
  const auto refuse = [](std::string what) { throw error(errc::invalid_options, std::move(what)); };
  if (asked.on_mismatch > on_mismatch::reuse) refuse("on_mismatch: it is none of refuse, rerun and reuse");
  if (asked.fingerprint.size() > most_parts) refuse(fmt::format("fingerprint: it has more than {} parts", most_parts));
  for (const auto& [name, value] : asked.fingerprint) {
    if (name.empty()) refuse("fingerprint: a part has no name");
    if (name.size() + value.size() > longest_part) {
      refuse(fmt::format("fingerprint: part '{}' has more than {} bytes", printable(name), longest_part));
    }
    if (std::ranges::count(asked.fingerprint, name, &std::pair<std::string, std::string>::first) > 1) {
      refuse(fmt::format("fingerprint: two parts are called '{}'", printable(name)));
    }
  }
}

environment::access access_of(durability what) {
  return what == durability::process ? environment::access::write_unsynced : environment::access::write;
}

schema::run_manifest manifest_of(const journal_options& asked) {
  return {schema::stored_run_format, std::chrono::system_clock::now(), asked.name, asked.fingerprint};
}

void write_manifest_at_once(environment& to, const schema::run_manifest& manifest) {
  transaction in = to.write();
  if (const int code = write_manifest(to, in, manifest); code != 0) fail(to.file(), "cannot be written", code);
  if (const int code = in.commit(); code != 0) fail(to.file(), "cannot be written", code);
}

/// The run of this name, with its lock; made where there is none.
owned_directory find_or_make(const std::filesystem::path& path, const store_options& options,
                             const journal_options& asked, bool fresh) {
  for (;;) {
    auto owned = own(path);
    if (owned && !fresh) return *std::move(owned);
    if (owned) remove(*std::move(owned));
    auto made = make(path, [&](const std::filesystem::path& half_made) {
      environment begun(half_made, environment::access::write, environment::content::sound, options.map.count);
      write_manifest_at_once(begun, manifest_of(asked));
    });
    if (made) return *std::move(made);
    fresh = false;  // another process made it just now
  }
}

}  // namespace

opened_run open_run(const std::filesystem::path& store, const store_options& options, const journal_options& asked) {
  // 1. What was asked for.
  validate(asked);
  const auto path = path_of(store, asked.name);
  // 2. A place where LMDB is sound.
  make_store(store);
  if (!options.any_filesystem) require_local(store);
  sweep(store);
  for (bool fresh = asked.fresh;; fresh = true) {
    // 3. The run, for us alone.
    owned_directory directory = find_or_make(path, options, asked, fresh);
    make_files_folder(directory.path);
    // 4. A sound file, and what is said in it.
    auto from = std::make_unique<environment>(directory.path, access_of(options.durability),
                                              environment::content::unknown, options.map.count);
    auto manifest = read_manifest(*from, from->read());
    if (manifest.name != asked.name) {
      fail(from->file(), fmt::format("it is of the run '{}': its directory was given another name", manifest.name));
    }
    // 5. Of the same task and options.
    const auto differs = first_difference(manifest.fingerprint, asked.fingerprint);
    if (differs && asked.on_mismatch == on_mismatch::refuse) {
      throw error(errc::fingerprint_mismatch,
                  fmt::format("{}: the run '{}' was made differently: {}; it may be run again from the start, or its "
                              "records taken as they are",
                              from->file().string(), asked.name, *differs));
    }
    if (differs && asked.on_mismatch == on_mismatch::rerun) continue;
    if (differs) {
      manifest.fingerprint = asked.fingerprint;
      write_manifest_at_once(*from, manifest);
    }
    return {std::move(directory), std::move(from)};
  }
}

}  // namespace selvage::store_detail

namespace selvage {
namespace {

const std::string* value_in(const fingerprint& parts, std::string_view name) {
  const auto at = std::ranges::find(parts, name, &std::pair<std::string, std::string>::first);
  return at == parts.end() ? nullptr : &at->second;
}

}  // namespace

std::optional<std::string> first_difference(const fingerprint& stored, const fingerprint& asked) {
  for (const auto& [name, value] : asked) {
    const std::string* const before = value_in(stored, name);
    if (before == nullptr) return fmt::format("'{}' is '{}' and was not said before", name, value);
    if (*before != value) return fmt::format("'{}' was '{}' and is '{}'", name, *before, value);
  }
  for (const auto& [name, value] : stored) {
    if (value_in(asked, name) == nullptr) return fmt::format("'{}' was '{}' and is not said now", name, value);
  }
  return std::nullopt;
}

}  // namespace selvage
