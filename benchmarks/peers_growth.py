"""Measures how one cross-attend grows with the number of inputs, beside other implementations.

    python benchmarks/peers_growth.py [--sides 32,64,128,256,512,1024] [--rounds 3]
        [--contenders separable,dense,pytorch] [--json growth.json]
        [--plot benchmarks/cross_attention_growth.png]

The cross-attend is that of `peers_cross_attend.py`, forward, batch 1, over images of side x side
pixels. A contender that needs more than the memory limit, or whose first turn takes longer than
the time limit, stops there; larger sides are not tried. Figures are added to those that the JSON
file has from an earlier run; with `--rounds 0` the file is only drawn.
"""

import argparse
import json
import pathlib

from peers_cross_attend import CONTENDERS, contender
from rich.console import Console

from zoo.benchmarks.measuring import measure
from zoo.benchmarks.peers import matrix_products
from zoo.benchmarks.report import progress, rows_of, show, surroundings
from zoo.commands.terminal import write_json

PLOTTED = (("processor_seconds", 1), ("added_bytes", 2**20))
COLOURS = {
    "this project, separable": "#c2410c",
    "this project, folded": "#e8a06a",
    "this project, dense": "#7c5c3e",
    "keras": "#2f7d5b",
    "pytorch": "#2563eb",
    "pytorch_explicit": "#7da3f0",
    "transformers": "#9333ea",
    "lucidrains": "#64748b",
    "krasserm": "#a3a3a3",
}


def measured_sides(sides, names, rounds, limits, out):
    """Yield (side, report) while contenders are left; `limits` are those of `measure`."""
    going = list(names)
    for side in sides:
        sizes = {"num_latents": 512, "latent_channels": 1024, "bands": 64}
        contenders = [contender(name, side=side, gradients=False, **sizes) for name in going]
        around = surroundings()
        products = matrix_products(with_pytorch=False)
        with progress(out) as tell:
            found = measure([*contenders, *products], rounds, tell, **limits)
        report = {**rows_of(found), **around}
        show(out, f"{side} x {side} = {side**2:,} inputs", report)
        yield side, report
        going = [name for name, one in zip(going, found, strict=False) if one.failure is None]
        if not going:
            return


def draw(report, path):
    """Write a PNG of time and memory against the number of inputs, both axes logarithmic.

    The time is that of the processor: other work on the machine bends lines of elapsed time.

    Args:
        report: dict from side (as text) to what `measured_sides` yields for it.
        path: file to write, ending in ".png".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    sides = sorted(map(int, report))
    for name, colour in COLOURS.items():
        rows = {side: _row(report[str(side)], name) for side in sides}
        rows = {side: row for side, row in rows.items() if row is not None}
        for axes, (key, unit) in zip(panels, PLOTTED, strict=True):
            points = [(s**2, row[key] / unit) for s, row in rows.items() if row.get(key)]
            failed = next((row["failure"] for row in rows.values() if "failure" in row), "")
            if points:
                _draw_line(axes, points, name, colour, failed)
    _label(panels[0], sides, "CPU seconds of all threads, median")
    _label(panels[1], sides, "MiB above model and inputs, peak")
    panels[0].legend(frameon=False, fontsize=8)
    figure.suptitle("One cross-attend of 512 latents, 64 bands, float32, forward, batch 1")
    figure.savefig(path, dpi=150, format="png")


def _draw_line(axes, points, name, colour, failed):
    """Draw one contender's line, with the reason why it ends before the others."""
    own = name.startswith("this project")
    style = {"linewidth": 2.4 if own else 1.3, "markersize": 5 if own else 3.5}
    axes.plot(*zip(*points, strict=True), "o-", color=colour, label=name, **style)
    place = {"xytext": (5, 4), "textcoords": "offset points"}
    axes.annotate(failed, points[-1], **place, fontsize=7, color=colour)


def _label(axes, sides, label):
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([side**2 for side in sides], [f"{side}²" for side in sides])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.minorticks_off()
    axes.set_xlabel("inputs (pixels)")
    axes.set_ylabel(label)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)


def _row(report, name):
    return next((row for row in report["contenders"] if row["name"] == name), None)


def _merged(report, side, added):
    """Put the rows of a new report in the place of those of the same contenders."""
    rows = {row["name"]: row for row in report.get(side, {}).get("contenders", [])}
    rows |= {row["name"]: row for row in added["contenders"]}
    report[side] = added | {"contenders": list(rows.values())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", default="32,64,128,256,512,1024")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=3, help="0: only draw what the JSON has")
    parser.add_argument("--memory-limit", type=float, default=9.0, metavar="GIB")
    parser.add_argument("--seconds-limit", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--json", type=pathlib.Path, default="growth.json")
    parser.add_argument("--plot", default="benchmarks/cross_attention_growth.png")
    args = parser.parse_args()
    report = json.loads(args.json.read_text()) if args.json.exists() else {}
    limits = {"memory_limit": int(args.memory_limit * 2**30), "seconds_limit": args.seconds_limit}
    out = Console(width=130, highlight=False)
    if args.rounds:
        sides, names = map(int, args.sides.split(",")), args.contenders.split(",")
        for side, added in measured_sides(sides, names, args.rounds, limits, out):
            _merged(report, str(side), added)
            write_json(str(args.json), report)
    draw(report, args.plot)
    out.print(f"Wrote {args.plot}")


if __name__ == "__main__":
    main()
