// The options of `selvage run`, and what --help says of them.

#include <CLI/CLI.hpp>

#include "run_command.hpp"

namespace selvage::cli {
namespace {

constexpr const char* examples = R"(selvage run [OPTIONS] [--] COMMAND [ARG...] [::: ITEM...]

Runs a command for each item, in supervised worker processes.

Examples:
  find . -name '*.png' | selvage run -- optipng {}
  selvage run -j2 --timeout 5s --retries 2 -- curl -fsO ::: http://a/x http://b/y
  selvage run -a list.txt --store state --name nightly --resume -- ./convert {} {.}.webp
  selvage run --csv -a people.csv --shell -- 'echo {name} is {age}'
  selvage run --task ./libfilters.so:shout -k < lines.txt
  jq -c '.[]' hosts.json | selvage run --jsonl -j20 --timeout 300% -- ping -c1 {address}
  selvage run --sandbox --allow-read . --allow-run /usr/bin/file -- /usr/bin/file {} ::: *

Placeholders: {} item, {.} without extension, {/} last part, {//} folder, {/.} last part without extension,
{#} number, {%} place among the running jobs, {3} third column, {name} column or field of that name. Without any, the
item becomes the last argument.

Exit status: 0 all items succeeded, 1 some failed, 2 usage, 3 the store was not made by this command or has records,
4 the store cannot be used, 5 halted, 126 and 127 the command cannot be run or found, 128 and more a signal.)";

}  // namespace

CLI::App* add_run(CLI::App& to, run_arguments& into) {
  CLI::App* const run = to.add_subcommand("run", "Runs a command for each item: replaces xargs -P and GNU parallel");
  run->description(examples);
  run->prefix_command();  // from the first word that is no option on, all is the command's

  const char* const items = "Items";
  run->add_option("-a,--arg-file", into.file, "Read items from FILE instead of standard input")->group(items);
  run->add_flag("-0,--null", into.zero, "Items end with a zero byte, not with a newline")->group(items);
  run->add_option("--colsep", into.column_separator, "Items have columns, with this between them")->group(items);
  run->add_flag("--csv", into.csv, "Items are records of CSV, the first of which names the columns")->group(items);
  run->add_flag("--jsonl", into.jsonl, "Items are JSON, one a line; {name} is a field, {a.b} one within another")
      ->group(items);
  run->add_flag("--shuf", into.shuffle, "Items in an order of chance; all are read first")->group(items);

  const char* const jobs = "Jobs";
  run->add_option("--task", into.task,
                  "A task NAME of a library of tasks instead of a command, as LIBRARY:NAME; always in the sandbox")
      ->group(jobs);
  run->add_option("-j,--jobs", into.jobs, "Jobs at once: a number up to 120, 0 for that, 50% of the cores, +1 or -1")
      ->group(jobs);
  run->add_flag("--shell", into.shell, "The command is a line for /bin/sh; items are quoted")->group(jobs);
  run->add_option("--timeout", into.timeout, "End a job that takes longer: 250ms, 5s, 2m, 1h, or 300% of the median")
      ->group(jobs);
  run->add_option("--mem", into.memory, "Memory of a job's processes together: 512M, 2G")->group(jobs);
  run->add_option("--cpu", into.cpu, "Processor time of a job: 10s")->group(jobs);
  run->add_option("--files", into.files, "Files that a job may have open at once")->group(jobs);
  run->add_option("--retries", into.retries, "Try a job that has failed so many times more")->group(jobs);
  run->add_option("--backoff", into.backoff, "Pause before the first retry; doubles")->group(jobs);
  run->add_option("--delay", into.delay, "Pause between the starts of two jobs: 100ms")->group(jobs);
  run->add_option("--memfree", into.free_memory, "Start a job only while so much memory is free: 2G")->group(jobs);
  run->add_option("--load", into.load, "Start a job only while fewer processes want to run: 4, or 100% of the cores")
      ->group(jobs);
  run->add_option("--halt", into.halt, "never, or soon|now,fail|success|done=N or N%")->group(jobs);
  run->add_option("--group", into.group, "Jobs of one group, by a template such as {//}")->group(jobs);
  run->add_option("--group-limit", into.group_limit, "Jobs of one group at once")->group(jobs);
  run->add_flag("--dry-run", into.dry_run, "Print the commands instead of running them")->group(jobs);

  const char* const sandbox = "Sandbox";
  run->add_flag("--sandbox", into.sandbox, "Jobs may do nothing but what is allowed below")->group(sandbox);
  run->add_option("--allow-read", into.allow_read, "Read this file, or what is below this folder")
      ->group(sandbox)
      ->take_all()
      ->allow_extra_args(false);
  run->add_option("--allow-write", into.allow_write, "Write below this folder")
      ->group(sandbox)
      ->take_all()
      ->allow_extra_args(false);
  run->add_option("--allow-run", into.allow_run, "Run this program; the command needs it")
      ->group(sandbox)
      ->take_all()
      ->allow_extra_args(false);
  run->add_option("--allow-net", into.allow_net, "Connect to this TCP port")
      ->group(sandbox)
      ->take_all()
      ->allow_extra_args(false);
  run->add_option("--allow-env", into.allow_env, "Have this variable")
      ->group(sandbox)
      ->take_all()
      ->allow_extra_args(false);

  const char* const output = "Output";
  run->add_flag("-k,--keep-order", into.keep_order, "Output in the order of the items")->group(output);
  run->add_flag("--group-output", into.group_output, "Output of a job together, once it has ended (the default)")
      ->group(output);
  run->add_flag("--line-buffer", into.line_buffer, "Output as it comes, in whole lines")->group(output);
  run->add_flag("-u,--ungroup", into.ungroup, "Jobs write for themselves, as it comes")->group(output);
  run->add_flag("--tag", into.tag, "The item and a tab before each line")->group(output);
  run->add_option("--joblog", into.joblog, "A line for each job, in GNU parallel's columns")->group(output);
  run->add_option("--events", into.events, "What happens, as it happens: a JSON object a line")->group(output);
  run->add_option("--results", into.results, "Output of job 7 in FOLDER/7/stdout, stderr and job.json")->group(output);
  run->add_flag("--json", into.json, "A summary as JSON on standard error")->group(output);
  run->add_flag("-q,--quiet", into.quiet, "No progress and no summary")->group(output);
  run->add_option("--exit-status", into.exit_status, "selvage, gnu (how many failed) or xargs (123)")->group(output);

  const char* const store = "Resume";
  run->add_option("--store", into.store, "Keep what jobs came to in this folder")->group(store);
  run->add_option("--name", into.name, "Name of the run in there")->group(store);
  run->add_option("--key", into.key, "Identity of an item, as a template")->group(store);
  run->add_flag("--resume", into.resume, "Go on: print what is kept, run the rest")->group(store);
  run->add_flag("--fresh", into.fresh, "Forget what is kept")->group(store);
  run->add_flag("--rerun-changed", into.rerun_changed, "Where the command was another one, run all again")
      ->group(store);
  run->add_option("--retry", into.retry,
                  "Failures to run again on resume: all (default), none, or failed,timeout,crashed,memory,cpu")
      ->group(store)
      ->delimiter(',');
  run->add_flag("--plan", into.plan, "Say what would run, and why")->group(store);
  return run;
}

}  // namespace selvage::cli
