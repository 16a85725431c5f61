"""Calls that crash their worker, and calls that hang: what one costs its caller and the others, and how many a second
are survived."""

from peers import NAMES, PYTHON, alternate
from tables import order, pick, spread, table

OTHERS = 32
STORM_PARTS = 20 / 3  # of the time of a figure: two seconds by default


def measure(bench, repeats):
    cases = {}
    stuck = {}

    def run(key, parts):
        found = bench.run(key[-1], "faults", parts)
        if found is not None and "stuck" in found:
            stuck[key] = stuck.get(key, 0) + 1
            return None
        return found

    for fault in ("crash", "hang"):
        for others in (0, OTHERS):
            for peer in ["fork", "selvage", *PYTHON]:
                parts = {"fault": fault, "others": others, "workers": 2 if others else 1,
                         "for_ms": bench.arguments.for_ms}
                key = fault, others, peer
                cases[key] = lambda key=key, parts=parts: run(key, parts)
    storm = {"fault": "storm", "workers": 2, "for_ms": round(bench.arguments.for_ms * STORM_PARTS)}
    for peer in ("fork", "selvage", "selvage_not_ahead"):
        key = "storm", 0, peer
        cases[key] = lambda key=key: run(key, storm)
    return [dict(zip(("fault", "others", "peer"), key), stuck=stuck.get(key, 0), figures=figures)
            for key, figures in alternate(bench, repeats, cases).items()]


def cell(rows, figure, scale=1.0):
    if not rows:
        return "-"
    figures = rows[0]["figures"]
    text = spread(figures[figure], scale) if figure in figures else "never"
    return text + (f"; {rows[0]['stuck']} x no answer at all" if rows[0]["stuck"] and figure != "error_ns" else "")


def tables_of(found):
    rows = found["rows"]
    alone, lost, storm = [], [], []
    for peer in order(rows, "peer"):
        one = {fault: pick(rows, fault=fault, others=0, peer=peer) for fault in ("crash", "hang")}
        if any(one.values()):
            alone.append([NAMES[peer], *(cell(one[fault], figure, 1e-6)
                                         for fault in one for figure in ("error_ns", "next_ns"))])
            lost.append([NAMES[peer], *(cell(pick(rows, fault=fault, others=OTHERS, peer=peer), "lost")
                                        for fault in one)])
        for row in pick(rows, fault="storm", peer=peer):
            figures = row["figures"]
            storm.append([NAMES[peer], spread(figures["crashes_per_second"]), spread(figures["answers_per_second"]),
                          spread(figures["lost"])])
    return "\n\n".join([
        "One worker, one call: milliseconds until its error, and until the answer of the next call.\n\n"
        + table(["peer", "crash: error", "next answer", "hang: error", "next answer"], alone),
        f"Two workers, {OTHERS} other calls in flight: how many of these were lost.\n\n"
        + table(["peer", "crash", "hang"], lost),
        "Two workers, every other call crashes: calls a second, and how many calls ended in another way than they had "
        "to.\n\n" + table(["peer", "crashes", "answers", "ended otherwise"], storm)])


def plot_of(found):
    bars = {}
    for row in pick(found["rows"], others=0):
        if row["fault"] != "storm":
            group = f"{row['fault']}: next answer"
            bars.setdefault(row["peer"], {})[group] = row["figures"]["next_ns"]["median"] / 1e6
    return "From a call that fails to the next answer", "ms", True, bars
