"""Tables and plots of what compare.py has measured. Each table goes between its two marks in docs/performance.md; plots
are drawn by gnuplot, where that is installed, as SVG and PNG beside the JSON."""

import shutil
import subprocess

NAMES = {
    "limit": "limit: two words, a bare mailbox",
    "selvage": "**Selvage**",
    "selvage_2": "**Selvage**, two workers",
    "selvage_chunks": "**Selvage**, many items a call",
    "fork": "fork for each",
    "fork_chunks": "fork for each part",
    "pipe": "pipe",
    "socket": "AF_UNIX socket",
    "message_queue": "Boost message_queue",
    "zeromq": "ZeroMQ ipc",
    "threads": "threads (Asio)",
    "openmp": "OpenMP",
    "python_pool": "Python multiprocessing.Pool",
    "python_executor": "Python ProcessPoolExecutor",
    "billiard": "Python billiard",
    "pebble": "Python pebble",
    "node_threads": "Node worker_threads",
    "piscina": "piscina",
    "tinypool": "tinypool",
    "tinypool_processes": "tinypool, processes",
    "xargs": "xargs -P2",
    "parallel": "GNU parallel -j2",
}


def number(value):
    """Three figures, with thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(figure, scale=1.0):
    least, median, greatest = (figure[part] * scale for part in ("least", "median", "greatest"))
    return f"{number(median)} ({number(least)} to {number(greatest)})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def order(rows, key):
    found = []
    for row in rows:
        if row[key] not in found:
            found.append(row[key])
    return found


def pick(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def best(rows, figure, sign):
    """Of the pinnings of one peer."""
    rows = [row for row in rows if figure in row["figures"]]
    return min(rows, key=lambda row: sign * row["figures"][figure]["median"], default=None)


def tiny_tables(rows):
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


def fan_out_tables(rows):
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


def command_tables(rows, items):
    jobs = order(rows, "job")
    lines = []
    for peer in order(rows, "peer"):
        cells = [pick(rows, job=job, peer=peer) for job in jobs]
        lines.append([NAMES[peer], *(spread(cell[0]["figures"]["us_per_item"]) if cell else "-" for cell in cells)])
    return f"{items:,} items, microseconds each.\n\n" + table(["peer", *jobs], lines)


TABLES = {"tiny": tiny_tables, "fan-out": fan_out_tables}


def plot_of(found):
    """Title, label of the axis, whether it is logarithmic, and bars by group and peer."""
    rows = found["rows"]
    if found["work"] == "tiny":
        payload = order(rows, "payload")[-1]
        bars = {}
        for peer in order(rows, "peer"):
            for in_flight in (8, 64, 1024):
                if row := best(pick(rows, payload=payload, in_flight=in_flight, peer=peer), "per_second", -1):
                    bars.setdefault(peer, {})[f"{in_flight} in flight"] = row["figures"]["per_second"]["median"]
        return f"Calls a second, {payload}", "calls/s", True, bars
    if found["work"] == "fan-out":
        bars = {}
        for row in pick(rows, workers=2):
            bars.setdefault(row["peer"], {})[f"{row['length_us']} us"] = 100 * row["figures"]["efficiency"]["median"]
        return "Two workers: percent of the ideal", "%", False, bars
    bars = {}
    for row in rows:
        bars.setdefault(row["peer"], {})[row["job"]] = row["figures"]["us_per_item"]["median"]
    return "Commands: microseconds an item", "us", True, bars


def draw(found, folder):
    if shutil.which("gnuplot") is None or not found["rows"]:
        return
    title, axis, logarithmic, bars = plot_of(found)
    groups = order([{"group": group} for of in bars.values() for group in of], "group")
    lines = ["peer " + " ".join(f'"{group}"' for group in groups)]
    for peer, of in bars.items():
        name = NAMES[peer].replace("**", "")
        lines.append(f'"{name}" ' + " ".join(str(of.get(group, "NaN")) for group in groups))
    data = "\n".join(lines)
    for form, size in (("svg", "1100,520"), ("png", "1100,520")):
        terminal = f"{form} size {size} noenhanced " + ("dynamic background rgb 'white'" if form == "svg" else "")
        script = f"""
set terminal {terminal}
set output '{folder / found['work']}.{form}'
set title '{title}'
set ylabel '{axis}'
{'set logscale y' if logarithmic else ''}
set style data histogram
set style histogram cluster gap 1
set style fill solid border -1
set xtics rotate by -35 left
set grid ytics
set key outside
$data << EOD
{data}
EOD
plot for [i=2:{len(groups) + 1}] $data using i:xtic(1) title columnheader(i)
"""
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def write(found, document, folder):
    draw(found, folder)
    machine = found["machine"]
    text = (f"{machine['date']}, commit {machine['commit']}: {machine['processor']}, {machine['cores']} cores, Linux "
            f"{machine['kernel']}; medians of {found['repeats']} repeats (least to greatest).\n\n"
            + (command_tables(found["rows"], found["items"]) if found["work"] == "commands"
               else TABLES[found["work"]](found["rows"])))
    if found["skipped"]:
        text += "\n\nLeft out: " + "; ".join(f"{peer} ({why})" for peer, why in found["skipped"].items()) + "."
    text += f"\n\n![{found['work']}](../bench/results/{found['work']}.svg)"
    begin, end = f"<!-- compare: {found['work']} -->", f"<!-- end of {found['work']} -->"
    whole = document.read_text(encoding="utf-8")
    before, rest = whole.split(begin, 1)
    after = rest.split(end, 1)[1]
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
