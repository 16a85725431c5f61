// See option_list.hpp.

#include "option_list.hpp"

#include <CLI/CLI.hpp>

namespace selvage::cli {

listed_command list_of(const CLI::App& app) {
  listed_command it{.name = app.get_name(), .text = app.get_description()};
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    listed_option one{.text = option->get_description(),
                      .group = option->get_group(),
                      .takes_value = option->get_items_expected_max() > 0,
                      .is_positional = option->get_positional()};
    if (!option->get_snames().empty()) one.short_name = "-" + option->get_snames()[0];
    if (!option->get_lnames().empty()) one.long_name = "--" + option->get_lnames()[0];
    if (one.is_positional) one.long_name = option->get_name(true);
    it.options.push_back(std::move(one));
  }
  for (const CLI::App* const each : app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); }))
    it.commands.push_back(list_of(*each));
  return it;
}

}  // namespace selvage::cli
