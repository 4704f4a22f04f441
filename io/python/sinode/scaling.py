"""Scaling plots from benchmark.csv files: seconds, speed-up and efficiency against ranks."""
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from .files import InputError
from .style import INK, line_of, styled


def choose(table, names):
    """The rows of the measurements named, sorted by ranks. Error: there is none of that name."""
    there = list(dict.fromkeys(table["name"]))
    for name in names:
        if name not in there:
            raise InputError(f"no measurement is called {name}; there are {', '.join(there)}", status=2)
    return [(name, np.sort(table[table["name"] == name], order="ranks")) for name in names]


def is_weak(rows):
    """Whether the work (points times batch) grows with the ranks; strong scaling keeps it."""
    work = rows["points"].astype(float) * np.maximum(rows["batch"], 1)
    return bool(np.ptp(work) > 1e-9 * work.max())


def efficiency_of(rows):
    """Relative to the fewest ranks: speed-up over the ideal one, or for growing work the seconds it should have taken."""
    seconds, ranks = rows["seconds_median"], rows["ranks"] / rows["ranks"][0]
    return seconds[0] / seconds if is_weak(rows) else seconds[0] / seconds / ranks


def rows_of(table, names):
    """The table of a study: a list of rows of text, the head first."""
    rows = [["", "ranks", "space", "points", "batch", "seconds", "speed-up", "efficiency"]]
    for name, part in choose(table, names):
        for row, efficiency in zip(part, efficiency_of(part)):
            speed_up = part["seconds_median"][0] / row["seconds_median"]
            rows.append([name, *(str(row[key]) for key in ("ranks", "space", "points", "batch")),
                         f"{row['seconds_median']:.3e}", f"{speed_up:.2f}", f"{100 * efficiency:.0f} %"])
    return rows


@styled
def draw_scaling(table, names):
    """Seconds (with the range of the repetitions), speed-up and efficiency, with the ideal lines."""
    chosen = choose(table, names)
    if all(np.ptp(rows["ranks"]) == 0 for _, rows in chosen):
        raise InputError("all measurements are on the same number of ranks; give the files of several")
    weak = any(is_weak(rows) for _, rows in chosen)
    figure = Figure(figsize=(9.5 if weak else 12.0, 4.2), constrained_layout=True)
    panels = figure.subplots(1, 2 if weak else 3)
    for index, (name, rows) in enumerate(chosen):
        ranks, seconds, style = rows["ranks"], rows["seconds_median"], {**line_of(index), "marker": "os^Dv"[index % 5]}
        spread = np.abs(np.array([seconds - rows["seconds_min"], rows["seconds_max"] - seconds]))
        panels[0].errorbar(ranks, seconds, yerr=np.nan_to_num(spread), capsize=3, label=name, **style)
        ideal = np.full(len(ranks), seconds[0]) if is_weak(rows) else seconds[0] * ranks[0] / ranks
        panels[0].plot(ranks, ideal, color=style["color"], linewidth=1, linestyle=":")
        if not weak:
            panels[1].plot(ranks, seconds[0] / seconds, label=name, **style)
        panels[-1].plot(ranks, 100 * efficiency_of(rows), label=name, **style)
    ranks = np.unique(np.concatenate([rows["ranks"] for _, rows in chosen]))
    panels[0].set(yscale="log", ylabel="seconds (dotted: ideal)")
    if not weak:
        panels[1].plot(ranks, ranks / ranks[0], color=INK, linewidth=1, linestyle=":", label="ideal")
        panels[1].set(yscale="log", ylabel=f"speed-up over {ranks[0]} rank{'s' if ranks[0] > 1 else ''}")
        panels[1].set_yscale("log", base=2)
        panels[1].yaxis.set_major_formatter(ScalarFormatter())
        panels[1].legend()
    panels[-1].axhline(100, color=INK, linewidth=1, linestyle=":")
    panels[-1].set(ylabel="efficiency / %", ylim=(0, max(110, panels[-1].get_ylim()[1])))
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_xticks(ranks)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel="ranks")
        axes.grid(True)
    if weak:
        panels[0].legend()
    return figure
