// See store_command.hpp.

#include "store_command.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <functional>

#include <selvage/store.hpp>

#include "json.hpp"
#include "printer.hpp"
#include "progress.hpp"

namespace selvage::cli {
namespace {

enum status : int { done = 0, problems = 1, usage = 2, failed = 4 };

std::string time_text(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", parts);
}

std::string csv_text(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string outcome_of(const stored_item& item) {
  return item.failed ? std::string(to_string(*item.failed)) : "succeeded";
}

void print(const std::string& line) { write_all(STDOUT_FILENO, line + "\n"); }

void list(const store& of) {
  const auto runs = of.runs();
  if (!runs) throw error(runs.error());
  for (const stored_run& run : *runs) {
    if (!run.problem.empty()) {
      print(fmt::format("{}\t{}", run.name, run.problem));
      continue;
    }
    print(fmt::format("{}\t{} items\t{} KiB\t{}{}", run.name, run.items, (run.size.count + run.files.count) / 1024,
                      time_text(run.created),
                      run.opened_by != 0 ? fmt::format("\topen in process {}", run.opened_by) : ""));
  }
}

void show(const store& of, const std::string& name) {
  const auto run = of.look_at(name);
  if (!run) throw error(run.error());
  if (!run->problem.empty()) throw error(errc::store_error, run->problem);
  print(fmt::format("run: {}\ncreated: {}\nitems: {}\nsize: {} KiB", run->name, time_text(run->created), run->items,
                    run->size.count / 1024));
  if (run->files.count != 0) print(fmt::format("kept output: {} KiB", run->files.count / 1024));
  for (const auto& [part, value] : run->fingerprint) print(fmt::format("{}: {}", part, value));
  std::map<std::string, std::uint64_t> outcomes;
  const auto seen = of.for_each(name, [&](const stored_item& item) {
    ++outcomes[outcome_of(item)];
    return true;
  });
  if (!seen) throw error(seen.error());
  for (const auto& [outcome, count] : outcomes) print(fmt::format("{}: {}", outcome, count));
}

int explain(const store& of, const std::string& name, const std::string& key) {
  const auto found = of.find(name, key, [](const stored_item& item) {
    print(fmt::format("key: {}\noutcome: {}\nattempts: {}\nitem: {}\nfinished: {}\ntook: {}", item.key,
                      outcome_of(item), item.attempts, item.ordinal + 1, time_text(item.finished),
                      readable(item.run_time)));
    if (item.peak_memory != 0) print(fmt::format("peak memory: {} KiB", item.peak_memory / 1024));
    if (!item.message.empty()) print(fmt::format("message: {}", item.message));
    print(fmt::format("kept output: {} bytes", item.output.size()));
  });
  if (!found) throw error(found.error());
  if (*found) return done;
  fmt::print(stderr, "selvage store: '{}' has no record of '{}': a resumed run would run it\n", name, key);
  return problems;
}

void export_items(const store& of, const std::string& name, bool csv) {
  if (csv) print("key,outcome,attempts,item,finished,run_seconds,peak_memory,message");
  const auto seen = of.for_each(name, [&](const stored_item& item) {
    const double seconds = static_cast<double>(item.run_time.count()) / 1e9;
    if (csv) {
      print(fmt::format("{},{},{},{},{},{:.6f},{},{}", csv_text(item.key), outcome_of(item), item.attempts,
                        item.ordinal + 1, time_text(item.finished), seconds, item.peak_memory, csv_text(item.message)));
    } else {
      print(fmt::format(R"({{"key":{},"outcome":"{}","attempts":{},"item":{},"finished":"{}",)"
                        R"("run_seconds":{:.6f},"peak_memory":{},"message":{}}})",
                        json_text(item.key), outcome_of(item), item.attempts, item.ordinal + 1,
                        time_text(item.finished), seconds, item.peak_memory, json_text(item.message)));
    }
    return true;
  });
  if (!seen) throw error(seen.error());
}

int check(const store& of, const std::string& name) {
  const auto found = of.check(name);
  if (!found) throw error(found.error());
  print(fmt::format("{}: {} records are whole", name, found->items));
  for (const auto& problem : found->problems) print(fmt::format("{}: {}", name, problem));
  return found->ok() ? done : problems;
}

int forget(const store& of, const std::string& name) {
  const auto found = of.forget(name);
  if (!found) throw error(found.error());
  if (*found) return done;
  fmt::print(stderr, "selvage store: there is no run '{}' in {}\n", name, of.directory().string());
  return problems;
}

void compact(const store& of, const std::string& name) {
  const auto sizes = of.compact(name);
  if (!sizes) throw error(sizes.error());
  print(fmt::format("{}: {} KiB, before {} KiB", name, sizes->second.count / 1024, sizes->first.count / 1024));
}

}  // namespace

CLI::App* add_store(CLI::App& to, store_arguments& into) {
  CLI::App* const group = to.add_subcommand("store", "Looks at what runs have kept, and tidies it");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, bool run) {
    CLI::App* const one = group->add_subcommand(name, what);
    one->add_option("directory", into.directory, "The store")->required();
    if (run) one->add_option("run", into.run, "Name of a run")->required();
    one->callback([&into, name] { into.action = name; });
    return one;
  };
  add("ls", "Lists the runs of a store", false);
  add("show", "Says what a run is, and how its items ended", true);
  add("explain", "Says what is kept of one item", true)->add_option("key", into.key, "Key of the item")->required();
  add("export", "Prints all records of a run", true)
      ->add_option("--format", into.format, "jsonl or csv")
      ->check(CLI::IsMember({"jsonl", "csv"}));
  add("forget", "Deletes a run", true);
  add("compact", "Writes a run anew without the free pages in its file", true);
  add("check", "Looks at every page and record of a run; ends with 1 where one is damaged", true);
  return group;
}

int store_command(const store_arguments& given) try {
  const store of(given.directory);
  if (given.action == "ls") return list(of), done;
  if (given.action == "show") return show(of, given.run), done;
  if (given.action == "explain") return explain(of, given.run, given.key);
  if (given.action == "export") return export_items(of, given.run, given.format == "csv"), done;
  if (given.action == "forget") return forget(of, given.run);
  if (given.action == "compact") return compact(of, given.run), done;
  return check(of, given.run);
} catch (const error& problem) {
  fmt::print(stderr, "selvage store: {}\n", problem.what());
  return failed;
} catch (const output_closed&) {
  constexpr int by_sigpipe = 141;
  return by_sigpipe;
}

}  // namespace selvage::cli
