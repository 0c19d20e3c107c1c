"""What an experiment found, as a picture."""

from zoo.experiments.comparisons import ORIGINAL, PERMUTED
from zoo.experiments.report import Finding

_COLOURS = {ORIGINAL: "#8a97a8", PERMUTED: "#c2410c", "": "#0f766e"}


def draw(findings: list[Finding], path, title: str, varied: str = "model") -> None:
    """Writes a PNG: a large dot for the mean of each variant, a small one for each seed.

    Args:
        findings: those that have runs are drawn.
        path: file to write, ending in ".png".
        title: one line above.
        varied: what the labels of the variants are.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    findings = [finding for finding in findings if finding.runs]
    labels = list(dict.fromkeys(finding.variant.label for finding in findings))
    conditions = list(dict.fromkeys(finding.variant.condition for finding in findings))
    several = any(len(finding.values) > 1 for finding in findings)
    figure = Figure(figsize=(8.0, 1.5 + 0.32 * len(labels) * len(conditions)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    height = 0.8 / len(conditions)
    for finding in findings:
        of_condition = conditions.index(finding.variant.condition) - (len(conditions) - 1) / 2
        _draw_finding(axes, finding, labels.index(finding.variant.label) + height * of_condition)
    if several:
        axes.text(1.02, 1.0, "mean", transform=axes.transAxes, va="bottom", fontsize=8)
    _draw_legend(axes, conditions, several)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_ylabel(varied)
    _scale(axes, [value for finding in findings for value in finding.values])
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=150)


def _draw_finding(axes, finding, place):
    """Draws the dots of a variant, with its mean in a column on the right."""
    axes.plot(finding.mean, place, "o", color=_COLOURS[finding.variant.condition], markersize=10)
    if len(finding.values) > 1:
        axes.plot(finding.values, [place] * len(finding.values), "k.", markersize=4)
    right = axes.get_yaxis_transform()
    axes.text(1.02, place, f"{finding.mean:.1%}", transform=right, va="center", fontsize=8)


def _draw_legend(axes, conditions, several):
    """Says which dots are which, unless there is one for each variant."""
    mean = "mean" if several else ""
    for condition in conditions:
        label = ", ".join(word for word in (condition, mean) if word)
        if label:
            axes.plot([], [], "o", color=_COLOURS[condition], markersize=10, label=label)
    if several:
        axes.plot([], [], "k.", markersize=4, label="a single seed")
    if several or conditions != [""]:
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)


def _scale(axes, values):
    """Gives the horizontal axis its limits, ticks and name."""
    from matplotlib.ticker import PercentFormatter

    lowest, highest = min(values), max(values)
    margin = max(0.15 * (highest - lowest), 0.01)
    axes.set_xlim(lowest - margin, highest + margin)
    ticks = [tick for tick in axes.get_xticks() if lowest - margin <= tick <= highest + margin]
    axes.set_xticks([tick for tick in ticks if tick <= 1.0])
    axes.grid(axis="x", color="#e5e7eb")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("test accuracy")
    axes.spines[["top", "right"]].set_visible(False)
