"""Parallel coordinates: a line for each trial across an axis for each hyperparameter."""

from tuning.importance import coded, varied

BEST_COLOR = "#c1272d"
_MOST_AXES, _MOST_LABELS = 12, 8
_FIRST = ("learning_rate", "optimizer", "batch_size")  # where no importance is known


def draw_parallel(axes, done, settings, importance):
    """Draws the completed trials, the better the brighter, and the best in red.

    Args:
        axes: `matplotlib.axes.Axes`.
        done: list of completed `SearchTrial`, the best first.
        settings: dict, contents of the search's search.json.
        importance: dict, see `tuning.importance.importance`; empty if it is not known.
    """
    names, caption = shown_names(done, importance)
    columns = {name: coded(done, name) for name in names}
    columns[settings["objective"]] = [trial.score for trial in done]
    _draw_lines(axes, columns, settings)
    for place, (name, values) in enumerate(columns.items()):
        axes.axvline(place, color="0.8", linewidth=0.8, zorder=0)
        _label_axis(axes, place, name, values, done)
    axes.set_title(caption, fontsize=10)
    axes.set_xticks(range(len(columns)), [_two_lines(name) for name in columns], fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(-0.08, 1.08)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def shown_names(done, importance) -> tuple[list[str], str]:
    """Returns the hyperparameters that have an axis, and a caption that says which they are.

    Args:
        done, importance: see `draw_parallel`.
    """
    ranking, every = list(importance), varied(done)
    if len(every) <= _MOST_AXES:
        return ranking or every, "all hyperparameters that varied"
    if ranking:
        which = f"the {_MOST_AXES} most important"
    else:
        ranking = [n for n in _FIRST if n in every] + [n for n in every if n not in _FIRST]
        which = f"{_MOST_AXES}"
    caption = f"{which} of {len(every)} hyperparameters that varied; all are in the table (.csv)"
    return ranking[:_MOST_AXES], caption


def _draw_lines(axes, columns, settings):
    import matplotlib

    scores = columns[settings["objective"]]
    low, high = min(scores), max(scores)
    heights = [_heights(values) for values in columns.values()]
    color_map = matplotlib.colormaps["viridis"]
    for i in reversed(range(len(scores))):
        share = (scores[i] - low) / (high - low or 1)
        share = share if settings["direction"] == "max" else 1 - share
        axes.plot(
            range(len(columns)),
            [values[i] for values in heights],
            color=BEST_COLOR if i == 0 else color_map(share),
            linewidth=2.5 if i == 0 else 1,
            alpha=1.0 if i == 0 else 0.6,
            label="best" if i == 0 else None,
        )


def _heights(values):
    """Returns values between 0 and 1, equally spaced if they are few, such as choices."""
    levels = sorted(set(values))
    if len(levels) <= _MOST_LABELS:
        steps = max(len(levels) - 1, 1)
        return [levels.index(value) / steps for value in values]
    return [(value - levels[0]) / (levels[-1] - levels[0]) for value in values]


def _label_axis(axes, place, name, values, done):
    """Writes the values beside their axis, on white, so that no line goes through them."""
    named = {value: trial.values.get(name) for value, trial in zip(values, done, strict=True)}
    levels = sorted(named)
    shown = levels if len(levels) <= _MOST_LABELS else [levels[0], levels[-1]]
    white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 0.8}
    for level, height in dict(zip(values, _heights(values), strict=True)).items():
        if level in shown:
            label = named[level] if isinstance(named[level], str) else f"{level:.4g}"
            label = label.replace("all_but_first_cross_attend", "all but first")
            axes.text(
                place + 0.06, height, label, fontsize=7.5, va="center", zorder=5, bbox=white
            )  # fmt: skip


def _two_lines(name):
    words = name.split("_")
    half = -(-len(words) // 2)
    return "\n".join(" ".join(part) for part in (words[:half], words[half:]) if part)
