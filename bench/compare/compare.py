#!/usr/bin/env python3
"""Measures Selvage and what a user would pick instead at the same work, in turn: see --help. Called by `./dev compare`.

Each figure is taken by a process of its own; the peers alternate (A B C A B C), and a figure is the median of its
repeats, with the least and the greatest beside it. What a peer cannot do, or what is not installed, is left out and
said.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import peers
import tables
from works import bulk, commands, fan_out, faults, footprint, growth, resume, service, skew, stages, tiny

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def text_of(found):
    """As JSON, a row a line."""
    about = json.dumps({name: value for name, value in found.items() if name != "rows"}, indent=1)
    return about[:-2] + ',\n "rows": [\n' + ",\n".join(json.dumps(row) for row in found["rows"]) + "\n]}\n"


def version(*command):
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return (said.stdout or said.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "not installed"


def machine():
    model = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if "model name" in line]
    return {
        "processor": model[0] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "date": datetime.date.today().isoformat(),
        "commit": version("git", "-C", ROOT, "rev-parse", "--short", "HEAD"),
        "compiler": version("c++", "--version"),
        "python": version("/usr/bin/python3", "--version"),
        "node": version("node", "--version"),
        "parallel": version("parallel", "--version"),
        "xargs": version("xargs", "--version"),
    }


WORKS = {
    "tiny": tiny,
    "bulk": bulk,
    "fan-out": fan_out,
    "skew": skew,
    "faults": faults,
    "commands": commands,
    "resume": resume,
    "service": service,
    "footprint": footprint,
    "growth": growth,
    "stages": stages,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}; none: all of them")
    parser.add_argument("--repeats", type=int, default=7, help="of each figure (7)")
    parser.add_argument("--for-ms", type=int, default=300, help="that a figure takes, about (300)")
    parser.add_argument("--items", type=int, default=5000, help="of the commands (5000)")
    parser.add_argument("--payloads", type=lambda text: text.split(","), default=["empty", "int", "json", "text"],
                        help="of tiny, with commas between (empty,int,json,text)")
    parser.add_argument("--peers", default=ROOT / "build/release/bench/selvage_peers")
    parser.add_argument("--selvage", default=ROOT / "build/release/selvage")
    parser.add_argument("--node-modules", help="the folder in which npm has installed piscina and tinypool")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    parser.add_argument("--document", type=pathlib.Path, default=ROOT / "docs/performance.md")
    arguments = parser.parse_args()
    for name in arguments.works:
        if name not in WORKS:
            parser.error(f"{name} is none of {', '.join(WORKS)}")
    arguments.results.mkdir(parents=True, exist_ok=True)
    for name in arguments.works or WORKS:
        bench = peers.Bench(arguments)
        work = WORKS[name]
        rows = work.measure(bench, arguments.repeats)
        found = {
            "work": name,
            "repeats": arguments.repeats,
            "items": arguments.items,
            "machine": machine(),
            "skipped": bench.skipped,
            "hung": bench.hung,
            "rows": rows,
        }
        (arguments.results / f"{name}.json").write_text(text_of(found), encoding="utf-8")
        plot = work.plot_of(found) if rows else None
        tables.write(found, work.tables_of(found), plot, arguments.document, arguments.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
