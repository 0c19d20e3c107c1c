"""What is served of the autoencoder of clips, and its predictions for files."""

import dataclasses
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from zoo.entry import Entry
from zoo.errors import ZooError
from zoo.multimodal.configs import MULTIMODAL_MODELS
from zoo.multimodal.models import multimodal_autoencoder
from zoo.multimodal.pictures import clip_sheet
from zoo.multimodal.pipeline import ClipPipeline
from zoo.multimodal.predict import predict_clips
from zoo.multimodal.preprocess import ClipPreprocess
from zoo.multimodal.served import ServedAutoencoder
from zoo.serving.endpoints import endpoints_of, open_endpoints
from zoo.serving.saved_model import export

NAMES = tuple("abcdefghij")


def small_entry(**changes):
    tiny = MULTIMODAL_MODELS["perceiver_io_multimodal_tiny"]
    architecture = dataclasses.replace(tiny.architecture, num_latents=4, latent_channels=8)
    settings = {"image_shape": (2, 24, 28, 1), "num_audio_samples": 4000, "frame_rate": 4.0}
    settings |= {"image_patch": (1, 12, 14), "image_output_patch": (2, 4, 7), "audio_patch": 500}
    config = dataclasses.replace(tiny, architecture=architecture, **(settings | changes))
    model = multimodal_autoencoder(config)
    pipeline = ClipPipeline(config, "nowhere.npz+nowhere")
    pipeline.class_names = NAMES
    return Entry(name="small", config=config, model=model, pipeline=pipeline)


@pytest.fixture(scope="module")
def entry():
    return small_entry(num_image_points=3)


@pytest.fixture(scope="module")
def served(entry):
    return endpoints_of(entry)


def raw_clip(random, batch_size=2, num_frames=2, num_samples=4000):
    return {
        "video": random.integers(0, 255, (batch_size, num_frames, 30, 41, 3)).astype("uint8"),
        "audio": random.uniform(-1, 1, (batch_size, num_samples)).astype("float32"),
    }


def test_served_model_reconstructs_as_the_model_does(entry, served, random):
    clip = raw_clip(random)
    outputs = served["reconstruct"](**clip)
    shapes = {name: (tuple(x.shape), x.dtype.name) for name, x in outputs.items()}
    assert shapes == {
        "video": ((2, 2, 24, 28, 1), "uint8"),
        "audio": ((2, 4000), "float32"),
        "scores": ((2, 10), "float32"),
        "label": ((2,), "string"),
    }
    preprocess = entry.pipeline.preprocess
    inputs = {
        "image": preprocess.image(tf.constant(clip["video"])).numpy(),
        "audio": clip["audio"][..., None],
        "image_points": np.array([[3, 0, 5], [1, 2, 2]]),
    }
    expected = entry.model(inputs)
    np.testing.assert_allclose(
        outputs["audio"], np.clip(expected["audio"][..., 0], -1, 1), atol=1e-5
    )
    scores = tf.nn.softmax(expected["label"]).numpy()
    np.testing.assert_allclose(outputs["scores"], scores, atol=1e-5)
    assert [NAMES[i] for i in scores.argmax(-1)] == [
        name.decode() for name in outputs["label"].numpy()
    ]
    patches = outputs["video"].numpy().reshape(2, 2, 6, 4, 4, 7).transpose(0, 2, 4, 1, 3, 5)
    pixels = np.round(np.clip(expected["image"], 0, 1) * 255)
    chosen = np.take_along_axis(
        patches.reshape(2, 24, 56), inputs["image_points"][..., None], axis=1
    )
    assert np.abs(chosen - pixels).max() <= 1


def test_frames_become_what_the_model_takes(random):
    preprocess = ClipPreprocess((2, 4, 6, 3), 8, 25.0, 16000)
    video = random.integers(0, 255, (3, 2, 4, 6, 3)).astype("uint8")
    image = preprocess.image(tf.constant(video))
    np.testing.assert_allclose(image, video / 255, atol=1e-6)
    np.testing.assert_array_equal(preprocess.video(image), video)
    out_of_range = tf.constant([[-1.5, 0.25, 2.0]])[..., None]
    np.testing.assert_array_equal(preprocess.sound(out_of_range), [[-1.0, 0.25, 1.0]])
    lighter = preprocess.image(tf.fill((1, 2, 40, 20, 1), tf.constant(51, tf.uint8)))
    np.testing.assert_allclose(lighter, np.full((1, 2, 4, 6, 3), 0.2), atol=1e-5)


def test_clips_of_another_length_or_rate_are_refused(entry, served, random):
    eager = ServedAutoencoder(entry.model, entry.pipeline.preprocess, NAMES)
    clip = raw_clip(random, num_frames=3)
    with pytest.raises(ZooError, match=r"`video` must have 2 frames, at 4 a second. Received: 3"):
        eager.reconstruct(clip["video"], clip["audio"])
    clip = raw_clip(random, num_samples=4410)
    message = r"`audio` must have 4000 samples, at 8000 a second \(resample .*\). Received: 4410"
    with pytest.raises(ZooError, match=message):
        eager.reconstruct(tf.constant(clip["video"]), tf.constant(clip["audio"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`audio` must have 4000 samples"):
        served["reconstruct"](**clip)
    with pytest.raises(ValueError, match="one name for each of the model's classes. Received: 2"):
        ServedAutoencoder(entry.model, entry.pipeline.preprocess, ("a", "b"))


def test_missing_modality_is_refused_unless_masked(served, random):
    clip = raw_clip(random)
    with pytest.raises((ZooError, TypeError, ValueError), match="audio"):
        served["reconstruct"](video=clip["video"])
    deaf = endpoints_of(small_entry(masked=("audio", "label")))
    assert not deaf["clip_format"]()["sees_audio"]
    outputs = deaf["reconstruct"](video=clip["video"])
    assert outputs["audio"].shape == (2, 4000)


@pytest.mark.slow
def test_saved_model_gives_the_same_without_this_code(entry, served, random, tmp_path):
    path = export(entry, tmp_path / "served")
    loaded = tf.saved_model.load(str(path))
    clip = {name: tf.constant(x) for name, x in raw_clip(random).items()}
    for signature in ("serving_default", "reconstruct"):
        outputs = loaded.signatures[signature](**clip)
        for name, expected in served["reconstruct"](**clip).items():
            np.testing.assert_array_equal(outputs[name], expected)
    ready = open_endpoints(path)
    assert ready.task.signature == "reconstruct"
    form = {name: x.numpy().item() for name, x in ready.endpoints["clip_format"]().items()}
    assert form == {
        "num_frames": 2,
        "height": 24,
        "width": 28,
        "num_audio_samples": 4000,
        "sample_rate": 8000,
        "frame_rate": 4.0,
        "sees_video": True,
        "sees_audio": True,
    }


@pytest.fixture
def clip_file(tmp_path):
    pytest.importorskip("av", reason="needs PyAV: pip install 'perceiver-tf[video]'")
    from zoo.clips.codec import write_clip

    video = np.zeros((6, 32, 40, 3), "uint8")
    video[:, 8:20, 5:30] = (200, 50, 100)
    sound = 0.3 * np.sin(np.arange(8000) / 5)
    return write_clip(tmp_path / "a [b].mp4", video, 8.0, sound, 8000)


def run(served, items, **settings):
    text = io.StringIO()
    settings = {"out": None, "console": Console(file=text, width=160), **settings}
    return predict_clips(served, [str(item) for item in items], **settings), text


def test_prediction_writes_clip_and_picture(served, clip_file, tmp_path):
    from zoo.clips.codec import read_clip

    out = tmp_path / "out"
    report, text = run(served, [clip_file, clip_file], out=out, top=2)
    names = ["a [b]_reconstructed.mp4", "a [b]_reconstructed_2.mp4"]
    pictures = ["a [b]_reconstructed.png", "a [b]_reconstructed_2.png"]
    assert sorted(path.name for path in out.iterdir()) == sorted(names + pictures)
    first = json.loads(json.dumps(report))["clips"][0]
    assert first["label"] in NAMES and len(first["top"]) == 2
    assert first["top"][0]["score"] >= first["top"][1]["score"]

    form = {"num_frames": 2, "frame_rate": 4.0, "side": (24, 28)}
    sound = {"num_samples": 4000, "sample_rate": 8000}
    video, audio = read_clip(clip_file, **form, **sound)
    outputs = served["reconstruct"](video=video[None], audio=audio[None])
    grey = np.round(video @ [0.299, 0.587, 0.114])
    shown = outputs["video"].numpy()[0, ..., 0].astype(int)
    error = np.square(grey - shown).mean()
    np.testing.assert_allclose(first["video_psnr"], 10 * np.log10(255**2 / error), atol=1e-2)
    np.testing.assert_allclose(
        first["audio_l1"], np.abs(audio - outputs["audio"].numpy()[0]).mean(), rtol=1e-4
    )
    written, _ = read_clip(first["clip_file"], **form, **sound)
    assert np.abs(written[..., 0] - shown).mean() < 8
    picture = tf.io.decode_png(tf.io.read_file(first["picture_file"]))
    assert min(picture.shape[:2]) > 100 and len(np.unique(picture)) > 50
    for expected in (
        first["label"],
        f"{first['video_psnr']:.1f}",
        f"wrote clips and pictures to {out}",
    ):
        assert expected in text.getvalue()


def test_bad_clips_are_named_or_left_out(served, clip_file, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a clip")
    with pytest.raises(ZooError, match="bad.mp4 cannot be read as a clip"):
        run(served, [clip_file, bad])
    report, text = run(served, [clip_file, bad], skip_corrupt=True)
    assert len(report["clips"]) == 1 and report["skipped"][0]["file"] == str(bad)
    assert "left out: " in text.getvalue()
    with pytest.raises(ZooError, match="None of the clips can be read. .*bad.mp4"):
        run(served, [bad], skip_corrupt=True)
    with pytest.raises(ZooError, match="`top` must be at least 1"):
        run(served, [clip_file], top=0)


def test_sheet_shows_frames_and_sound(tmp_path, random):
    videos = random.integers(0, 255, (2, 5, 8, 9, 3)).astype("uint8")
    sounds = random.uniform(-1, 1, (2, 50)).astype("float32")
    args = (*videos, *sounds, 100)
    sheets = []
    for name, arguments in (("one", args), ("other", (videos[0], 255 - videos[1], *sounds, 100))):
        path = clip_sheet(tmp_path / f"{name}.png", *arguments, title="$x")
        sheets.append(tf.io.decode_png(tf.io.read_file(str(path))).numpy().astype(int))
    changed = np.any(sheets[0] != sheets[1], axis=(1, 2))
    rows = np.flatnonzero(changed) / len(changed)
    assert rows.min() > 0.2 and rows.max() < 0.6  # the second row of frames, nothing else
