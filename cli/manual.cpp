// See manual.hpp.

#include "manual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <stdexcept>

namespace selvage::cli {
namespace {

/// What roff would take for its own is kept from it.
std::string roff(std::string_view text) {
  std::string all;
  bool at_begin = true;
  for (const char c : text) {
    if (at_begin && (c == '.' || c == '\'')) all += "\\&";
    if (c == '\\') {
      all += "\\e";
    } else if (c == '-') {
      all += "\\-";
    } else {
      all += c;
    }
    at_begin = c == '\n';
  }
  return all;
}

std::string upper(std::string_view text) {
  std::string all(text);
  std::ranges::transform(all, all.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

void add_options(const listed_command& command, std::string& page) {
  std::string group;
  for (const listed_option& option : command.options) {
    if (option.group != group) {
      group = option.group;
      page += ".SS " + roff(group) + "\n";
    }
    page += ".TP\n";
    std::string names;
    for (const std::string& name : {option.short_name, option.long_name}) {
      if (!name.empty()) names += (names.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
    }
    if (option.takes_value && !option.is_positional) names += " \\fIVALUE\\fR";
    page += names + "\n" + roff(option.text) + "\n";
  }
}

/// A paragraph that is indented, or ends with a colon, is shown as it is.
void add_text(const std::string& text, std::string& page) {
  std::istringstream lines(text);
  bool as_it_is = false;
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (indented != as_it_is) page += indented ? ".PP\n.nf\n" : ".fi\n.PP\n";
    as_it_is = indented;
    if (line.empty()) {
      page += ".PP\n";
    } else {
      page += roff(line) + "\n";
    }
  }
  if (as_it_is) page += ".fi\n";
}

}  // namespace

std::string manual_page(std::string_view of, const listed_command& command, std::string_view version) {
  const bool is_whole = of == command.name;
  const listed_command* described = is_whole ? &command : nullptr;
  for (const listed_command& each : command.commands)
    if (each.name == of) described = &each;
  if (described == nullptr) throw std::invalid_argument(fmt::format("there is no command '{}'", of));
  const std::string name = is_whole ? command.name : command.name + "-" + described->name;

  // A text whose first line is a synopsis has what it is in a line of its own.
  std::string text = described->text;
  std::string synopsis =
      is_whole ? command.name + " COMMAND [OPTION...]" : command.name + " " + described->name + " [OPTION...]";
  if (text.starts_with(command.name + " ")) {
    synopsis = text.substr(0, text.find('\n'));
    text.erase(0, std::min(text.size(), text.find_first_not_of('\n', synopsis.size())));
  }
  const std::string summary = text.substr(0, text.find('\n'));

  std::string page = fmt::format(".TH {} 1 \"\" \"Selvage {}\" \"Selvage\"\n.SH NAME\n{} \\- {}\n", roff(upper(name)),
                                 version, roff(name), roff(summary));
  page += ".SH SYNOPSIS\n.nf\n" + roff(synopsis) + "\n.fi\n.SH DESCRIPTION\n";
  add_text(text, page);
  if (!described->commands.empty()) page += ".SH COMMANDS\n";
  for (const listed_command& each : described->commands) {
    std::string line = each.text;
    if (line.starts_with(command.name + " ")) line.erase(0, line.find_first_not_of('\n', line.find('\n')));
    std::string arguments;
    for (const listed_option& option : each.options)
      if (option.is_positional) arguments += " \\fI" + roff(upper(option.long_name)) + "\\fR";
    page += ".TP\n\\fB" + roff(each.name) + "\\fR" + arguments + "\n" + roff(line.substr(0, line.find('\n'))) + "\n";
  }
  page += ".SH OPTIONS\n";
  add_options(*described, page);
  page += ".SH SEE ALSO\n";
  if (!is_whole) page += fmt::format(".BR {} (1)", roff(command.name));
  for (const listed_command& each : command.commands) {
    if (&each == described) continue;
    const bool is_first = page.ends_with(".SH SEE ALSO\n");
    page += fmt::format("{}.BR {} (1)", is_first ? "" : ",\n", roff(command.name + "-" + each.name));
  }
  return page + "\n";
}

}  // namespace selvage::cli
