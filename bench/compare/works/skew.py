"""One item in a hundred takes a hundred times as long as the others: what all of them take beside the ideal, and how
long the short ones wait."""

import random

from peers import NAMES, NODE, PYTHON, alternate, language_of, loops_per_us
from tables import number, order, pick, spread, table

NATIVE = ["selvage", "selvage_not_ahead", "fork", "threads", "openmp"]
SHORT_US, LONG_US, ONE_LONG_IN = 100, 10_000, 100
WINDOW = 8  # unanswered items for each worker


def measure(bench, repeats):
    per_us = loops_per_us(bench)
    mean_us = SHORT_US + (LONG_US - SHORT_US) / ONE_LONG_IN
    items = max(ONE_LONG_IN, round(bench.arguments.for_ms * 1000 / mean_us))
    shuffled = sorted(random.Random(1).sample(range(items), items // ONE_LONG_IN))
    cases = {}
    for workers in (1, 2):
        for peer in NATIVE + PYTHON + NODE:
            if (language := language_of(peer)) not in per_us:
                continue
            parts = {"items": items, "workers": workers, "window": WINDOW * workers,
                     "loops": round(per_us[language] * SHORT_US), "long_loops": round(per_us[language] * LONG_US),
                     "long": ",".join(map(str, shuffled))}
            for chunk in ("1", "default") if peer in PYTHON else ("1",):
                cases[workers, peer, chunk] = lambda peer=peer, parts=dict(parts, chunk=chunk): with_makespan(
                    bench.run(peer, "skew", parts), parts["workers"])
    return [dict(zip(("workers", "peer", "chunk"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def with_makespan(found, workers):
    """Of the sum of all items in a loop of the same process, shared evenly among as many processors as workers."""
    if found is not None:
        found["over_ideal"] = found["ns"] * workers / found["alone_ns"]
    return found


def label_of(row):
    return NAMES[row["peer"]] + (", map, default chunks" if row["chunk"] == "default" else "")


def tables_of(found):
    rows = [dict(row, label=label_of(row)) for row in found["rows"]]
    lines = []
    for label in order(rows, "label"):
        line = [label]
        for workers in order(rows, "workers"):
            figures = next((row["figures"] for row in pick(rows, label=label, workers=workers)), {})
            line.append(spread(figures["over_ideal"]) if "over_ideal" in figures else "-")
            line.append(number(figures["short_p99"]["median"] / 1e6) if "short_p99" in figures else "-")
        lines.append(line)
    head = ["peer"]
    for workers in order(rows, "workers"):
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        head += [f"{name}: all, over the ideal", f"{name}: p99 of the short, ms"]
    return table(head, lines)


def plot_of(found):
    bars = {}
    for row in found["rows"]:
        group = f"{row['workers']} worker{'s' if row['workers'] > 1 else ''}"
        bars.setdefault(label_of(row), {})[group] = row["figures"]["over_ideal"]["median"]
    return "One long item in a hundred: makespan over the ideal", "ideal = 1", False, bars
