"""The README tells the truth about what can be run and how large the models are."""

import pathlib
import re

import numpy as np
import pytest

from tuning.cli import build_parser as build_tune_parser
from zoo.cli import build_parser
from zoo.configs import MODELS

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TUNING = README + (ROOT / "tuning" / "README.md").read_text()


def test_readme_lists_every_model_with_its_count():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", README, re.MULTILINE))
    assert rows == {name: f"{config.parameters:,}" for name, config in MODELS.items()}


def test_readme_example_of_reuse_runs(random):
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    values = {
        "x_train": random.normal(size=(20, 32, 32, 3)).astype("float32"),
        "y_train": np.arange(20) % 5,
    }
    exec(example, values)
    assert values["model"].predict(values["x_train"][:2], verbose=0).shape == (2, 5)


@pytest.mark.parametrize("line", re.findall(r"^perceiver-zoo (.*)$", README, re.MULTILINE))
def test_readme_commands_are_accepted(line):
    build_parser().parse_args(line.split())


@pytest.mark.parametrize("line", re.findall(r"^perceiver-tune (.*)$", TUNING, re.MULTILINE))
def test_tuning_commands_are_accepted(line):
    build_tune_parser().parse_args(line.split())
