"""Models by their name on the hub: from its cache, and clear words where they cannot be had."""

import huggingface_hub
import pytest
from huggingface_hub import constants

from perceiver_tf.checkpoints import CheckpointError, hub, open_checkpoint


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def fill(cache, *files):
    """Put a model `owner/model` with these files into the cache, and return its folder."""
    model = cache / "models--owner--model"
    folder = model / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("0" * 40)
    for name in files:
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    "tensors",
    [
        "model.safetensors",
        "pytorch_model.bin",
        "model.safetensors.index.json",
        "pytorch_model.bin.index.json",
    ],
)
def test_model_is_taken_from_the_cache_without_a_network(cache, tensors):
    folder = fill(cache, "config.json", tensors)
    assert hub.download("owner/model") == folder


def test_model_that_is_not_in_the_cache_is_an_error(cache):
    with pytest.raises(CheckpointError, match="'owner/other' is neither .* could it be downloaded"):
        open_checkpoint("owner/other")


def test_model_without_tensors_is_an_error(cache):
    fill(cache, "config.json")
    with pytest.raises(CheckpointError, match=r"must have model.safetensors or pytorch_model.bin"):
        hub.download("owner/model")


def test_no_network_is_said(monkeypatch):
    def fail(*_, **__):
        raise ConnectionError("Name or service not known\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    message = r"Name or service not known \(Without a network, give a folder or file here.\)"
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint("owner/model")
