"""What an experiment found: a table for reading, a picture for looking."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from zoo.experiments.comparisons import ORIGINAL, PERMUTED, Variant

_COLOURS = {ORIGINAL: "#8a97a8", PERMUTED: "#c2410c", "": "#0f766e"}


@dataclass
class Finding:
    """A variant and the figures of its runs so far.

    Attributes:
        variant: `zoo.experiments.comparisons.Variant`.
        multiply_adds: int for one example.
        runs: list of what `zoo.experiments.run_series.trained_once` returns, one for each seed.
    """

    variant: Variant
    multiply_adds: int
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """The test figure of each seed."""
        return [run["test"] for run in self.runs]

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds, 0 for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


def report_rows(findings: list[Finding]) -> list[dict[str, Any]]:
    """Returns one dict of plain values for each variant that has a run."""
    return [
        {
            "label": finding.variant.label,
            "condition": finding.variant.condition,
            "mean": finding.mean,
            "spread": finding.spread,
            "values": finding.values,
            "parameters": finding.runs[0]["parameters"],
            "multiply_adds": finding.multiply_adds,
            "train_seconds": statistics.mean(run["train_seconds"] for run in finding.runs),
            "epochs": finding.runs[0]["epochs"],
        }
        for finding in findings
        if finding.runs
    ]


def _cells(findings):
    header = ("", "images", "test accuracy", "parameters", "multiply-adds", "seconds")
    rows = []
    for row in report_rows(findings):
        spread = f" ± {row['spread']:.2%}" if len(row["values"]) > 1 else ""
        rows.append(
            (
                row["label"],
                row["condition"],
                f"{row['mean']:.2%}{spread}",
                f"{row['parameters']:,}",
                f"{row['multiply_adds'] / 1e6:,.1f} M",
                f"{row['train_seconds']:.0f}",
            )
        )
    shown = [i for i in range(len(header)) if any(row[i] for row in rows)]
    return [header[i] for i in shown], [[row[i] for i in shown] for row in rows]


def printed_table(findings: list[Finding], title: str) -> Table:
    """Returns the table for a terminal."""
    header, rows = _cells(findings)
    table = Table(title=title, title_justify="left")
    for column in header:
        table.add_column(column, justify="left" if column in ("", "images") else "right")
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(findings: list[Finding], title: str) -> str:
    """Returns the table as Markdown."""
    header, rows = _cells(findings)
    lines = [header, ["---"] * len(header), *rows]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def draw(findings: list[Finding], path, title: str) -> None:
    """Writes a PNG: a large dot for the mean of each variant, a small one for each seed.

    Args:
        findings: those that have runs are drawn.
        path: file to write, ending in ".png".
        title: one line above.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    findings = [finding for finding in findings if finding.runs]
    labels = list(dict.fromkeys(finding.variant.label for finding in findings))
    conditions = list(dict.fromkeys(finding.variant.condition for finding in findings))
    figure = Figure(figsize=(8.0, 1.2 + 0.32 * len(labels) * len(conditions)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    height = 0.8 / len(conditions)
    for finding in findings:
        variant = finding.variant
        place = labels.index(variant.label) + height * (
            conditions.index(variant.condition) - (len(conditions) - 1) / 2
        )
        colour = _COLOURS[variant.condition]
        axes.plot(finding.mean, place, "o", color=colour, markersize=10)
        if len(finding.values) > 1:
            axes.plot(finding.values, [place] * len(finding.values), "k.", markersize=4)
        axes.annotate(
            f"{finding.mean:.1%}",
            (max(finding.values), place),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    if conditions != [""]:
        for condition in conditions:
            axes.plot([], [], "o", color=_COLOURS[condition], label=condition)
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    lowest = min(min(finding.values) for finding in findings)
    highest = max(max(finding.values) for finding in findings)
    margin = max(0.15 * (highest - lowest), 0.01)
    axes.set_xlim(lowest - margin, highest + 2 * margin)
    axes.set_xticks([tick for tick in axes.get_xticks() if lowest - margin <= tick <= 1.0])
    axes.grid(axis="x", color="#e5e7eb")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("test accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=150)
