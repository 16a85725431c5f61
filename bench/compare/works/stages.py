"""Where the nanoseconds of one small call go: each stage alone, the transfer between two processors, and what is left
of the whole call."""

import os

from peers import PINNINGS, alternate
from tables import number, spread, table

STAGES = [
    # figure, what it is, whose; in the order in which a call goes through them
    ("record", "make the call's record, and drop it", "host"),
    ("encode_arguments", "encode the argument", "host"),
    ("find_task", "find the task's row", "host"),
    ("lock_twice", "the pool's lock, to post and to collect", "host"),
    ("claim", "claim a slot", "host"),
    ("fill", "fill its header", "host"),
    ("publish", "publish it, and look whether the worker sleeps", "host"),
    ("clock_twice", "read the clock, before and after", "worker"),
    ("take", "see the call and take it", "worker"),
    ("start", "say that it is started, and look whether it was recalled", "worker"),
    ("decode_arguments", "decode the argument", "worker"),
    ("run", "run a task that does nothing, through its thunk", "worker"),
    ("encode_result", "encode the result and place it", "worker"),
    ("finish", "say that it is done, and look whether the host sleeps", "worker"),
    ("collect", "see the answer and check it", "host"),
    ("decode_result", "decode the result", "host"),
    ("free", "settle and free the slot", "host"),
]
LANE = ["claim", "fill", "publish", "take", "start", "encode_result", "finish", "collect", "free"]


def measure(bench, repeats):
    cpu, peer_cpu = PINNINGS["apart" if len(os.sched_getaffinity(0)) > 1 else "free"]
    parts = {"samples": max(20, bench.arguments.for_ms), "cpu": cpu, "peer_cpu": peer_cpu}
    cases = {("selvage",): lambda: with_rest(bench.run("selvage", "stages", parts))}
    return [{"peer": key[0], "figures": figures} for key, figures in alternate(bench, repeats, cases).items()]


def with_rest(found):
    if found is not None:
        found["sum"] = sum(found[figure] for figure, _, _ in STAGES)
        found["rest"] = found["whole_over_transfer"] - found["sum"]
        found["lines"] = found["lane_over_transfer"] - sum(found[figure] for figure in LANE)
        found["pool"] = found["rest"] - found["lines"]
        found["call"] = found["post"] - found["clock_twice"] / 2
    return found


def tables_of(found):
    if not found["rows"]:
        return "Nothing was measured."
    figures = found["rows"][0]["figures"]
    whole = figures["whole"]["median"]
    lines = [(what, whose, figure) for figure, what, whose in STAGES]
    lines += [("all stages", "both", "sum"),
              ("a word to the other processor and back (limit)", "both", "transfer"),
              ("bookkeeping and what overlaps", "both", "rest"),
              ("of that, in a lane without a pool", "both", "lines"),
              ("of that, in the pool and the worker", "both", "pool"),
              ("**the whole call**", "both", "whole"),
              ("of that, until `call` has returned", "host", "call")]
    return table(["stage", "where", "ns", "percent of the call"],
                 [[what, whose, spread(figures[figure]), number(100 * figures[figure]["median"] / whole)]
                  for what, whose, figure in lines])


def plot_of(found):
    figures = found["rows"][0]["figures"]
    parts = {whose: sum(figures[figure]["median"] for figure, _, where in STAGES if where == whose)
             for whose in ("host", "worker")}
    bars = {"the host's stages": parts["host"], "the worker's stages": parts["worker"],
            "to the other processor and back": figures["transfer"]["median"],
            "the rest, in the lane": figures["lines"]["median"],
            "the rest, in pool and worker": figures["pool"]["median"], "the whole call": figures["whole"]["median"]}
    return ("Where the time of one call goes", "ns", False,
            {name: {"one call": value} for name, value in bars.items()})
