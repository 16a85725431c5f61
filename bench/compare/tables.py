"""Tables and plots of what has been measured. Each table goes between its two marks in docs/performance.md; plots are
drawn by gnuplot, where that is installed, as SVG and PNG beside the JSON."""

import shutil
import subprocess

from peers import NAMES


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


def draw(found, plot, folder):
    if shutil.which("gnuplot") is None or not found["rows"]:
        return
    title, axis, logarithmic, bars = plot
    groups = order([{"group": group} for of in bars.values() for group in of], "group")
    lines = ["peer " + " ".join(f'"{group}"' for group in groups)]
    for peer, of in bars.items():
        name = NAMES.get(peer, peer).replace("**", "")
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


def write(found, text_of_work, plot, document, folder):
    """`text_of_work`: the tables. `plot`: the title, the label of the axis, whether that is logarithmic, and bars by
    peer, or by what the row is called, and group; None for no plot."""
    if plot is not None:
        draw(found, plot, folder)
    machine = found["machine"]
    text = (f"{machine['date']}, commit {machine['commit']}: {machine['processor']}, {machine['cores']} cores, Linux "
            f"{machine['kernel']}; medians of {found['repeats']} repeats (least to greatest).\n\n"
            + text_of_work)
    if found["skipped"]:
        text += "\n\nLeft out: " + "; ".join(f"{peer} ({why})" for peer, why in found["skipped"].items()) + "."
    for peer, times in found.get("hung", {}).items():
        text += f"\n\n{NAMES[peer]} hung {times} time{'s' if times > 1 else ''}: those figures are of fewer repeats."
    if plot is not None:
        text += f"\n\n![{found['work']}](../bench/results/{found['work']}.svg)"
    begin, end = f"<!-- compare: {found['work']} -->", f"<!-- end of {found['work']} -->"
    whole = document.read_text(encoding="utf-8")
    before, rest = whole.split(begin, 1)
    after = rest.split(end, 1)[1]
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
