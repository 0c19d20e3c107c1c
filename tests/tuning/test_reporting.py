"""What the pictures of a search say; test_cli.py has that they are written."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tuning import reporting
from tuning.parallel_coordinates import draw_parallel, shown_names
from tuning.trials import SearchTrial

SETTINGS = {"objective": "val_accuracy", "direction": "max"}


def trials(number, num_varied=2, epochs=1, cost=1_175_000):
    """Completed trials, the best first."""
    names = [*(f"h{i}" for i in range(num_varied - 2)), "learning_rate", "sharing"]
    return [
        SearchTrial(
            str(i), "COMPLETED", {name: [i, "ab"[i % 2]][name == "sharing"] for name in names},
            score=1 - i / number, multiply_adds=cost + 10_000 * i,
            history={"val_accuracy": [0.1] * epochs},
        )
        for i in range(number)
    ]  # fmt: skip


@pytest.fixture
def axes():
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots()


def x_labels(axes):
    """Returns the extents of the labels of the x axis that are seen, in pixels, by their text."""
    axes.figure.draw_without_rendering()
    low, high = axes.get_xlim()
    seen = [t for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
    return {t.get_text(): t.get_window_extent() for t in seen if t.get_text()}


@pytest.mark.parametrize("span", [1, 2, 9, 30, 2_000])
def test_costs_have_a_few_labels_that_do_not_overlap(span, axes):
    first, last = trials(2)
    costs = [first.multiply_adds, span * first.multiply_adds + 10_000]
    reporting._draw_costs(
        axes,
        [SearchTrial(t.trial_id, t.status, {}, score=t.score, multiply_adds=c)
         for t, c in zip((first, last), costs, strict=True)],
        SETTINGS, "multiply_adds",
    )  # fmt: skip
    extents = sorted(x_labels(axes).values(), key=lambda extent: extent.x0)
    assert 2 <= len(extents) <= 10
    assert all(a.x1 < b.x0 for a, b in zip(extents, extents[1:], strict=False))


def test_one_cost_is_one_label(axes):
    reporting._draw_costs(axes, trials(1), SETTINGS, "multiply_adds")
    assert list(x_labels(axes)) == ["1,175,000"]


def test_trials_of_one_epoch_have_an_axis_of_epochs(axes):
    found = trials(3)
    reporting._draw_curves(axes, found, found[0], SETTINGS)
    assert list(x_labels(axes)) == ["1"] and axes.get_xlim() == (0, 2)


def test_an_importance_that_is_not_there_says_why(axes):
    reporting._draw_importance(axes, trials(6), {})
    assert axes.texts[0].get_text() == "It takes 8 completed trials,\nand this search has 6."
    assert not axes.axison
    same = [SearchTrial(str(i), "COMPLETED", {"a": 1}, score=i) for i in range(9)]
    assert reporting.why_no_importance(same).startswith("No hyperparameter has more than one value")


def test_an_importance_of_few_trials_has_a_caveat(axes):
    reporting._draw_importance(axes, trials(8), {"learning_rate": 0.2, "sharing": 0.1})
    assert "of 8 trials of 1 epoch: few for 2 hyperparameters" in axes.get_xlabel()
    assert reporting.made_of(trials(10, epochs=3), 2) == "of 10 trials of 3 epochs"


def test_axes_that_are_left_out_are_told_and_the_usual_ones_come_first():
    names, caption = shown_names(trials(4, num_varied=20), {})
    assert len(names) == 12 and names[0] == "learning_rate"
    assert caption.startswith("12 of 20 hyperparameters that varied; all are in the table")
    known = {f"h{17 - i}": 1.0 for i in range(18)} | {"learning_rate": 0.1, "sharing": 0.0}
    names, caption = shown_names(trials(8, num_varied=20), known)
    assert names == list(known)[:12]
    assert caption.startswith("the 12 most important of 20")
    assert shown_names(trials(4), {}) == (
        ["learning_rate", "sharing"],
        "all hyperparameters that varied",
    )


def test_values_are_written_over_the_lines_on_white(axes):
    draw_parallel(axes, trials(4), SETTINGS, {})
    highest = max(line.get_zorder() for line in axes.lines)
    assert len(axes.texts) == 4 + 2 + 4
    assert all(text.get_zorder() > highest and text.get_bbox_patch() for text in axes.texts)
