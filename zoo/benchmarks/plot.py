"""Draws the figures of a benchmark."""

_OWN, _OTHER = "#c2410c", "#8a97a8"
_TIME_UNITS = (("ms", 1e-3), ("s", 1.0))
_MEMORY_UNITS = (("MiB", 2**20), ("GiB", 2**30))


def draw_comparison(report: dict, path):
    """Writes a PNG with a bar of time and one of memory for each measured contender.

    Args:
        report: what `perceiver-zoo benchmark --json` writes.
        path: file to write, ending in ".png".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in report["contenders"] if "failure" not in row]
    names = [row["name"] for row in rows]
    colours = [_OWN if name.startswith("this project") else _OTHER for name in names]
    figure = Figure(figsize=(9.0, 1.4 + 0.38 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    time_axes, memory_axes = figure.subplots(1, 2, sharey=True)
    seconds = [row["median_seconds"] for row in rows]
    added = [row["added_bytes"] or 0 for row in rows]
    for axes, values, units, label in (
        (time_axes, seconds, _TIME_UNITS, "median"),
        (memory_axes, added, _MEMORY_UNITS, "above model and weights, peak"),
    ):
        unit, size = fitting(units, values)
        bars = axes.barh(names, [value / size for value in values], color=colours, height=0.7)
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.set_xlabel(f"{unit}, {label}")
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    time_axes.invert_yaxis()
    kind = f"{report['step']}, batch {report['batch_size']}, {report['dtype']}"
    figure.suptitle(f"{report['model']}: {kind}", fontsize=11)
    figure.savefig(path, dpi=150, format="png")


def fitting(units, values):
    """Returns the last of the units, from small to large, that the largest value reaches.

    Args:
        units: tuple of pairs of a name and a size; the first one fits if none does.
        values: list of numbers.
    """
    largest = max(values)
    return next((unit for unit in reversed(units) if unit[1] <= largest), units[0])
