"""The report of a search: a picture for people, and a table."""

import csv
import io
from pathlib import Path

from tuning.importance import LEAST_TRIALS, importance, varied
from tuning.parallel_coordinates import BEST_COLOR, draw_parallel
from tuning.trials import SearchFolder, pareto_front, ranked
from zoo.atomic_files import make_folder, replaced_atomically
from zoo.errors import ZooError

COSTS = {"multiply_adds": "multiply-adds for one example or window", "parameters": "parameters"}
_OTHER_COLOR, _FRONT_COLOR = "#4c72b0", "#c1272d"
_TRIALS_FOR_EACH = 5  # hyperparameter, below which their importance is taken with a caveat


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
    make_folder(out.parent)
    _draw(trials, done, settings, cost, out)
    _write_table(trials, out.with_suffix(".csv"))
    return out


def _draw(trials, done, settings, cost, out):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 10), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subfigures(2, 1)
    found = importance(done)
    draw_parallel(top.subplots(), done, settings, found)
    left, middle, right = bottom.subplots(1, 3)
    _draw_costs(left, done, settings, cost)
    _draw_importance(middle, done, found)
    _draw_curves(right, trials, done[0], settings)
    failed = sum(trial.status in ("FAILED", "INVALID") for trial in trials)
    figure.suptitle(
        f"{settings['name']}, {settings['tuner']}: {len(trials)} trials"
        f"{f', {failed} failed' if failed else ''}; "
        f"best {settings['objective']} {done[0].score:.4f} (trial {done[0].trial_id})"
    )
    with replaced_atomically(out) as path:
        figure.savefig(path, dpi=110)


def _draw_costs(axes, done, settings, cost):
    """Draws the score of each trial against its cost, and the Pareto front as steps."""
    known = [trial for trial in done if getattr(trial, cost)]
    axes.set_title("score against cost", fontsize=10)
    if not known:
        _say(axes, "The costs of the trials are not known.")
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
    _scale_costs(axes, [getattr(t, cost) for t in known])
    axes.set_xlabel(COSTS[cost])
    axes.set_ylabel(settings["objective"])
    axes.legend(frameon=False, fontsize=8)


def _scale_costs(axes, costs):
    """Gives the costs an axis with a few labels: logarithmic if they differ tenfold or more."""
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

    least, most = min(costs), max(costs)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if least == most:
        axes.set_xlim(0.5 * least, 1.5 * least)
        axes.set_xticks([least], [f"{least:,}"])
    elif most < 10 * least:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    else:
        axes.set_xscale("log")
        subs = (1.0, 2.0, 5.0) if most < 300 * least else (1.0,)
        axes.xaxis.set_major_locator(LogLocator(subs=subs))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_importance(axes, done, found):
    """Draws a bar for each hyperparameter that varied, and says of how much they are made."""
    axes.set_title("permutation importance", fontsize=10)
    if not found:
        _say(axes, why_no_importance(done))
        return
    names = list(found)[::-1]
    axes.barh([name.replace("_", " ") for name in names], [found[name] for name in names])
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel(f"drop of explained variance\n{made_of(done, len(found))}", fontsize=9)


def why_no_importance(done) -> str:
    """Returns why there is no importance of these completed trials."""
    if not varied(done):
        return "No hyperparameter has more than one value\namong the completed trials."
    return f"It takes {LEAST_TRIALS} completed trials,\nand this search has {len(done)}."


def made_of(done, num_varied: int) -> str:
    """Returns which trials an importance is of, with a caveat where they are few.

    Args:
        done: list of completed `SearchTrial`.
        num_varied: int, hyperparameters that varied among them.
    """
    least, most = (few([trial.epochs for trial in done]) for few in (min, max))
    epochs = f"{least} to {most}" if least < most else f"{most}"
    text = f"of {len(done)} trials of {epochs} {'epoch' if most == 1 else 'epochs'}"
    if len(done) >= _TRIALS_FOR_EACH * num_varied:
        return text
    return f"{text}: few for {num_varied} hyperparameters, no more than a hint"


def _draw_curves(axes, trials, best, settings):
    """Draws the objective of every trial after each epoch."""
    from matplotlib.ticker import MaxNLocator

    name = settings["objective"]
    for trial in trials:
        values = trial.history.get(name, [])
        is_best = trial.trial_id == best.trial_id
        axes.plot(
            range(1, len(values) + 1), values,
            marker="o" if len(values) == 1 else None, markersize=5 if is_best else 3,
            color=BEST_COLOR if is_best else _OTHER_COLOR,
            linewidth=2.5 if is_best else 0.8, alpha=1.0 if is_best else 0.5,
            zorder=3 if is_best else 2, label=f"best, trial {best.trial_id}" if is_best else None,
        )  # fmt: skip
    axes.set_title("learning curves", fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if max(len(trial.history.get(name, [])) for trial in trials) == 1:
        axes.set_xlim(0, 2)
        axes.set_xticks([1])
    axes.legend(frameon=False, fontsize=8)


def _say(axes, text):
    """Writes why a panel is empty, in place of its axes."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, transform=axes.transAxes)


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
