"""Thousands of commands that end at once: what `selvage run` costs an item, beside xargs and GNU parallel."""

import shutil
import subprocess
import time

from peers import NAMES, alternate
from tables import order, pick, spread, table


def measure(bench, repeats):
    items = bench.arguments.items
    lines = "".join(f"{i}\n" for i in range(items)).encode()
    # The item is one more argument, which neither of them looks at.
    jobs = {"true": ["true"], "1 kB of output": ["sh", "-c", "exec head -c 1000 /dev/zero"]}
    peers = {
        "selvage": [bench.arguments.selvage, "run", "-q", "-j2", "--"],
        "xargs": ["xargs", "-P2", "-n1"],
        "parallel": ["parallel", "-q", "-j2"],
    }

    def run(peer, job):
        command = [*peers[peer], *job]
        if peer in bench.skipped:
            return None
        if shutil.which(command[0]) is None:
            bench.skip(peer, "it is not installed")
            return None
        begin = time.perf_counter()
        ran = subprocess.run(command, input=lines, capture_output=True, check=False)
        took = time.perf_counter() - begin
        if ran.returncode != 0:
            bench.skip(peer, f"ended with {ran.returncode}: {ran.stderr[-300:]}")
            return None
        return {"us_per_item": took * 1e6 / items}

    cases = {(name, peer): lambda peer=peer, job=job: run(peer, job) for name, job in jobs.items() for peer in peers}
    return [dict(zip(("job", "peer"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def tables_of(found):
    rows, items = found["rows"], found["items"]
    jobs = order(rows, "job")
    lines = []
    for peer in order(rows, "peer"):
        cells = [pick(rows, job=job, peer=peer) for job in jobs]
        lines.append([NAMES[peer], *(spread(cell[0]["figures"]["us_per_item"]) if cell else "-" for cell in cells)])
    return f"{items:,} items, microseconds each.\n\n" + table(["peer", *jobs], lines)


def plot_of(found):
    bars = {}
    for row in found["rows"]:
        bars.setdefault(row["peer"], {})[row["job"]] = row["figures"]["us_per_item"]["median"]
    return "Commands: microseconds an item", "us", True, bars
