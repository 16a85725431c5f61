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
import shutil
import statistics
import subprocess
import sys
import time

import tables

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NOT_FOR_THIS = 3

NATIVE = ["limit", "fork", "pipe", "socket", "message_queue", "zeromq", "selvage", "selvage_2"]
PYTHON = ["python_pool", "python_executor", "billiard", "pebble"]
NODE = ["node_threads", "piscina", "tinypool", "tinypool_processes"]
FAN_OUT = ["selvage", "selvage_chunks", "fork", "fork_chunks", "threads", "openmp"]

# Of the children, and of the command that measures them: any processor, two of their own, or the same one.
PINNINGS = {"free": (None, None), "apart": (0, 1), "together": (0, 0)}


class Bench:
    """Runs one peer once, and keeps what came of it."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.skipped = {}

    def command(self, peer, work, parts):
        given = [f"{name}={value}" for name, value in parts.items() if name not in ("cpu", "peer_cpu")]
        pinned = [f"{name}={parts[name]}" for name in ("cpu", "peer_cpu") if name in parts]
        if peer in PYTHON:
            return ["/usr/bin/python3", HERE / "pools.py", peer, work, *given]
        if peer in NODE:
            return ["node", HERE / "pools.mjs", peer, work, *given]
        return [self.arguments.peers, peer, work, *given, *pinned]

    def run(self, peer, work, parts):
        """Returns: the figures, or None where the peer does not do this."""
        if peer in self.skipped:
            return None
        if peer in PYTHON + NODE and parts.get("cpu", -1) == 0 and parts.get("peer_cpu") == 1:
            return None  # their processes are not pinned apart
        command = self.command(peer, work, parts)
        if peer in PYTHON + NODE and parts.get("cpu", -1) == 0:
            command = ["taskset", "-c", "0", *command]
        modules = pathlib.Path(self.arguments.node_modules or "").resolve()
        environment = dict(os.environ, SELVAGE_NODE_MODULES=str(modules))
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
        except (OSError, subprocess.TimeoutExpired) as problem:
            self.skip(peer, str(problem))
            return None
        if ran.returncode == NOT_FOR_THIS:
            if "slots" not in ran.stderr:
                self.skip(peer, ran.stderr.strip())
            return None
        if ran.returncode != 0:
            self.skip(peer, f"ended with {ran.returncode}: {ran.stderr.strip()[-300:]}")
            return None
        return json.loads(ran.stdout)

    def skip(self, peer, why):
        self.skipped[peer] = why
        print(f"compare: {peer} is left out: {why}", file=sys.stderr)


def show(text):
    """Where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def summary(samples):
    """Of the same figures of several repeats: the median, the least and the greatest of each."""
    return {
        name: {
            "median": statistics.median(each[name] for each in samples),
            "least": min(each[name] for each in samples),
            "greatest": max(each[name] for each in samples),
        }
        for name in samples[0]
    }


def alternate(bench, repeats, cases):
    """`cases`: a function for each key. Returns: summaries by key."""
    samples = {key: [] for key in cases}
    for turn in range(repeats):
        for key, run in cases.items():
            told = f"repeat {turn + 1} of {repeats}: {' '.join(map(str, key))}"
            show(f"compare: {told}")
            if (found := run()) is not None:
                samples[key].append(found)
    show("")
    return {key: summary(each) for key, each in samples.items() if each}


def tiny(bench, repeats):
    cases = {}
    for payload in bench.arguments.payloads:
        for in_flight in (1, 8, 64, 1024):
            for peer in NATIVE + PYTHON + NODE:
                for pinning, (cpu, peer_cpu) in PINNINGS.items():
                    # Pinning matters to one call at a time; with many, both sides have to run at once.
                    if pinning == "together" and in_flight != 1 or peer == "limit" and pinning == "together":
                        continue
                    if peer == "selvage_2" and pinning != "free":
                        continue
                    parts = {"payload": payload, "in_flight": in_flight, "for_ms": bench.arguments.for_ms,
                             "cpu": -1 if cpu is None else cpu, "peer_cpu": -1 if peer_cpu is None else peer_cpu}
                    cases[payload, in_flight, peer, pinning] = (
                        lambda peer=peer, parts=parts: bench.run(peer, "tiny", parts))
    return [dict(zip(("payload", "in_flight", "peer", "pinning"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def fan_out(bench, repeats):
    """Loops are calibrated once for each language, so that an item takes so long there."""
    per_us = {}
    for language, peer in (("native", "selvage"), ("python", PYTHON[0]), ("node", NODE[0])):
        loops = 2000 if language == "python" else 200_000
        if found := bench.run(peer, "fan-out", {"items": 50, "loops": loops, "workers": 1}):
            per_us[language] = loops / (found["alone_ns"] / 50 / 1000)
    cases = {}
    for length_us in (1, 10, 100, 1000, 10_000):
        items = int(min(100_000, bench.arguments.for_ms * 1000 / length_us))
        for workers in (1, 2):
            for peer in FAN_OUT + PYTHON + NODE:
                language = "python" if peer in PYTHON else "node" if peer in NODE else "native"
                if language not in per_us or peer == "fork" and items > 2000:
                    continue
                parts = {"items": max(items, 2 * workers), "workers": workers,
                         "loops": max(1, round(per_us[language] * length_us))}
                cases[length_us, workers, peer] = lambda peer=peer, parts=parts: with_efficiency(
                    bench.run(peer, "fan-out", parts), parts["workers"])
    return [dict(zip(("length_us", "workers", "peer"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def with_efficiency(found, workers):
    """Of a loop over the same items in the same process, on as many processors as there are workers."""
    if found is not None:
        found["efficiency"] = found["alone_ns"] / (found["ns"] * workers)
    return found


def commands(bench, repeats):
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


WORKS = {"tiny": tiny, "fan-out": fan_out, "commands": commands}


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
    parser.add_argument("--results", type=pathlib.Path, default=HERE.parent / "results")
    parser.add_argument("--document", type=pathlib.Path, default=ROOT / "docs/performance.md")
    arguments = parser.parse_args()
    for name in arguments.works:
        if name not in WORKS:
            parser.error(f"{name} is none of {', '.join(WORKS)}")
    arguments.results.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments)
    for name in arguments.works or WORKS:
        rows = WORKS[name](bench, arguments.repeats)
        found = {
            "work": name,
            "repeats": arguments.repeats,
            "items": arguments.items,
            "machine": machine(),
            "skipped": bench.skipped,
            "rows": rows,
        }
        (arguments.results / f"{name}.json").write_text(text_of(found), encoding="utf-8")
        tables.write(found, arguments.document, arguments.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
