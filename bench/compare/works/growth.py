"""Whether what a call costs stays flat: with the calls made before, with the tasks and with the workers of its pool."""

import os

from peers import PINNINGS, alternate
from tables import best, number, order, pick, spread, table

MOST_CALLS = 10_000_000
POINTS = [1000, 10_000, 100_000, 1_000_000, MOST_CALLS]
TASKS = [1, 16, 256, 4096, 65_536]
WORKERS = [1, 2, 4, 8, 16, 64]


def measure(bench, repeats):
    free = {"free": PINNINGS["free"]}
    apart = {"apart": PINNINGS["apart"]} if len(os.sched_getaffinity(0)) > 1 else {}
    cases = {}
    for of, counts, pinnings in (("calls", [MOST_CALLS], apart or free), ("tasks", TASKS, apart or free),
                                 ("workers", WORKERS, free | apart)):
        for most in counts:
            for pinning, (cpu, peer_cpu) in pinnings.items():
                parts = {"of": of, "most": most, "for_ms": bench.arguments.for_ms, "cpu": cpu, "peer_cpu": peer_cpu}
                cases[of, most, pinning] = lambda parts=parts: bench.run("selvage", "growth", parts)
    return [dict(zip(("of", "most", "pinning"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def with_ratios(figures, scale=1.0):
    """Each beside the first."""
    first = figures[0]["median"]
    return [spread(figures[0], scale)] + [f"{spread(each, scale)}, {each['median'] / first:.2f} x"
                                          for each in figures[1:]]


def best_of(found, of):
    """By how many there are."""
    rows = pick(found["rows"], of=of)
    return [best(pick(rows, most=most), "p50", 1) for most in order(rows, "most")]


def by_most(found, of, lines):
    """`lines`: what a line is called, its figure and the scale of that."""
    rows = best_of(found, of)
    return table([of, *(f"{row['most']:,}" for row in rows)],
                 [[name, *with_ratios([row["figures"][figure] for row in rows], scale)]
                  for name, figure, scale in lines])


def of_calls(figures):
    lines = [[name, *with_ratios([figures[f"{figure}_{point}"] for point in POINTS])]
             for name, figure in (("ns a call, mean", "mean"), ("the middle one of each 1,000 calls", "middle"))]
    for process in ("host", "supervisor", "worker"):
        at = [figures[f"{process}_kib_{point}"]["median"] for point in POINTS]
        lines.append([f"{process}, resident MiB", number(at[0] / 1024),
                      *(f"{number(kib / 1024)}, {kib / at[0]:.2f} x" for kib in at[1:])])
    return table(["calls made", *(f"{point:,}" for point in POINTS)], lines)


def tables_of(found):
    parts = [of_calls(row["figures"]) for row in pick(found["rows"], of="calls")]
    one = ("one at a time, p50, ns", "p50", 1)
    built = ("building the pool, ms", "build", 1e-6)
    parts.append(by_most(found, "tasks", [one, ("64 in flight, ns a call", "many", 1), built]))
    parts.append(by_most(found, "workers", [one, ("p99, ns", "p99", 1), ("mean, ns", "mean", 1), built]))
    return "\n\n".join(parts)


def plot_of(found):
    bars = {}
    for row in pick(found["rows"], of="calls"):
        of = {f"point {at + 1}": row["figures"][f"middle_{point}"]["median"] for at, point in enumerate(POINTS)}
        bars["calls made: 1,000 to 10,000,000"] = of
    for of, counts, figure in (("tasks", TASKS, "many"), ("workers", WORKERS, "p50")):
        rows = best_of(found, of)
        bars[f"{of}: {counts[0]:,} to {counts[-1]:,}"] = {
            f"point {at + 1}": row["figures"][figure]["median"] for at, row in enumerate(rows)}
    return "What a call costs as its pool grows", "ns", True, bars
