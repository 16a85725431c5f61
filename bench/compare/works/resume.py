"""A list whose items are all done, run once more: what it costs to find that out."""

import pathlib
import shutil
import subprocess
import tempfile
import time

from peers import NAMES, alternate
from tables import number, order, pick, spread, table

ITEMS = 100_000
COMMANDS = 5_000  # run first by selvage, for each of which a process is started
JOBS = 500  # run first by GNU parallel


class Lists:
    """The items, what is kept of them, and how each peer goes through them. `folder`: for all that."""

    def __init__(self, bench, folder):
        self.bench, self.folder = bench, folder
        for items in (ITEMS, COMMANDS, JOBS):
            self.file(items).write_text("".join(f"item {i}\n" for i in range(items)), encoding="utf-8")
        self.items = {"selvage_run": ITEMS, "selvage_commands": COMMANDS, "selvage_library": ITEMS, "parallel": ITEMS,
                      "files": ITEMS}
        self.first_us = {}

    def file(self, items):
        return self.folder / f"{items}.txt"

    def log(self):
        return self.folder / "parallel.log"

    def command(self, peer, done):
        if peer in ("selvage_library", "files"):
            kept = self.folder / peer
            kept.mkdir(exist_ok=True)
            return [self.bench.arguments.peers, peer, "resume", f"folder={kept}", f"items={ITEMS}", f"done={int(done)}"]
        if peer == "parallel":
            resumed = ["--joblog", self.log(), "--resume"] if done else []
            return ["parallel", "-q", "-j2", *resumed, "-a", self.file(ITEMS if done else JOBS), "echo"]
        module = pathlib.Path(self.bench.arguments.peers).parent / "libselvage_bench_echo.so"
        job = ["--task", f"{module}:echo"] if peer == "selvage_run" else ["--", "echo", "{}"]
        kept = ["--store", self.folder / "store", "--name", peer, *(["--resume"] if done else [])]
        return [self.bench.arguments.selvage, "run", "-q", "-k", "-j2", *kept, "-a", self.file(self.items[peer]), *job]

    def said(self, peer, done):
        """What the command has to print. GNU parallel keeps no output: it prints nothing."""
        if peer in ("selvage_library", "files"):
            return None
        if peer == "parallel":
            return "" if done else sorted(self.file(JOBS).read_text(encoding="utf-8").splitlines())
        return self.file(self.items[peer]).read_text(encoding="utf-8")

    def run(self, peer, done):
        """Returns: microseconds, or None where the peer does not do this."""
        command = self.command(peer, done)
        if peer in self.bench.skipped:
            return None
        if shutil.which(command[0]) is None:
            self.bench.skip(peer, "it is not installed")
            return None
        begin = time.perf_counter()
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        took = time.perf_counter() - begin
        expected = self.said(peer, done)
        found = sorted(ran.stdout.splitlines()) if isinstance(expected, list) else ran.stdout
        if ran.returncode != 0 or expected is not None and found != expected:
            self.bench.skip(peer, f"ended with {ran.returncode}, or printed something else: {ran.stderr[-300:]}")
            return None
        return took * 1e6

    def log_jobs(self):
        """As GNU parallel would have written it, had it run them all: that takes the better part of an hour."""
        with open(self.log(), "w", encoding="utf-8") as log:
            log.write("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n")
            for i in range(ITEMS):
                log.write(f"{i + 1}\t:\t1700000000.000\t     0.001\t0\t{len(f'item {i}') + 1}\t0\t0\techo item\\ {i}\n")

    def prepare(self):
        self.log_jobs()
        for peer, items in self.items.items():
            first = JOBS if peer == "parallel" else items
            if (took := self.run(peer, False)) is not None:
                self.first_us[peer] = took / first

    def resume(self, peer):
        if (took := self.run(peer, True)) is None:
            return None
        items = self.items[peer]
        return {"seconds": took / 1e6, "us_per_item": took / items, "items": items, "first_us": self.first_us[peer]}


def measure(bench, repeats):
    with tempfile.TemporaryDirectory(prefix="selvage-resume-") as folder:
        lists = Lists(bench, pathlib.Path(folder))
        lists.prepare()
        cases = {(peer,): lambda peer=peer: lists.resume(peer) for peer in lists.items}
        return [{"peer": peer, "figures": figures} for (peer,), figures in alternate(bench, repeats, cases).items()]


def tables_of(found):
    lines = []
    for peer in order(found["rows"], "peer"):
        figures = pick(found["rows"], peer=peer)[0]["figures"]
        lines.append([NAMES[peer], f"{figures['items']['median']:,.0f}", spread(figures["seconds"]),
                      spread(figures["us_per_item"]), number(figures["first_us"]["median"])])
    return ("The command from its start to its end; an item of it; and one of the first run, which was timed once.\n\n"
            + table(["peer", "items", "seconds", "us an item", "first run, us an item"], lines))


def plot_of(found):
    bars = {row["peer"]: {"resumed": row["figures"]["us_per_item"]["median"],
                          "first run": row["figures"]["first_us"]["median"]} for row in found["rows"]}
    return "A list that is done: microseconds an item", "us", True, bars
