"""Runs one peer once at one piece of work, and alternates several of them."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
NOT_FOR_THIS = 3
MOST_SECONDS = 60  # for one peer, once: the slowest, billiard after a crash, takes 12
HANGS_BORNE = 2  # of one peer: the third is its last

PYTHON = ["python_pool", "python_executor", "billiard", "pebble"]
NODE = ["node_threads", "piscina", "tinypool", "tinypool_processes"]
ALONE = ["alone", "python_alone", "node_alone"]  # programs without a pool

# Of the children, and of the command that measures them: any processor, two of their own, or the same one.
PINNINGS = {"free": (-1, -1), "apart": (0, 1), "together": (0, 0)}

NAMES = {
    "limit": "limit: two words, a bare mailbox",
    "memcpy": "limit: memcpy",
    "selvage": "**Selvage**",
    "selvage_2": "**Selvage**, two workers",
    "selvage_chunks": "**Selvage**, many items a call",
    "selvage_not_ahead": "**Selvage**, nothing posted ahead",
    "selvage_spawn": "**Selvage**, spawn",
    "selvage_library": "**Selvage**, selvage::run",
    "selvage_run": "**Selvage**, selvage run --task",
    "selvage_commands": "**Selvage**, selvage run of commands",
    "files": "a file for each result",
    "inline": "in the handler's thread",
    "fork": "fork for each",
    "fork_chunks": "fork for each part",
    "pipe": "pipe",
    "socket": "AF_UNIX socket",
    "message_queue": "Boost message_queue",
    "zeromq": "ZeroMQ ipc",
    "threads": "threads (Asio)",
    "threads_slices": "threads, slices of 20 ms",
    "selvage_slices": "**Selvage**, slices of 20 ms",
    "openmp": "OpenMP",
    "python_pool": "Python multiprocessing.Pool",
    "python_executor": "Python ProcessPoolExecutor",
    "billiard": "Python billiard",
    "pebble": "Python pebble",
    "node_threads": "Node worker_threads",
    "piscina": "piscina",
    "tinypool": "tinypool",
    "tinypool_processes": "tinypool, processes",
    "alone": "a C++ program alone",
    "python_alone": "Python alone",
    "node_alone": "Node alone",
    "xargs": "xargs -P2",
    "parallel": "GNU parallel -j2",
}


class Bench:
    """Runs one peer once, and keeps what came of it."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.skipped = {}
        self.hung = {}  # how often, by peer

    def command(self, peer, work, parts):
        given = [f"{name}={value}" for name, value in parts.items() if name not in ("cpu", "peer_cpu")]
        pinned = [f"{name}={parts[name]}" for name in ("cpu", "peer_cpu") if name in parts]
        language = language_of(peer)
        if language == "python":
            return ["/usr/bin/python3", HERE / "pools.py", peer, work, *given]
        if language == "node":
            return ["node", HERE / "pools.mjs", peer, work, *given]
        if work == "stages":
            return [pathlib.Path(self.arguments.peers).with_name("selvage_stages"), *given, *pinned]
        return [self.arguments.peers, peer, work, *given, *pinned]

    def run(self, peer, work, parts, look=None):
        """`look`: figures of the process, from outside, while it holds a pool that is ready.

        Returns: the figures, or None where the peer does not do this.
        """
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
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env=environment) as ran:
                hung = threading.Event()
                too_long = threading.Timer(MOST_SECONDS, lambda: (hung.set(), ran.kill()))
                too_long.start()
                try:
                    seen = look(ran.pid) if look and ran.stdout.readline() == "ready\n" else {}
                    out, problems = ran.communicate()
                finally:
                    too_long.cancel()
        except (OSError, RuntimeError) as problem:
            self.skip(peer, str(problem))
            return None
        if hung.is_set():
            self.note_hang(peer, work)
            return None
        if ran.returncode == NOT_FOR_THIS:
            if "slots" not in problems:
                self.skip(peer, problems.strip())
            return None
        if ran.returncode != 0:
            self.skip(peer, f"ended with {ran.returncode}: {problems.strip()[-300:]}")
            return None
        return json.loads(out) | seen

    def note_hang(self, peer, work):
        """That figure is lost, which the tables say; the peer's others are not."""
        self.hung[peer] = self.hung.get(peer, 0) + 1
        print(f"compare: {peer} has hung at {work}: ended after {MOST_SECONDS} s", file=sys.stderr)
        if self.hung[peer] > HANGS_BORNE:
            self.skip(peer, f"hung {self.hung[peer]} times")

    def skip(self, peer, why):
        self.skipped[peer] = why
        print(f"compare: {peer} is left out: {why}", file=sys.stderr)


def loops_per_us(bench):
    """Of the arithmetic in pools.py, pools.mjs and arithmetic.hpp, by language: calibrated once for each of them."""
    found = {}
    for language, peer in (("native", "selvage"), ("python", PYTHON[0]), ("node", NODE[0])):
        loops = 2000 if language == "python" else 200_000
        if figures := bench.run(peer, "fan-out", {"items": 50, "loops": loops, "workers": 1}):
            found[language] = loops / (figures["alone_ns"] / 50 / 1000)
    return found


def language_of(peer):
    if peer in PYTHON or peer == "python_alone":
        return "python"
    return "node" if peer in NODE or peer == "node_alone" else "native"


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
