"""Large payloads, one call at a time: what it costs to have bytes somewhere else and back."""

from peers import NAMES, NODE, PINNINGS, PYTHON, alternate
from tables import best, number, order, pick, spread, table

SIZES = {64: "64 B", 1 << 10: "1 KiB", 16 << 10: "16 KiB", 256 << 10: "256 KiB", 1 << 20: "1 MiB", 16 << 20: "16 MiB"}

# Of the pools of other languages, whose processes take most of a figure's time to start.
STRINGS = [1 << 10, 1 << 20]

FORMS = {
    "memcpy": ["bytes", "in_place"],
    "selvage": ["bytes", "string", "in_place"],
    "pipe": ["bytes"],
    "socket": ["bytes"],
    "message_queue": ["bytes"],
    "zeromq": ["bytes"],
    "fork": ["bytes"],
    **{peer: ["bytes", "string"] for peer in PYTHON + NODE},
    "node_threads": ["bytes", "string", "moved"],
    "tinypool_processes": ["string"],  # it carries what JSON can
}

LABELS = {
    ("memcpy", "bytes"): "limit: memcpy, three copies, as many as Selvage makes",
    ("memcpy", "in_place"): "limit: memcpy, one copy; written and read in place",
    ("selvage", "in_place"): "**Selvage**, written and read in place",
    ("node_threads", "moved"): "Node worker_threads, given away and back",
}


def label_of(row):
    key = row["peer"], row["form"]
    if key in LABELS:
        return LABELS[key]
    return f"{NAMES[key[0]]}, {key[1]}" if len(FORMS[key[0]]) > 1 else NAMES[key[0]]


def measure(bench, repeats):
    cases = {}
    for size in SIZES:
        for peer, forms in FORMS.items():
            for form in forms:
                if form == "string" and peer in PYTHON + NODE and size not in STRINGS:
                    continue
                for pinning in pinnings_of(peer):
                    cpu, peer_cpu = PINNINGS[pinning]
                    parts = {"size": size, "form": form, "for_ms": max(1, bench.arguments.for_ms // 5),
                             "cpu": cpu, "peer_cpu": peer_cpu}
                    cases[size, peer, form, pinning] = lambda peer=peer, parts=parts: with_rate(
                        bench.run(peer, "bulk", parts), parts["size"])
    return [dict(zip(("size", "peer", "form", "pinning"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def pinnings_of(peer):
    """On one processor the limit is one process that makes all the copies: two that spin would wait for each other."""
    return ["free"] if peer in [*PYTHON, *NODE, "fork"] else PINNINGS


def with_rate(found, size):
    """GB/s of payload: a byte counts once, however often it is copied."""
    if found is not None:
        found["gb_per_second"] = size / found["mean"]
    return found


def labelled(rows):
    """The limit a second time where its two processes are on two processors, as Selvage's are."""
    for row in rows:
        yield dict(row, label=label_of(row))
        if row["peer"] == "memcpy" and row["pinning"] == "apart":
            yield dict(row, label=label_of(row) + ", on two processors")


def tables_of(found):
    rows = list(labelled(found["rows"]))
    sizes = order(rows, "size")
    times, rates = [], []
    for label in order(rows, "label"):
        cells = [pick(rows, label=label, size=size) for size in sizes]
        quickest = [best(cell, "p50", 1) for cell in cells]
        times.append([label, *(spread(row["figures"]["p50"], 1e-3) if row else "-" for row in quickest)])
        most = [best(cell, "gb_per_second", -1) for cell in cells]
        rates.append([label, *(number(row["figures"]["gb_per_second"]["median"]) if row else "-" for row in most)])
    head = ["peer", *(SIZES[size] for size in sizes)]
    return ("Microseconds a call, p50.\n\n" + table(head, times)
            + "\n\nGB/s, over all calls: each byte of payload counted once.\n\n" + table(head, rates))


def plot_of(found):
    bars = {}
    for row in found["rows"]:
        same = pick(found["rows"], peer=row["peer"], form=row["form"], size=row["size"])
        rate = best(same, "gb_per_second", -1)["figures"]["gb_per_second"]["median"]
        bars.setdefault(label_of(row), {})[SIZES[row["size"]]] = rate
    return "There and back: GB/s", "GB/s", True, bars
