"""An HTTP service with a light route and a heavy one: what the light one's requests wait for, wherever the heavy work
is done."""

from peers import NAMES, alternate
from tables import number, order, pick, spread, table

HEAVY_US = 5000
LOAD_PERCENT = 60  # of what the workers can do
PER_SECOND = 3000
PINGS_FOR_MS = 50  # 15,000 by default


def measure(bench, repeats):
    cases = {}
    for workers in (1, 2):
        for peer in ("inline", "threads", "selvage", "threads_slices", "selvage_slices"):
            parts = {"pings": PINGS_FOR_MS * bench.arguments.for_ms, "per_second": PER_SECOND, "workers": workers,
                     "heavy_us": HEAVY_US, "load_percent": LOAD_PERCENT}
            cases[workers, peer] = lambda peer=peer, parts=parts: bench.run(peer, "service", parts)
    return [dict(zip(("workers", "peer"), key), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def tables_of(found):
    parts = []
    for workers in order(found["rows"], "workers"):
        for route, head in (("ping", "/ping"), ("heavy", "the heavy route")):
            lines = []
            for row in pick(found["rows"], workers=workers):
                figures = row["figures"]
                lines.append([NAMES[row["peer"]], *(spread(figures[f"{route}_{part}"], 1e-6)
                                                    for part in ("p50", "p99", "p999")),
                              number(figures[f"{route}_per_second"]["median"]),
                              number(figures[f"{route}_late_p99"]["median"] / 1e6)])
            parts.append(f"{workers} worker{'s' if workers > 1 else ''}, {head}: milliseconds.\n\n"
                         + table(["heavy work", "p50", "p99", "p99.9", "answers a second", "client late, p99"], lines))
    return "\n\n".join(parts)


def plot_of(found):
    bars = {}
    for row in found["rows"]:
        for part, text in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
            group = f"{row['workers']} worker{'s' if row['workers'] > 1 else ''}, {text}"
            bars.setdefault(row["peer"], {})[group] = row["figures"][f"ping_{part}"]["median"] / 1e6
    return "The light route", "ms", True, bars
