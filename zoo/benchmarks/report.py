"""The report of a benchmark: its rows, the machine around it, and how they are printed."""

import importlib.metadata
import platform
import statistics
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.benchmarks import measuring
from zoo.benchmarks.measuring import Measured
from zoo.benchmarks.peers import PRODUCTS
from zoo.errors import ZooError

_PACKAGES = ("tensorflow", "keras", "torch", "transformers", "perceiver-pytorch", "perceiver-io")
_HEADINGS = ("median", "min", "ratio", "CPU time", "ratio", "added", "peak", "rate", "by CPU")


def rows_of(found: list[Measured]) -> dict[str, Any]:
    """Returns the part of a report that was measured.

    Args:
        found: the contenders, ratios being to the first that was measured, and after them
            `zoo.benchmarks.peers.matrix_products` of the same run.

    Returns:
        dict of `contenders` (a dict each; only name and `failure` of one that failed),
        `ratio_to`, `multiply_adds_per_second` (the rate of the matrix products), and the same
        of PyTorch's, `pytorch_multiply_adds_per_second`, or None.

    Raises:
        ZooError: if no contender, or not the matrix products, could be measured.
    """
    products = [one for one in found if one.name.endswith(PRODUCTS)]
    contenders = [one for one in found if one not in products]
    measured = [one for one in contenders if one.failure is None]
    if not measured or products[0].failure is not None:
        reasons = "; ".join(f"{one.name}: {one.failure}" for one in found if one.failure)
        raise ZooError(f"Nothing could be measured. {reasons}")
    rates = [one.multiply_adds / one.median for one in products if one.failure is None]
    return {
        "contenders": [_figures(one, measured[0], products[0]) for one in contenders],
        "ratio_to": measured[0].name,
        "multiply_adds_per_second": rates[0],
        "pytorch_multiply_adds_per_second": rates[1] if len(rates) > 1 else None,
    }


def _figures(measured: Measured, reference: Measured, rate: Measured) -> dict[str, Any]:
    """Returns a row of the report; only name and reason if the contender was not measured."""
    if measured.failure is not None:
        return {"name": measured.name, "failure": measured.failure}
    return {
        "name": measured.name,
        "note": measured.note,
        "median_seconds": measured.median,
        "min_seconds": min(measured.seconds),
        "ratio": measuring.ratio(measured, reference),
        "processor_seconds": statistics.median(measured.processor_seconds),
        "processor_ratio": measuring.ratio(measured, reference, "processor_seconds"),
        "loaded_bytes": measured.loaded_bytes,
        "peak_bytes": measured.peak_bytes,
        "added_bytes": measured.added_bytes,
        "multiply_adds": measured.multiply_adds,
        "fraction_of_rate": measuring.fraction_of_rate(measured, rate),
        "processor_fraction_of_rate": measuring.fraction_of_rate(
            measured, rate, "processor_seconds"
        ),
        "seconds_by_round": measured.seconds,
    }


def surroundings() -> dict[str, Any]:
    """Returns the machine as it is now, and the versions of what the contenders use."""
    return {"hardware": measuring.hardware(), "versions": _versions()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def show(out: Console, title: str, report: dict[str, Any]) -> None:
    """Prints a report as a table, with the machine below it."""
    out.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("contender", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    measured = [row for row in report["contenders"] if "failure" not in row]
    for row in measured:
        cells = [_duration(row["median_seconds"]), _duration(row["min_seconds"])]
        cells += [f"{row['ratio']:.2f}", _duration(row["processor_seconds"])]
        cells += [f"{row['processor_ratio']:.2f}", _mebibytes(row["added_bytes"])]
        cells += [_mebibytes(row["peak_bytes"]), _percent(row["fraction_of_rate"])]
        cells += [_percent(row["processor_fraction_of_rate"])]
        table.add_row(Text(row["name"]), *cells)
    out.print(table)
    for row in measured:
        if row["note"]:
            out.print(Text(f"{row['name']}: {row['note']}", style="dim"), soft_wrap=True)
    show_failures(out, report)
    rate = 2 * report["multiply_adds_per_second"] / 1e9
    told = f"Rate: of the float32 matrix products of the same rounds, {rate:.0f} GFLOP/s"
    if report["pytorch_multiply_adds_per_second"] is not None:
        rate = 2 * report["pytorch_multiply_adds_per_second"] / 1e9
        told += f" (the same products by PyTorch: {rate:.0f})"
    out.print(f"{told}.")
    out.print(
        f"Ratio: to {report['ratio_to']}. CPU time: of all threads; it hardly depends on other "
        "work on the machine."
    )
    out.print("Added: peak memory above the process with model and weights loaded. Peak: all.")
    hardware = report["hardware"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    machine = f"{hardware['cores']} cores of {hardware['processor']}, load {hardware['load']}"
    out.print(Text(f"{machine} at the start; {versions}"))


def show_failures(out: Console, report: dict[str, Any]) -> None:
    """Prints a line for each contender that was not measured: why."""
    for row in report["contenders"]:
        if "failure" in row:
            out.print(Text(f"Not measured: {row['name']}: {row['failure']}"), soft_wrap=True)


@contextmanager
def progress(out: Console):
    """Yields a function that shows progress: in place, or a line for each stage in a pipe."""
    if out.is_terminal:
        with out.status("starting") as status:
            yield lambda text: status.update(Text(text))
        return
    stages = []

    def tell(text: str) -> None:
        stage = text.split(":")[0]
        if stage not in stages:
            stages.append(stage)
            out.print(Text(stage))

    yield tell


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 10 else f"{1e3 * seconds:.1f} ms"


def _mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:,.0f} MiB"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction:.0%}"
