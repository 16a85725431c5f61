// See completion.hpp.

#include "completion.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace selvage::cli {
namespace {

std::string names_of(const listed_option& option) {
  if (option.is_positional) return {};
  return option.short_name + (option.short_name.empty() || option.long_name.empty() ? "" : " ") + option.long_name;
}

std::string words_of(const listed_command& command) {
  std::string words;
  for (const listed_command& each : command.commands) words += each.name + " ";
  for (const listed_option& each : command.options) {
    if (const std::string names = names_of(each); !names.empty()) words += names + " ";
  }
  if (!words.empty()) words.pop_back();
  return words;
}

/// In single quotes, for any of the shells.
std::string quoted(std::string_view text) {
  std::string all = "'";
  for (const char c : text) {
    if (c == '\'') {
      all += "'\\''";
    } else {
      all += c == '\n' ? ' ' : c;
    }
  }
  return all + "'";
}

// ---- bash ----------------------------------------------------------------------------------------------------------

void add_bash_cases(const listed_command& command, const std::string& path, std::string& steps, std::string& words) {
  words += fmt::format("    {}) words={} ;;\n", quoted(path), quoted(words_of(command)));
  for (const listed_command& each : command.commands) {
    const std::string its = path + " " + each.name;
    steps += fmt::format("      {0}) path={0} ;;\n", quoted(its));
    add_bash_cases(each, its, steps, words);
  }
}

std::string bash(const listed_command& command) {
  std::string steps, words;
  add_bash_cases(command, command.name, steps, words);
  // Behind -- stands a command with its own arguments: its name, then files.
  return fmt::format(R"(# bash completion for {0}, made from its option table
_{0}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} path={0} words= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ ${{COMP_WORDS[i]}} == -- ]]; then
      if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -- "$current" | sort -u)); fi
      return
    fi
    case "$path ${{COMP_WORDS[i]}}" in
{1}    esac
  done
  case $path in
{2}  esac
  if [[ $current == -* || $path == {0} || $path == '{0} store' ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}}
complete -o default -F _{0} {0}
)",
                     command.name, steps, words);
}

// ---- zsh -----------------------------------------------------------------------------------------------------------

/// Within the brackets of a specification for _arguments.
std::string zsh_text(std::string_view text) {
  std::string all;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') all += '\\';
    all += c == '\n' ? ' ' : c;
  }
  return all;
}

void add_zsh(const listed_command& command, const std::string& function, std::string& to) {
  to += function + "() {\n";
  std::string specs;
  for (const listed_option& option : command.options) {
    if (option.is_positional) continue;
    for (const std::string& name : {option.short_name, option.long_name}) {
      if (name.empty()) continue;
      specs +=
          " \\\n    " + quoted(name + "[" + zsh_text(option.text) + "]" + (option.takes_value ? ":value:_files" : ""));
    }
  }
  if (command.commands.empty()) {
    to += "  _arguments" + specs + " \\\n    '*:: :_normal'\n}\n";
    return;
  }
  std::string descriptions, cases;
  for (const listed_command& each : command.commands) {
    const std::string first_line = each.text.substr(0, each.text.find('\n'));
    descriptions += " " + quoted(each.name + ":" + zsh_text(first_line));
    cases += fmt::format("      {}) {}_{} ;;\n", each.name, function, each.name);
  }
  to += fmt::format(R"(  local -a commands=({0})
  local state
  _arguments -C{1} \
    '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
{2}      esac ;;
  esac
}}
)",
                    descriptions, specs, cases);
  for (const listed_command& each : command.commands) add_zsh(each, function + "_" + each.name, to);
}

std::string zsh(const listed_command& command) {
  std::string all = fmt::format("#compdef {0}\n# zsh completion for {0}, made from its option table\n", command.name);
  add_zsh(command, "_" + command.name, all);
  return all +
         fmt::format("if [[ $funcstack[1] == _{0} ]]; then _{0} \"$@\"; else compdef _{0} {0}; fi\n", command.name);
}

// ---- fish ----------------------------------------------------------------------------------------------------------

void add_fish(const listed_command& command, const std::string& program, const std::string& condition,
              std::string& to) {
  const std::string head = "complete -c " + program + " -n " + quoted(condition);
  for (const listed_command& each : command.commands)
    to += fmt::format("{} -f -a {} -d {}\n", head, each.name, quoted(each.text.substr(0, each.text.find('\n'))));
  for (const listed_option& option : command.options) {
    if (option.is_positional) continue;
    std::string line = head;
    if (!option.short_name.empty()) line += " -s " + option.short_name.substr(1);
    if (!option.long_name.empty()) line += " -l " + option.long_name.substr(2);
    to += line + (option.takes_value ? " -r" : "") + " -d " + quoted(option.text) + "\n";
  }
  for (const listed_command& each : command.commands)
    add_fish(each, program, "__fish_seen_subcommand_from " + each.name, to);
}

std::string fish(const listed_command& command) {
  std::string all = fmt::format("# fish completion for {}, made from its option table\n", command.name);
  add_fish(command, command.name, "__fish_use_subcommand", all);
  return all;
}

}  // namespace

std::string completion_for(std::string_view shell, const listed_command& command) {
  if (shell == "bash") return bash(command);
  if (shell == "zsh") return zsh(command);
  if (shell == "fish") return fish(command);
  throw std::invalid_argument(fmt::format("'{}' is not bash, zsh or fish", shell));
}

}  // namespace selvage::cli
