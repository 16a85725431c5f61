"""The smallest call: latency with one at a time, throughput with several in flight."""

from peers import NAMES, NODE, PINNINGS, PYTHON, alternate
from tables import best, number, order, pick, spread, table

NATIVE = ["limit", "fork", "pipe", "socket", "message_queue", "zeromq", "selvage", "selvage_2"]


def measure(bench, repeats):
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
                             "cpu": cpu, "peer_cpu": peer_cpu}
                    cases[payload, in_flight, peer, pinning] = (
                        lambda peer=peer, parts=parts: bench.run(peer, "tiny", parts))
    return [dict(zip(("payload", "in_flight", "peer", "pinning"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def tables_of(found):
    rows = found["rows"]
    parts = []
    for payload in order(rows, "payload"):
        one = []
        for peer in order(rows, "peer"):
            row = best(pick(rows, payload=payload, in_flight=1, peer=peer), "p50", 1)
            if row:
                figures = row["figures"]
                one.append([NAMES[peer], spread(figures["p50"], 1e-3), number(figures["p99"]["median"] / 1e3),
                            number(figures["p999"]["median"] / 1e3), row["pinning"]])
        parts.append(f"One call at a time, {payload}: microseconds.\n\n"
                     + table(["peer", "p50", "p99", "p99.9", "processors"], one))
        many = []
        for peer in order(rows, "peer"):
            cells = [best(pick(rows, payload=payload, in_flight=n, peer=peer), "per_second", -1) for n in (8, 64, 1024)]
            if any(cells):
                figures = [spread(cell["figures"]["per_second"], 1e-3) if cell else "-" for cell in cells]
                many.append([NAMES[peer], *figures])
        parts.append(f"Several calls in flight, {payload}: thousands a second.\n\n"
                     + table(["peer", "8", "64", "1,024"], many))
    return "\n\n".join(parts)


def plot_of(found):
    rows = found["rows"]
    payload = order(rows, "payload")[-1]
    bars = {}
    for peer in order(rows, "peer"):
        for in_flight in (8, 64, 1024):
            if row := best(pick(rows, payload=payload, in_flight=in_flight, peer=peer), "per_second", -1):
                bars.setdefault(peer, {})[f"{in_flight} in flight"] = row["figures"]["per_second"]["median"]
    return f"Calls a second, {payload}", "calls/s", True, bars
