"""What an experiment found, as a table."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from zoo.experiments.comparisons import Variant


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


def _cells(findings, varied):
    header = (varied, "images", "test accuracy", "parameters", "multiply-adds", "seconds")
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


def printed_table(findings: list[Finding], title: str, varied: str = "model") -> Table:
    """Returns the table for a terminal; `varied` is what the labels of the variants are."""
    header, rows = _cells(findings, varied)
    table = Table(title=title, title_justify="left")
    for column in header:
        table.add_column(column, justify="left" if column in (varied, "images") else "right")
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(findings: list[Finding], title: str, varied: str = "model") -> str:
    """Returns the table as Markdown; `varied` is what the labels of the variants are."""
    header, rows = _cells(findings, varied)
    lines = [header, ["---"] * len(header), *rows]
    return f"## {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
