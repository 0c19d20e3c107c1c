"""Point clouds from files to batches: choice, normalisation, augmentation, splits, bad input."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.point_clouds.augment import augment, mirrored, rotated
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.point_clouds.pipeline import (
    PointCloudPreprocess,
    point_cloud_pipeline,
    with_classes_of_the_data,
)

CONFIG = PointCloudClassifierConfig("", "", 1, num_points=5, num_classes=3)
KEY = tf.constant([3, 4], tf.int32)


def write_npz(path, **changed):
    """Eleven clouds of eight points whose first coordinate tells which point it is."""
    random = np.random.default_rng(0)
    points = random.uniform(-1, 1, (11, 8, 3)).astype("float32")
    points[:, :, 0] = np.arange(8)
    arrays = {
        "points": points,
        "label": np.arange(11, dtype=np.uint8) % 3,
        "test": np.arange(11) > 7,
        "names": np.array(["ape", "bee", "cow"]),
    }
    arrays = {name: value for name, value in (arrays | changed).items() if value is not None}
    np.savez(path, **arrays)
    return path


@pytest.fixture
def npz(tmp_path):
    return write_npz(tmp_path / "clouds.npz")


@pytest.fixture
def folder(tmp_path):
    """Seven and four clouds of six points, two classes, divided by `layout`."""

    def write(layout):
        random = np.random.default_rng(1)
        for label, name in enumerate(("cube", "rod")):
            for split, numbers in (("train", range(7)), ("test", range(7, 11))):
                inside = tmp_path / "data" / layout.format(split=split, name=name)
                inside.mkdir(parents=True, exist_ok=True)
                for number in numbers:
                    points = random.uniform(-1, 1, (6, 3)) * (1, 1, 1 + 20 * label)
                    np.save(inside / f"{name}_{number:02}.npy", points)
        return tmp_path / "data"

    return write


def batch(pipeline, split="train", **settings):
    inputs, targets = next(iter(pipeline.batches(split, 99, **settings)))
    return inputs["points"].numpy(), inputs["mask"].numpy(), targets.numpy()


def in_unit_cube(points):
    """What the normalisation should give for one cloud, in float64."""
    points = np.asarray(points, np.float64)
    points = points - points.mean(axis=0)
    return points / np.abs(points).max()


def test_normalisation_takes_away_place_and_size_only(random):
    preprocess = PointCloudPreprocess(4)
    points = random.normal(size=(2, 9, 3)).astype("float32")
    mask = np.ones((2, 9), bool)
    normal = preprocess(points, mask).numpy()
    for cloud, expected in zip(normal, points, strict=True):
        np.testing.assert_allclose(cloud, in_unit_cube(expected), atol=1e-6)
    moved = points * 37.5 + np.float32([20, -9, 4])
    np.testing.assert_allclose(preprocess(moved, mask), normal, atol=1e-5)
    for scale in (1e-30, 3e38 / np.abs(points).max()):
        np.testing.assert_allclose(preprocess(points * np.float32(scale), mask), normal, atol=1e-5)
    stretched = preprocess(points * np.float32([1, 2, 1]), mask)
    assert np.abs(stretched - normal).max() > 0.1


def test_normalisation_ignores_padding(random):
    preprocess = PointCloudPreprocess(4)
    points = random.normal(size=(2, 9, 3)).astype("float32")
    mask = np.tile(np.arange(9) < 6, (2, 1))
    padded = np.where(mask[..., None], points, np.float32([np.nan, 7, np.inf]))
    normal = preprocess(padded, mask).numpy()
    np.testing.assert_array_equal(normal[:, :6], preprocess(points[:, :6], mask[:, :6]))
    np.testing.assert_array_equal(normal[:, 6:], 0)


def test_a_cloud_of_one_place_becomes_zeros():
    points = np.full((1, 3, 3), 0.3, "float32")
    np.testing.assert_array_equal(
        PointCloudPreprocess(4)(points, np.ones((1, 3), bool)), 0 * points
    )


@pytest.mark.parametrize("count", [1, 3, 5, 8, 13])
def test_points_are_chosen_evenly_or_at_random(count, random):
    preprocess = PointCloudPreprocess(5)
    points = random.normal(size=(count, 3)).astype("float32")
    for key in (None, KEY):
        chosen, mask = (x.numpy() for x in preprocess.choose(points, key))
        assert chosen.shape == (5, 3)
        assert mask.tolist() == [True] * min(count, 5) + [False] * max(5 - count, 0)
        np.testing.assert_array_equal(chosen[~mask], 0)
        assert len(np.unique(chosen[mask], axis=0)) == mask.sum()
        assert {tuple(row) for row in chosen[mask]} <= {tuple(row) for row in points}
        if key is None:
            rows = np.arange(5) * count // 5 if count > 5 else np.arange(count)
            np.testing.assert_array_equal(chosen[mask], points[rows])
    if count == 13:
        other = preprocess.choose(points, KEY + 1)[0]
        assert (other.numpy() != chosen).any()


def test_every_point_has_the_same_chance(random):
    preprocess = PointCloudPreprocess(5)
    points = np.arange(8, dtype="float32")[:, None] * np.ones(3, "float32")
    choose = tf.function(preprocess.choose)
    drawn = [choose(points, tf.constant([i, 0]))[0].numpy()[:, 0] for i in range(400)]
    counts = np.bincount(np.concatenate(drawn).astype(int), minlength=8)
    np.testing.assert_allclose(counts / 400, 5 / 8, atol=0.1)


def test_rotation_keeps_heights_and_distances(random):
    points = random.normal(size=(6, 3)).astype("float32")
    for axis in range(3):
        turned = rotated(points, KEY, 180.0, axis).numpy()
        np.testing.assert_array_equal(turned[:, axis], points[:, axis])
        np.testing.assert_allclose(turned @ turned.T, points @ points.T, atol=1e-5)
        assert np.abs(turned - points).max() > 0.1
        # No mirroring: the volume of three points keeps its sign.
        assert np.linalg.det(turned[:3]) == pytest.approx(np.linalg.det(points[:3]), rel=1e-4)
    east = np.float32([[1, 0, 0]])
    angles = [
        np.degrees(np.arctan2(*rotated(east, tf.constant([i, 0]), 25.0, 2).numpy()[0, 1::-1]))
        for i in range(200)
    ]
    assert -25 <= min(angles) < -20 and 20 < max(angles) <= 25


def test_half_of_the_clouds_are_mirrored_along_the_given_axes_only():
    ones = np.ones((2, 3), "float32")
    signs = np.array([mirrored(ones, tf.constant([i, 0]), (0, 2)).numpy() for i in range(200)])
    np.testing.assert_array_equal(signs[:, 0], signs[:, 1])
    np.testing.assert_allclose(signs.mean(axis=(0, 1)), (0, 1, 0), atol=0.25)
    assert len(np.unique(signs[:, 0], axis=0)) == 4


@pytest.mark.parametrize(
    "changes", [{"max_stretch": 0.3}, {"max_point_scale": 0.3}, {"jitter": 0.3}, {}]
)
def test_each_change_is_as_large_as_configured(changes, random):
    config = dataclasses.replace(CONFIG, **{"max_point_scale": 0.0, **changes})
    points = tf.constant(random.uniform(0.5, 1, (400, 3)), tf.float32)
    changed = augment(points, KEY, config).numpy()
    factors, noise = changed / points.numpy(), changed - points.numpy()
    if not changes:
        np.testing.assert_array_equal(changed, points)
    elif "jitter" in changes:
        assert noise.std() == pytest.approx(0.3, rel=0.1) and abs(noise.mean()) < 0.03
        assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.2
    else:
        # A stretch is one factor of an axis, the paper's scaling one factor of a point.
        along = 0 if "max_stretch" in changes else 1
        assert np.ptp(factors, axis=along).max() < 1e-5
        assert np.ptp(factors, axis=1 - along).max() > 0.02
        assert factors.min() >= 0.7 and factors.max() <= 1.3
    np.testing.assert_array_equal(augment(points, KEY, config), changed)
    if changes:
        assert (augment(points, KEY + 1, config).numpy() != changed).any()


def test_evaluation_sees_the_same_evenly_spaced_points(npz):
    pipeline = point_cloud_pipeline(CONFIG, npz)
    assert pipeline.splits == ("train", "test") and pipeline.class_names == ("ape", "bee", "cow")
    points, mask, targets = batch(pipeline, "test")
    raw = np.load(npz)["points"][8:, [0, 1, 3, 4, 6]]
    for cloud, expected in zip(points, raw, strict=True):
        np.testing.assert_allclose(cloud, in_unit_cube(expected), atol=1e-5)
    assert mask.all() and targets.tolist() == np.eye(3)[[2, 0, 1]].tolist()
    np.testing.assert_array_equal(batch(pipeline, "test", seed=7)[0], points)


def test_training_draws_points_and_changes_anew(npz):
    config = dataclasses.replace(CONFIG, max_rotation=20.0, jitter=0.01)
    pipeline = point_cloud_pipeline(config, npz)
    points, mask, _ = batch(pipeline, training=True, epoch=1, seed=2)
    assert points.shape == (8, 5, 3) and mask.all()
    np.testing.assert_allclose(points.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.abs(points).max(axis=(1, 2)), 1, atol=1e-6)
    np.testing.assert_array_equal(batch(pipeline, training=True, epoch=1, seed=2)[0], points)
    for other in ({"epoch": 2, "seed": 2}, {"epoch": 1, "seed": 3}):
        assert (batch(pipeline, training=True, **other)[0] != points).any()


def test_small_and_padded_clouds_are_padded_and_masked(tmp_path):
    is_point = np.arange(8) < np.arange(11)[:, None] % 8 + 1
    npz = write_npz(tmp_path / "masked.npz", mask=is_point)
    pipeline = point_cloud_pipeline(CONFIG, npz)
    for training in (False, True):
        points, mask, targets = batch(pipeline, training=training, epoch=0)
        labels = targets.argmax(axis=1)
        assert mask.sum() == np.minimum(is_point[:8].sum(axis=1), 5).sum()
        assert (mask == (np.arange(5) < mask.sum(axis=1)[:, None])).all()
        np.testing.assert_array_equal(points[~mask], 0)
        assert sorted(labels) == sorted(np.arange(8) % 3)
    np.testing.assert_allclose(
        batch(pipeline)[0][2, :3], in_unit_cube(np.load(npz)["points"][2, :3]), atol=1e-5
    )


@pytest.mark.parametrize("layout", ["{split}/{name}", "{name}/{split}"])
def test_a_folder_by_class_is_read(folder, layout):
    pipeline = point_cloud_pipeline(dataclasses.replace(CONFIG, num_classes=2), folder(layout))
    assert (pipeline.num_examples("train"), pipeline.num_examples("test")) == (14, 8)
    assert pipeline.class_names == ("cube", "rod")
    points, mask, targets = batch(pipeline, "test")
    is_rod = points[..., 2].std(axis=1) > 3 * points[..., 0].std(axis=1)
    np.testing.assert_array_equal(is_rod, targets[:, 1] == 1)


def test_a_folder_without_splits_is_divided_by_names(folder):
    pipeline = point_cloud_pipeline(dataclasses.replace(CONFIG, num_classes=2), folder("{name}"))
    counts = {split: pipeline.num_examples(split) for split in pipeline.splits}
    assert counts["train"] + counts["test"] == 22 and 2 <= counts["test"] <= 8


def test_clouds_that_cannot_be_used_are_named_or_left_out_and_counted(folder, tmp_path):
    data = folder("{split}/{name}")
    (data / "train/rod/rod_03.npy").write_text("no array")
    np.save(data / "test/cube/cube_08.npy", np.full((4, 3), np.nan))
    config = dataclasses.replace(CONFIG, num_classes=2)
    with pytest.raises(ZooError, match="rod_03.npy: it is no complete .*--skip-corrupt"):
        point_cloud_pipeline(config, data).num_examples("train")
    pipeline = point_cloud_pipeline(config, data, skip_corrupt=True)
    assert (pipeline.num_examples("train"), pipeline.num_examples("test")) == (13, 7)
    assert len(pipeline.skipped) == 2
    assert "rod_03.npy" in pipeline.skipped[0] and "cube_08.npy" in pipeline.skipped[1]
    for path in (data / "test").rglob("*.npy"):
        path.write_text("no array")
    with pytest.raises(ZooError, match="None of the point clouds in .* \\(test\\) can be used"):
        point_cloud_pipeline(config, data, skip_corrupt=True).num_examples("train")


def test_a_cloud_of_an_array_with_nan_is_named_or_left_out(tmp_path):
    points = np.zeros((11, 8, 3))
    points[5, 2, 1] = np.inf
    npz = write_npz(tmp_path / "nan.npz", points=points)
    with pytest.raises(ZooError, match="finite numbers. Received: cloud 5 of .*nan.npz"):
        point_cloud_pipeline(CONFIG, npz).num_examples("train")
    pipeline = point_cloud_pipeline(CONFIG, npz, skip_corrupt=True)
    assert pipeline.num_examples("train") == 7 and len(pipeline.skipped) == 1
    mask = np.arange(11)[:, None] != 4 * np.ones((1, 8))
    npz = write_npz(tmp_path / "empty.npz", mask=mask)
    with pytest.raises(ZooError, match="at least one point. Received: cloud 4 of .*, empty"):
        point_cloud_pipeline(CONFIG, npz).num_examples("train")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": None}, "must hold the arrays `points` and `label`. Received: label, names"),
        ({"points": np.zeros((11, 8, 2))}, r"floats \(clouds, points, 3\).*\(11, 8, 2\)"),
        ({"points": np.zeros((11, 0, 3))}, r"floats \(clouds, points, 3\).*\(11, 0, 3\)"),
        ({"points": np.zeros((11, 8, 3), int)}, "floats .*int64"),
        ({"label": np.arange(10)}, "`label` of .* for each of the 11 clouds. .*shape .10,. from 0"),
        ({"label": np.arange(11) - 1}, "an integer from 0 .* from -1"),
        ({"label": np.linspace(0, 1, 11)}, "an integer from 0 for each"),
        ({"label": np.arange(11) % 4}, "must be less than 3, the number of class names. .*3 of"),
        ({"test": np.ones(11, bool)}, "`test` of .* must leave clouds to train on"),
        ({"test": np.ones(11)}, r"`test` of .* must be bool of shape \(11,\)"),
        ({"mask": np.ones((11, 7), bool)}, r"`mask` of .* must be bool of shape \(11, 8\)"),
        ({"names": np.arange(3)}, r"class names of .* must be strings of shape \(k,\)"),
    ],
)
def test_bad_arrays_are_one_clear_line(tmp_path, changed, message):
    npz = write_npz(tmp_path / "bad.npz", **changed)
    with pytest.raises(ZooError, match=message) as caught:
        point_cloud_pipeline(CONFIG, npz).num_examples("train")
    assert "\n" not in str(caught.value)


def test_missing_and_empty_data_is_one_clear_line(tmp_path):
    for path, message in (
        (tmp_path / "none.npz", "no such file or folder: .*none.npz"),
        (tmp_path, "must hold one folder of point clouds for each class .* an empty folder"),
        (__file__, "an .npz file, or a folder of files by class"),
    ):
        pipeline = point_cloud_pipeline(CONFIG, path)  # opens nothing
        with pytest.raises(ZooError, match=message):
            pipeline.num_examples("train")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ZooError, match="no complete .npz file"):
        point_cloud_pipeline(CONFIG, tmp_path / "text.npz").num_examples("train")


def test_without_a_test_split_a_fixed_part_is_held_out(tmp_path):
    npz = write_npz(tmp_path / "all.npz", test=None)
    pipeline = point_cloud_pipeline(CONFIG, npz)
    assert pipeline.num_examples("train") + pipeline.num_examples("test") == 11


def test_outputs_follow_the_classes_of_the_data(npz, folder):
    two = dataclasses.replace(CONFIG, num_classes=2)
    with pytest.raises(ZooError, match="2 outputs for the 3 classes of"):
        point_cloud_pipeline(two, npz).num_examples("train")
    config, pipeline = with_classes_of_the_data(two, point_cloud_pipeline(two, npz))
    assert config.num_classes == 3 and pipeline.class_names == ("ape", "bee", "cow")
    assert batch(pipeline)[2].shape == (8, 3)
    many = dataclasses.replace(CONFIG, num_classes=7)
    pipeline = point_cloud_pipeline(many, npz)
    assert batch(pipeline)[2].shape == (8, 7) and pipeline.class_names is None
