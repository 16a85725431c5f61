// See input.hpp.

#include "input.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "json.hpp"

namespace selvage::cli {
namespace {

constexpr std::size_t read_size = 65'536;
constexpr std::size_t longest_record = std::size_t{256} << 20U;

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t at = text.find(separator); at != text.npos; at = text.find(separator, begin)) {
    parts.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// A quote is open at its end: the line end belongs to the record.
bool is_open(const std::string& record) { return std::ranges::count(record, '"') % 2 != 0; }

}  // namespace

std::string input_options::kind() const {
  if (csv) return "csv";
  if (jsonl) return "json";
  return column_separator.empty() ? "text" : "columns between '" + column_separator + "'";
}

std::vector<std::string> csv_columns(const std::string& text) {
  std::vector<std::string> columns(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        columns.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        columns.back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      columns.emplace_back();
    } else if (c != '\r' || i + 1 != text.size()) {
      columns.back() += c;
    }
  }
  return columns;
}

input_source::input_source(input_options options) : options_(std::move(options)) {
  names_.are_fields = options_.jsonl;
  if (options_.from_arguments) return;
  const bool is_stdin = options_.file.empty() || options_.file == "-";
  file_.reset(is_stdin ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                       : ::open(options_.file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file_) {
    throw std::runtime_error(fmt::format("{}: {}", name_of_file(), std::generic_category().message(errno)));
  }
  stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!options_.csv) return;
  if (const auto first = next_record({})) names_.names = csv_columns(*first);
}

std::string input_source::name_of_file() const {
  return options_.file.empty() || options_.file == "-" ? "standard input" : options_.file;
}

std::optional<std::size_t> column_names::index_of(std::string_view name) {
  const auto named = std::ranges::find(names, name);
  if (named != names.end()) return static_cast<std::size_t>(named - names.begin());
  if (!are_fields || name.find_first_of(" \t\n{\"'") != name.npos) return std::nullopt;
  names.emplace_back(name);
  return names.size() - 1;
}

std::optional<input> input_source::next(const std::stop_token& stop) {
  if (!options_.shuffled) return next_in_order(stop);
  if (!shuffled_) {
    shuffled_.emplace();
    while (auto item = next_in_order(stop)) shuffled_->push_back(*std::move(item));
    std::ranges::shuffle(*shuffled_, std::mt19937_64(std::random_device{}()));
  }
  if (shuffled_->empty() || stop.stop_requested()) return std::nullopt;
  input item = std::move(shuffled_->back());
  shuffled_->pop_back();
  return item;
}

std::optional<input> input_source::next_in_order(const std::stop_token& stop) {
  if (options_.from_arguments) {
    if (next_argument_ == options_.arguments.size()) return std::nullopt;
    return item_of(options_.arguments[next_argument_++], ++number_);
  }
  auto record = next_record(stop);
  while (options_.jsonl && record && record->find_first_not_of(" \t\r") == record->npos) record = next_record(stop);
  while (options_.csv && record && names_.names.size() > 1 && record->find_first_not_of('\r') == record->npos)
    record = next_record(stop);
  if (!record) return std::nullopt;
  input item = item_of(*std::move(record), ++number_);
  if (options_.csv && item.columns.size() != names_.names.size()) {
    throw std::runtime_error(fmt::format("record {} has {} columns, and {} have names: {}", number_,
                                         item.columns.size(), names_.names.size(), item.text));
  }
  return item;
}

input input_source::item_of(std::string record, std::uint64_t number) const {
  if (options_.jsonl) {
    input item = json_item(record, number, names_.names);
    if (options_.whole) item.text = std::move(record);
    return item;
  }
  input one{std::move(record), {}};
  if (options_.csv) {
    one.columns = csv_columns(one.text);
  } else if (!options_.column_separator.empty()) {
    one.columns = split(one.text, options_.column_separator);
  }
  return one;
}

std::optional<std::string> input_source::next_record(const std::stop_token& stop) {
  const char end = options_.zero_terminated ? '\0' : '\n';
  std::string record;
  for (;;) {
    const std::size_t found = buffer_.find(end, std::max(at_, looked_to_));
    if (found != buffer_.npos) {
      record += buffer_.substr(at_, found - at_);
      at_ = looked_to_ = found + 1;
      if (!options_.csv || !is_open(record)) return record;
      record += end;
      continue;
    }
    looked_to_ = buffer_.size();
    if (buffer_.size() - at_ > longest_record) {
      throw std::runtime_error(fmt::format("a record is longer than {} bytes", longest_record));
    }
    if (fill(stop)) continue;
    if (stop.stop_requested() || (at_ == buffer_.size() && record.empty())) return std::nullopt;
    record += std::exchange(buffer_, {}).substr(at_);  // the last one, without an end
    at_ = looked_to_ = 0;
    if (options_.csv && is_open(record))
      throw std::runtime_error(fmt::format("record {}: a quote is not closed: {}", number_ + 1, record.substr(0, 80)));
    return record;
  }
}

// Returns: there is more. Blocks until there is, or a stop.
bool input_source::fill(const std::stop_token& stop) {
  if (ended_) return false;
  buffer_.erase(0, at_);
  looked_to_ -= at_;
  at_ = 0;
  const std::stop_callback wake(stop, [this] {
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof one);
  });
  for (;;) {
    std::array<pollfd, 2> waits{pollfd{file_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) break;
    if (stop.stop_requested()) return false;
    if (waits[0].revents == 0) continue;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + read_size);
    const ssize_t got = ::read(file_.get(), buffer_.data() + before, read_size);
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got > 0) return true;
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) break;
    ended_ = true;
    return false;
  }
  throw std::runtime_error(fmt::format("{}: {}", name_of_file(), std::generic_category().message(errno)));
}

}  // namespace selvage::cli
