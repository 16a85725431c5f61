"""A pool of two workers that does nothing: processor time, memory, and how soon it gave its first answer."""

import pathlib
import time

from peers import ALONE, NAMES, NODE, PYTHON, alternate
from tables import number, order, pick, spread, table

WORKERS = 2
NATIVE = ["selvage", "selvage_spawn", "threads"]
SETTLE_SECONDS = 0.3  # a pool that was busy a moment ago may still spin


def measure(bench, repeats):
    cases = {(peer,): lambda peer=peer: bench.run(peer, "footprint", {"workers": WORKERS}, look)
             for peer in [ALONE[0], *NATIVE, ALONE[1], *PYTHON, ALONE[2], *NODE]}
    return [{"peer": key[0], "figures": figures} for key, figures in alternate(bench, repeats, cases).items()]


def look(root):
    """At a process and its descendants. The workers are those that have no children."""
    time.sleep(SETTLE_SECONDS)
    tree = tree_of(root)
    before = sum(map(cpu_ns, tree))
    time.sleep(1)
    found = {"cpu_ms": (sum(map(cpu_ns, tree)) - before) / 1e6}
    parents = set(tree.values())
    workers = [pid for pid in tree if pid != root and pid not in parents]
    if workers and len(workers) != WORKERS:
        raise RuntimeError(f"{len(workers)} processes are not {WORKERS} workers")
    try:
        memory = {pid: memory_of(pid) for pid in tree}
    except PermissionError:
        return found  # a supervisor's is for root alone: it is not dumpable
    for kind in ("Pss", "Rss"):
        found[f"{kind}_mib"] = sum(each[kind] for each in memory.values()) / 1024
    if workers:
        for kind in ("Pss", "Rss"):
            found[f"worker_{kind}_mib"] = sum(memory[pid][kind] for pid in workers) / WORKERS / 1024
    return found


def tree_of(root):
    """Returns: the parents, by process."""
    parents = {}
    for each in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (each / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has gone
        parents[int(each.name)] = int(text[text.rindex(")") + 2:].split()[1])
    found = {root: parents[root]}
    while more := {pid: parent for pid, parent in parents.items() if parent in found and pid not in found}:
        found.update(more)
    return found


def cpu_ns(pid):
    """Of all its threads. Source: clock_getcpuclockid(3), whose clock this number is."""
    scheduler_time = 2
    return time.clock_gettime_ns((~pid << 3) | scheduler_time)


def memory_of(pid):
    """KiB. Source: Documentation/filesystems/proc.rst, smaps_rollup."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


COLUMNS = [
    # figure, head, scale, whether the spread is told
    ("first_ns", "first answer, ms", 1e-6, True),
    ("cpu_ms", "processor time in an idle second, ms", 1, True),
    ("worker_Pss_mib", "a worker, PSS MiB", 1, False),
    ("worker_Rss_mib", "a worker, RSS MiB", 1, False),
    ("Pss_mib", "all, PSS MiB", 1, False),
    ("Rss_mib", "all, RSS MiB", 1, False),
]


def tables_of(found):
    lines = []
    for peer in order(found["rows"], "peer"):
        figures = pick(found["rows"], peer=peer)[0]["figures"]
        line = [NAMES[peer]]
        for name, _, scale, spreads in COLUMNS:
            if name not in figures:
                line.append("-")
            elif spreads:
                line.append(spread(figures[name], scale))
            else:
                line.append(number(figures[name]["median"] * scale))
        lines.append(line)
    return table(["peer", *(head for _, head, _, _ in COLUMNS)], lines)


def plot_of(found):
    bars = {row["peer"]: {"all of it, PSS": row["figures"]["Pss_mib"]["median"]}
            for row in found["rows"] if "Pss_mib" in row["figures"]}
    return "Two idle workers: memory", "MiB", True, bars
