import pytest

import zoo
from zoo.errors import ZooError
from zoo.serving.model_file import load_model_file, save_model_file

SMALL = {"num_latents": 2, "latent_channels": 8, "num_self_attends_per_block": 1}
SMALL |= {"num_self_attention_heads": 1, "num_cross_attends": 1}


@pytest.fixture
def saved(tmp_path):
    """Writes a small model of a name; returns its file."""

    def save(name):
        model = zoo.build_model(zoo.configuration(name, **SMALL))
        save_model_file(model, tmp_path / "model.keras", name, SMALL)
        return tmp_path / "model.keras"

    return save


@pytest.mark.parametrize("name", ["perceiver_spoken_digits_raw", "perceiver_actions_small"])
def test_sounds_and_videos_may_be_cut_into_other_windows(name, saved):
    path = saved(name)
    for changes, num_windows in (({}, 2), ({"num_windows": 5}, 5)):
        entry, _ = load_model_file(path, changes)
        assert entry.config.num_windows == num_windows
        specs = entry.pipeline.preprocess.signature.values()
        assert {spec.shape[0] for spec in specs} == {num_windows}


def test_what_decided_the_training_is_not_changed(saved):
    path = saved("perceiver_modelnet10_small")
    with pytest.raises(ZooError, match="Received: num_points; of this model none can be"):
        load_model_file(path, {"num_points": 9})
