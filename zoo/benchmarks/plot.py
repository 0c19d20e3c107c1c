"""Draws the figures of a benchmark."""

_OWN, _OTHER = "#c2410c", "#8a97a8"


def draw_comparison(report: dict, path):
    """Writes a PNG with a bar of time and one of memory for each measured contender.

    Args:
        report: what `perceiver-zoo benchmark --json` writes.
        path: file to write, ending in ".png".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in report["contenders"] if "failure" not in row]
    names = [row["name"] for row in rows]
    colours = [_OWN if name.startswith("this project") else _OTHER for name in names]
    figure = Figure(figsize=(9.0, 1.4 + 0.38 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    time_axes, memory_axes = figure.subplots(1, 2, sharey=True)
    seconds = [row["median_seconds"] for row in rows]
    gibibytes = [(row["added_bytes"] or 0) / 2**30 for row in rows]
    for axes, values, label in (
        (time_axes, seconds, "seconds, median"),
        (memory_axes, gibibytes, "GiB above model and weights, peak"),
    ):
        bars = axes.barh(names, values, color=colours, height=0.7)
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axes.set_xlabel(label)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    time_axes.invert_yaxis()
    kind = f"{report['step']}, batch {report['batch_size']}, {report['dtype']}"
    figure.suptitle(f"{report['model']}: {kind}", fontsize=11)
    figure.savefig(path, dpi=150, format="png")
