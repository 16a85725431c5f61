"""Many items of one length: what part of the ideal each peer reaches."""

from peers import NAMES, NODE, PYTHON, alternate, language_of, loops_per_us
from tables import order, pick, spread, table

SLOW = ["piscina", "tinypool", "tinypool_processes"]  # an item of 1 us takes them 100

NATIVE = ["selvage", "selvage_chunks", "fork", "fork_chunks", "threads", "openmp"]


def measure(bench, repeats):
    per_us = loops_per_us(bench)
    cases = {}
    for length_us in (1, 10, 100, 1000, 10_000):
        items = int(min(100_000, bench.arguments.for_ms * 1000 / length_us))
        few = items if length_us > 10 else items // 8
        for workers in (1, 2):
            for peer in NATIVE + PYTHON + NODE:
                language = language_of(peer)
                if language not in per_us or peer == "fork" and items > 2000:
                    continue
                parts = {"items": max(few if peer in SLOW else items, 2 * workers), "workers": workers,
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


def tables_of(found):
    rows = found["rows"]
    parts = []
    for workers in order(rows, "workers"):
        lengths = order(rows, "length_us")
        lines = []
        for peer in order(rows, "peer"):
            cells = [pick(rows, workers=workers, peer=peer, length_us=length) for length in lengths]
            if any(cells):
                figures = [spread(cell[0]["figures"]["efficiency"], 100) if cell else "-" for cell in cells]
                lines.append([NAMES[peer], *figures])
        parts.append(f"{workers} worker{'s' if workers > 1 else ''}: percent of the ideal.\n\n"
                     + table(["peer", *(f"{length:,} us" for length in lengths)], lines))
    return "\n\n".join(parts)


def plot_of(found):
    bars = {}
    for row in pick(found["rows"], workers=2):
        bars.setdefault(row["peer"], {})[f"{row['length_us']} us"] = 100 * row["figures"]["efficiency"]["median"]
    return "Two workers: percent of the ideal", "%", False, bars
