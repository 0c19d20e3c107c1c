"""A tiny model that learns which way a dot moves, from arrays to the served model."""

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

import zoo
from zoo.serving.endpoints import open_endpoints

SMALL = {
    "num_latents": 4,
    "latent_channels": 32,
    "num_self_attends_per_block": 1,
    "num_cross_attends": 1,
    "num_cross_attention_heads": 1,
    "cross_attention_qk_channels": 16,
    "cross_attention_v_channels": 32,
    "num_self_attention_heads": 2,
    "latent_init_scale": 0.1,
    "dropout": 0.0,
    "num_frames": 4,
    "frame_shape": (6, 8, 1),
    "patch": (2, 6, 2),
    "max_resolution": (2, 1, 4),
    "crop_area": None,
}


def write_dots(path, random, count):
    """Bright columns that go from one side to the other in four of five frames, by chance."""
    video = np.zeros((count, 4, 6, 8), np.uint8)
    to_the_right = np.arange(count) % 2
    for one, right in zip(video, to_the_right, strict=True):
        start = random.integers(0, 2)
        for frame in range(4):
            column = start + 2 * frame
            one[frame, :, min(column if right else 7 - column, 7)] = random.integers(150, 255)
    names = np.array(["left", "right"])
    np.savez(path, video=video, label=to_the_right, names=names, test=np.arange(count) % 4 < 2)
    return video, to_the_right


@pytest.mark.slow
def test_a_tiny_classifier_learns_which_way_a_dot_moves(tmp_path, random, monkeypatch):
    video, to_the_right = write_dots(tmp_path / "dots.npz", random, 128)
    monkeypatch.chdir(tmp_path)
    result = zoo.train(
        "perceiver_depth_actions_small",
        data="dots.npz:label=label",
        out=tmp_path / "run",
        overrides=SMALL,
        epochs=15,
        batch_size=16,
        learning_rate=5e-3,
        console=Console(file=io.StringIO()),
    )
    assert result.headline == "accuracy" and result.num_test_examples == 64
    assert result.test_figures["accuracy"] > 0.9
    # The run knows its data from everywhere.
    written = json.loads((tmp_path / "run/config.json").read_text())
    assert written["data"] == f"{tmp_path / 'dots.npz'}:label=label"
    endpoints = open_endpoints(tmp_path / "run").endpoints
    served = endpoints["classify_video"](video=tf.constant(video[:16, ..., None]))
    names = np.where(to_the_right[:16] == 1, b"right", b"left")
    assert np.mean(served["label"].numpy() == names) > 0.8
