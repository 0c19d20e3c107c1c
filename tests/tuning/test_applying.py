"""What `apply` does with a run folder that exists; whole trainings are in test_searching.py."""

import pytest

from tuning import applying
from tuning.same_run import check_same_run
from tuning.trials import SearchFolder, SearchTrial
from zoo.errors import ZooError
from zoo.records.run_folder import RunFolder
from zoo.training.run_settings import new_settings

NAME = "perceiver_digits_tiny"
POINT = {
    "overrides": {"num_latents": 8, "max_resolution": (4, 4)},
    "epochs": 3,
    "learning_rate": 0.01,
    "augmentation": {"random_resized_crop": [0.5, 1.0]},
}


def begin_run(path, **settings):
    """Makes the folder of a run that was interrupted before its first checkpoint."""
    settings = {**POINT, **settings}
    given = dict.fromkeys(("data", "weights", "seed", "precision", "skip_corrupt"))
    given |= {key: settings.pop(key) for key in [*given, "overrides"] if key in settings}
    made = new_settings(NAME, given, settings)
    config = {key: getattr(made, key) for key in given}
    return RunFolder.create(path, {"name": NAME, **config, "recipe": made.recipe.to_dict()})


def test_a_run_of_the_same_point_is_the_same_run(tmp_path):
    begin_run(tmp_path / "run")
    check_same_run(tmp_path / "run", NAME, {**POINT, "jit_compile": False, "skip_corrupt": False})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 4}, r"epochs was 3, now 4\. Choose another folder with --out\.$"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"learning_rate": 0.02}, "learning_rate was 0.01, now 0.02"),
        ({"overrides": {"max_resolution": (4, 4)}}, "run: num_latents was 8, now not given"),
        ({"augmentation": {}}, r"run: random_resized_crop was \[0.5, 1.0\], now not given"),
    ],
)
def test_another_run_is_refused_in_one_line(changed, message, tmp_path):
    begin_run(tmp_path / "run")
    with pytest.raises(ZooError, match=message):
        check_same_run(tmp_path / "run", NAME, {**POINT, **changed})


@pytest.mark.parametrize("begun", [False, True])
def test_apply_goes_on_with_the_run_that_it_began(begun, tmp_path, monkeypatch):
    called = {}
    trial = SearchTrial("0", "COMPLETED", {}, overrides={}, recipe={"learning_rate": 0.01})
    settings = {"name": NAME, "data": None, "overrides": {}, "skip_corrupt": False, "epochs": 3}
    SearchFolder(tmp_path / "s").begin(settings)
    monkeypatch.setattr(applying, "chosen_trial", lambda *_: trial)
    monkeypatch.setattr("zoo.training.train.train", lambda name, **given: called.update(given))
    monkeypatch.setattr("zoo.serving.trained_runs.load_run", lambda run: (None, None))
    monkeypatch.setattr(
        "zoo.serving.saved_model.export", lambda entry, path, **given: called.update(given)
    )
    if begun:
        begin_run(tmp_path / "s" / "best", overrides={}, augmentation={})
    _, saved_model = applying.apply(tmp_path / "s")
    assert saved_model == tmp_path / "s" / "best" / "saved_model"
    assert called["resume"] == called["overwrite"] == begun
