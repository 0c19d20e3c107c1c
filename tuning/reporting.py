"""The report of a search: a picture for people, and a table."""

import csv
import io
from pathlib import Path

from tuning.importance import coded, importance, varied
from tuning.trials import SearchFolder, pareto_front, ranked
from zoo.atomic_files import replaced_atomically
from zoo.errors import ZooError

COSTS = {"multiply_adds": "multiply-adds for one example or window", "parameters": "parameters"}
_MOST_AXES = 12
_BEST_COLOR, _OTHER_COLOR, _FRONT_COLOR = "#c1272d", "#4c72b0", "#c1272d"


def report(path, out=None, cost: str = "multiply_adds") -> Path:
    """Draws a search as PNG, and writes its trials as a table beside it (.csv).

    The picture has parallel coordinates of the hyperparameters that varied, the score against
    the cost with the Pareto front, the importance of each hyperparameter, and the learning
    curves of all trials.

    Args:
        path: the folder of the search, which may still run.
        out: the PNG to write; "report.png" in the folder by default.
        cost: "multiply_adds" or "parameters".

    Returns:
        `pathlib.Path` of the PNG.

    Raises:
        ZooError: If there is no search or no trial was completed, or a file cannot be written.
    """
    if cost not in COSTS:
        raise ZooError(f"`cost` must be one of {', '.join(COSTS)}. Received: cost={cost!r}.")
    folder = SearchFolder.open(path)
    out = Path(out) if out is not None else folder.path / "report.png"
    if out.suffix != ".png":
        raise ZooError(f"The report must be a .png file. Received: {str(out)!r}.")
    trials, settings = folder.trials(), folder.settings
    done = ranked(trials, settings["direction"])
    if not done:
        raise ZooError(f"A report must have a completed trial. Received: none in {str(path)!r}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    _draw(trials, done, settings, cost, out)
    _write_table(trials, out.with_suffix(".csv"))
    return out


def _draw(trials, done, settings, cost, out):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 10), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subfigures(2, 1)
    _draw_parallel(top.subplots(), done, settings)
    left, middle, right = bottom.subplots(1, 3)
    _draw_costs(left, done, settings, cost)
    _draw_importance(middle, done)
    _draw_curves(right, trials, done[0], settings)
    failed = sum(trial.status in ("FAILED", "INVALID") for trial in trials)
    figure.suptitle(
        f"{settings['name']}, {settings['tuner']}: {len(trials)} trials"
        f"{f', {failed} failed' if failed else ''}; "
        f"best {settings['objective']} {done[0].score:.4f} (trial {done[0].trial_id})"
    )
    with replaced_atomically(out) as path:
        figure.savefig(path, dpi=110)


def _draw_parallel(axes, done, settings):
    """Draws a line for each trial across one vertical axis for each hyperparameter."""
    import matplotlib

    ranking = list(importance(done)) or varied(done)
    names = ranking[:_MOST_AXES]
    objective = settings["objective"]
    columns = {name: coded(done, name) for name in names}
    columns[objective] = [trial.score for trial in done]
    color_map = matplotlib.colormaps["viridis"]
    low, high = min(columns[objective]), max(columns[objective])
    heights = {name: _heights(values) for name, values in columns.items()}
    for i in reversed(range(len(done))):
        share = (columns[objective][i] - low) / (high - low or 1)
        share = share if settings["direction"] == "max" else 1 - share
        axes.plot(
            range(len(columns)),
            [heights[name][i] for name in columns],
            color=_BEST_COLOR if i == 0 else color_map(share),
            linewidth=2.5 if i == 0 else 1,
            alpha=1.0 if i == 0 else 0.6,
            label="best" if i == 0 else None,
        )
    for place, (name, values) in enumerate(columns.items()):
        axes.axvline(place, color="0.8", linewidth=0.8, zorder=0)
        _label_axis(axes, place, name, values, done)
    axes.set_xticks(range(len(columns)), [_two_lines(name) for name in columns], fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(-0.08, 1.08)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _heights(values):
    """Returns values between 0 and 1, equally spaced if they are few, such as choices."""
    levels = sorted(set(values))
    if len(levels) <= 8:
        steps = max(len(levels) - 1, 1)
        return [levels.index(value) / steps for value in values]
    return [(value - levels[0]) / (levels[-1] - levels[0]) for value in values]


def _label_axis(axes, place, name, values, done):
    named = {coded_value: trial.values.get(name) for coded_value, trial in zip(values, done)}  # noqa: B905
    levels = sorted(set(values))
    shown = levels if len(levels) <= 8 else [levels[0], levels[-1]]
    for level, height in dict(zip(values, _heights(values), strict=True)).items():
        if level in shown:
            label = named[level] if isinstance(named[level], str) else f"{level:.4g}"
            label = label.replace("all_but_first_cross_attend", "all but first")
            axes.text(place + 0.03, height, label, fontsize=7, color="0.3", va="center")


def _two_lines(name):
    words = name.split("_")
    half = -(-len(words) // 2)
    return "\n".join(" ".join(part) for part in (words[:half], words[half:]) if part)


def _draw_costs(axes, done, settings, cost):
    """Draws the score of each trial against its cost, and the Pareto front as steps."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    known = [trial for trial in done if getattr(trial, cost)]
    axes.set_title("score against cost", fontsize=10)
    if not known:
        axes.text(0.5, 0.5, "costs are not known", ha="center", transform=axes.transAxes)
        return
    axes.scatter([getattr(t, cost) for t in known], [t.score for t in known], color=_OTHER_COLOR)
    front = pareto_front(known, cost, settings["direction"])
    costs, scores = [getattr(t, cost) for t in front], [t.score for t in front]
    axes.step(costs, scores, where="post", color=_FRONT_COLOR, label="Pareto front")
    axes.scatter(costs, scores, color=_FRONT_COLOR, zorder=3)
    for trial in front:
        axes.annotate(
            trial.trial_id, (getattr(trial, cost), trial.score), fontsize=7,
            xytext=(3, 4), textcoords="offset points",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(COSTS[cost])
    axes.set_ylabel(settings["objective"])
    axes.legend(frameon=False, fontsize=8)


def _draw_importance(axes, done):
    """Draws a bar for each hyperparameter that varied."""
    found = importance(done)
    axes.set_title("permutation importance", fontsize=10)
    if not found:
        axes.text(0.5, 0.5, "too few trials", ha="center", transform=axes.transAxes)
        return
    names = list(found)[::-1]
    axes.barh([name.replace("_", " ") for name in names], [found[name] for name in names])
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("drop of explained variance")


def _draw_curves(axes, trials, best, settings):
    """Draws the objective of every trial after each epoch."""
    name = settings["objective"]
    for trial in trials:
        values = trial.history.get(name, [])
        is_best = trial.trial_id == best.trial_id
        axes.plot(
            range(1, len(values) + 1), values,
            marker="o" if len(values) == 1 else None, markersize=3,
            color=_BEST_COLOR if is_best else _OTHER_COLOR,
            linewidth=2.5 if is_best else 0.8, alpha=1.0 if is_best else 0.5,
            zorder=3 if is_best else 2, label=f"best, trial {best.trial_id}" if is_best else None,
        )  # fmt: skip
    axes.set_title("learning curves", fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=8)


def _write_table(trials, out):
    names = list(dict.fromkeys(name for trial in trials for name in trial.hyperparameters))
    about = ("trial_id", "status", "score", "epochs", "seconds", "parameters", "multiply_adds")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*about, "training_bytes", "stopped", *names])
    for trial in trials:
        row = [getattr(trial, name) for name in (*about, "training_bytes", "stopped")]
        writer.writerow([*row, *(trial.values.get(name) for name in names)])
    with replaced_atomically(out) as path:
        path.write_text(text.getvalue())
