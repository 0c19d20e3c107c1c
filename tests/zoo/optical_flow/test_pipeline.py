import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.optical_flow import looks, warps
from zoo.optical_flow import pipeline as pipeline_module
from zoo.optical_flow.configs import FLOW_MODELS
from zoo.optical_flow.files import write_flo
from zoo.optical_flow.pipeline import flow_pipeline
from zoo.optical_flow.preprocess import FlowPreprocess
from zoo.optical_flow.views import Frames, central_view, random_view, sample, viewed_pair
from zoo.optical_flow.warps import warped_pair

SHIFT = np.array([3.0, -2.0])


def config(**changes):
    settings = {"frame_shape": (6, 10), "views_per_pair": 3, "warp_share": 0.5, "max_motion": 2.0}
    return dataclasses.replace(FLOW_MODELS["perceiver_io_flow"], **{**settings, **changes})


def waves(points):
    """Returns smooth colours 0-255 of any points, (..., 3)."""
    x, y = points[..., 0], points[..., 1]
    channels = [
        np.sin(0.31 * x + 0.17 * y),
        np.cos(0.23 * y - 0.11 * x),
        np.sin(0.19 * x * 0.7 + y * 0.29),
    ]
    return 127.5 + 100 * np.stack(channels, axis=-1)


def grid(height, width):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows], axis=-1).astype("float32")


def write_pair(folder, name, shift=SHIFT, size=(20, 30), suffix=".png"):
    """Writes a pair that moves by `shift` everywhere."""
    for number, points in enumerate((grid(*size), grid(*size) - shift), start=1):
        pixels = np.round(waves(points)).astype(np.uint8)
        header = f"P6\n{size[1]} {size[0]}\n255\n".encode()
        content = tf.io.encode_png(pixels).numpy()
        content = header + pixels.tobytes() if suffix == ".ppm" else content
        (folder / f"{name}_img{number}{suffix}").write_bytes(content)
    write_flo(folder / f"{name}_flow.flo", np.broadcast_to(shift, (*size, 2)))


@pytest.fixture
def folder(tmp_path):
    for index in range(6):
        write_pair(tmp_path, f"{index:05}", suffix=".ppm" if index % 2 else ".png")
    return tmp_path


@pytest.fixture(autouse=True)
def one_shape(monkeypatch):
    """Makes warps of one shape before the photograph: graphs are built sooner."""
    monkeypatch.setattr(warps, "NUM_SHAPES", 1)


def brightness_error(pair, flow, inner=slice(None)):
    """Returns how much the second frame at a point's new place differs from the first at it."""
    height, width, _ = flow.shape
    moved = sample(pair[1], grid(height, width) + flow)
    return np.abs(moved - pair[0])[inner]


def test_sampling_is_exact_at_pixels_linear_between_and_stops_at_the_border(random):
    values = random.normal(size=(4, 7, 3)).astype("float32")
    np.testing.assert_array_equal(sample(tf.constant(values), grid(4, 7)), values)
    points = np.array([[2.25, 1.5], [-5.0, 3.0], [6.0, 3.0], [9.0, 9.0]], "float32")
    between = 0.5 * (values[1] + values[2])
    expected = [0.75 * between[2] + 0.25 * between[3], values[3, 0], values[3, 6], values[3, 6]]
    np.testing.assert_allclose(sample(tf.constant(values), points), expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_warps_have_the_flow_that_they_say(seed):
    """Where nothing is covered, the second frame shows each point where its flow says."""
    frames = Frames(24, 40, 2.0)
    photograph = tf.constant(waves(grid(90, 120) / 3), tf.float32)
    pair, flow = warped_pair(tf.constant([seed, 7]), frames, lambda key: photograph, 2.0)
    assert pair.shape == (2, 24, 40, 3) and flow.shape == (24, 40, 2)
    assert 0.01 < np.abs(flow).max() < 20
    assert np.abs(pair[1] - pair[0]).max() > 1  # the frames do differ
    inside = ((grid(24, 40) + flow > 0) & (grid(24, 40) + flow < [39, 23])).numpy().all(-1)
    error = brightness_error(pair, flow)[inside]
    assert np.median(error) < 0.5 and np.mean(error) < 6


def away_from(edges, margin=2):
    """Returns which pixels are further than `margin` from all in `edges`, bool (h, w)."""
    near = np.pad(edges, margin)
    height, width = edges.shape
    shifts = [(i, j) for i in range(2 * margin + 1) for j in range(2 * margin + 1)]
    return ~np.any([near[i : i + height, j : j + width] for i, j in shifts], axis=0)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_cutouts_cover_the_photograph_and_move_by_themselves(monkeypatch, share):
    """A cut-out of half of a bright photograph, before a dark one."""
    monkeypatch.setattr(warps, "SHAPES_SHARE", 1.0)
    monkeypatch.setattr(looks, "PLAIN_SHARE", 0.0)
    monkeypatch.setattr(looks, "SKY_SHARE", 0.0)
    monkeypatch.setattr(looks, "CUTOUT_SHARE", share)
    frames = Frames(36, 60, 1.0)
    texture = waves(grid(80, 120) / 2) / 3
    dark, bright = texture, texture + 170
    half = np.concatenate([bright, np.zeros((80, 120, 1))], axis=-1)
    half[:, :60, 3] = 1
    dark, half = (tf.constant(x, tf.float32) for x in (dark, half))
    pair, flow = warped_pair(tf.constant([2, 7]), frames, lambda key: dark, 4.0, lambda key: half)
    is_part = pair.numpy().mean(-1) > 120
    if share == 0.0:
        assert not is_part.any()
        return
    assert 0.1 < is_part[0].mean() < 0.9
    points = grid(36, 60)
    landed = sample(tf.constant(is_part[1][..., None].astype("float32")), points + flow)
    inner = away_from(~is_part[0]) & (landed[..., 0].numpy() == 1)
    assert inner.sum() > 50 and np.linalg.norm(flow.numpy()[inner], axis=-1).mean() > 0.5
    assert brightness_error(pair, flow)[inner].mean() < 1.0
    assert brightness_error(pair, -flow)[inner].mean() > 3.0
    background = flow.numpy()[away_from(is_part[0])].mean(0)
    assert np.linalg.norm(flow.numpy()[inner].mean(0) - background) > 0.3


def test_a_sky_moves_as_the_photograph_that_it_covers(monkeypatch):
    monkeypatch.setattr(warps, "SHAPES_SHARE", 0.0)
    frames = Frames(24, 40, 2.0)
    photograph = tf.constant(waves(grid(90, 120) / 3), tf.float32)
    shares_covered = []
    for seed in range(4):
        warped = {}
        for share in (0.0, 1.0):
            monkeypatch.setattr(looks, "SKY_SHARE", share)
            key = tf.constant([seed, 7])
            warped[share] = warped_pair(key, frames, lambda key: photograph, 6.0)
        (bare, flow), (covered, same_flow) = warped[0.0], warped[1.0]
        np.testing.assert_array_equal(flow, same_flow)
        is_sky = (np.abs(covered - bare) > 0).any(-1)
        inside = ((grid(24, 40) + flow > 0) & (grid(24, 40) + flow < [39, 23])).numpy().all(-1)
        landed = sample(tf.constant(is_sky[1][..., None].astype("float32")), grid(24, 40) + flow)
        sure = np.isin(landed[..., 0].numpy(), (0, 1)) & inside
        shares_covered.append((is_sky[0] & sure).mean())
        assert np.mean(is_sky[0][sure] != landed[..., 0].numpy()[sure]) < 0.01
    assert 0.2 < max(shares_covered) < 1


def test_pipeline_cuts_out_of_first_frames_what_moves(tmp_path, monkeypatch):
    """A white square moves before black: the cut-out's outline is that of the square."""
    pixels, flow = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60, 2), "float32")
    pixels[10:30, 20:40], flow[10:30, 20:40] = 255, [0.0, 3.0]
    for index in range(6):
        write_pair(tmp_path, f"{index:05}", size=(40, 60))
        (tmp_path / f"{index:05}_img1.png").write_bytes(tf.io.encode_png(pixels).numpy())
        write_flo(tmp_path / f"{index:05}_flow.flo", flow)

    def photograph_and_outline(key, frames, photograph, max_motion, cutout):
        colours, is_part = tf.split(cutout(key), [3, 1], axis=-1)
        return tf.stack([colours, tf.repeat(255 * is_part, 3, axis=-1)]), tf.zeros((40, 60, 2))

    monkeypatch.setattr(pipeline_module, "warped_pair", photograph_and_outline)
    pipeline = flow_pipeline(config(frame_shape=(40, 60)), tmp_path)
    frames, _ = next(iter(pipeline.batches("validation", 4)))
    assert 0.1 < np.mean(frames[:, 0] == 1) < 0.2
    np.testing.assert_array_equal(frames[:, 0], frames[:, 1])


def test_pipeline_cuts_out_nothing_where_no_flow_is_known(monkeypatch):
    def no_cutout(key, frames, photograph, max_motion, cutout):
        assert cutout is None
        return tf.zeros((2, 6, 10, 3)), tf.zeros((6, 10, 2))

    monkeypatch.setattr(pipeline_module, "warped_pair", no_cutout)
    assert len(next(iter(flow_pipeline(config(), "samples").batches("test", 2)))) == 2


def test_views_turn_flow_with_the_frames():
    frames = Frames(16, 24, 1.0)
    whole = grid(60, 80)
    pair = tf.constant(np.stack([waves(whole / 2), waves((whole - SHIFT) / 2)]), tf.float32)
    flow = tf.constant(np.broadcast_to(SHIFT, whole.shape), tf.float32)
    directions = []
    for seed in range(4):
        view = random_view(tf.constant([seed, 3]), frames, flow)
        seen, seen_flow = viewed_pair(view, frames, pair, flow)
        inner = (slice(5, -5), slice(5, -5))
        assert brightness_error(seen, seen_flow, inner).max() < 4
        assert brightness_error(seen, -seen_flow, inner).max() > 20
        directions.append(seen_flow[0, 0])
    assert np.std(directions, axis=0).min() > 0.3


def test_reduced_frames_are_means_and_every_second_dense_point(random):
    preprocess = FlowPreprocess(4)
    values = random.uniform(0, 255, (2, 12, 22, 3)).astype("float32")
    reduced = preprocess.reduce(values)
    assert reduced.shape == (2, 3, 6, 3)
    np.testing.assert_allclose(reduced[1, 2, 3], values[1, 8:12, 12:16].mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(
        reduced[0, 0, 5], values[0, :4, [20, 21, 21, 21]].mean((0, 1)), rtol=1e-5
    )
    dense = preprocess.dense(values)
    np.testing.assert_allclose(dense[:, ::2, ::2], reduced[:, :, :5], rtol=1e-5)
    frames = Frames(3, 5, 2.0)
    matrix, offset = central_view(frames, dense[0])
    points = tf.linalg.matvec(matrix, frames.points) + offset
    np.testing.assert_allclose(sample(dense[0], points), reduced[0, :, :5], rtol=1e-5)


def test_enlarged_flow_is_in_pixels_of_the_large_frames(random):
    flow = tf.constant(np.broadcast_to([0.5, -2.0], (2, 3, 6, 2)), tf.float32)
    frames = random.integers(0, 256, (2, 11, 22, 3), "uint8")
    large = FlowPreprocess(4).enlarge(flow, frames)
    assert large.shape == (2, 11, 22, 2)
    np.testing.assert_allclose(large, np.broadcast_to([2.0, -8.0], (2, 11, 22, 2)), rtol=1e-5)
    same = FlowPreprocess().enlarge(flow, frames)
    np.testing.assert_array_equal(same, flow)


def test_normalised_pixels_span_minus_one_to_one():
    pixels = tf.constant([[[[0, 51, 255]]]], tf.uint8)
    np.testing.assert_allclose(
        FlowPreprocess().normalise(pixels)[0, 0, 0], [-1.0, -0.6, 1.0], atol=1e-6
    )


@pytest.mark.parametrize("downscale", [1, 2])
def test_pipeline_delivers_pairs_and_their_flow(folder, downscale):
    pipeline = flow_pipeline(config(downscale=downscale), folder)
    counts = {split: pipeline.num_examples(split) for split in pipeline.splits}
    assert list(counts) == ["train", "validation", "test"]
    assert counts["train"] == 3 * (6 - counts["test"]) and counts["test"] >= 1
    for split in pipeline.splits:
        for frames, flow in pipeline.batches(split, 4, training=split == "train"):
            assert frames.shape[1:] == (2, 6, 10, 3) and flow.shape[1:] == (6, 10, 2)
            assert np.abs(frames).max() <= 1 and np.isfinite(flow).all()
    frames, flow = next(iter(pipeline.batches("test", 1)))
    np.testing.assert_allclose(flow[0], np.broadcast_to(SHIFT / downscale, (6, 10, 2)), rtol=1e-5)
    top, left = (7, 10) if downscale == 1 else (4, 4)
    pixels = waves(grid(20, 30))
    if downscale == 2:
        pixels = pixels.reshape(10, 2, 15, 2, 3).mean((1, 3))
        top, left = 2, 2
    pixels = pixels[top : top + 6, left : left + 10]
    np.testing.assert_allclose((frames[0, 0] + 1) * 127.5, pixels, atol=0.6)


def test_training_examples_follow_seed_and_epoch(folder):
    pipeline = flow_pipeline(config(), folder)

    def batches(split="train", **arguments):
        return pipeline.batches(split, 5, training=split == "train", **arguments)

    def first(dataset):
        return [part.numpy() for part in next(iter(dataset))]

    same = batches(seed=1, epoch=2)
    for one, other in zip(first(same), first(same), strict=True):
        np.testing.assert_array_equal(one, other)
    for other in (batches(seed=2, epoch=2), batches(seed=1, epoch=3)):
        assert np.abs(first(other)[1] - first(same)[1]).max() > 0.01
    # What is measured on does not depend on the seed.
    one, other = (first(batches("validation", seed=seed)) for seed in (0, 1))
    np.testing.assert_array_equal(one[1], other[1])


def test_unknown_flow_stays_unknown_through_views(folder):
    flow = np.broadcast_to(SHIFT, (20, 30, 2)).copy()
    flow[8, 12] = 1e10
    for path in folder.glob("*.flo"):
        write_flo(path, flow)
    _, seen = next(iter(flow_pipeline(config(), folder).batches("test", 1)))
    unknown = np.isnan(seen[0]).any(-1)
    assert unknown[1, 2] and unknown.sum() <= 4  # it and its neighbours


def test_flying_chairs_split_file_decides(folder):
    (folder.parent / "FlyingChairs_train_val.txt").unlink(missing_ok=True)
    (folder / "FlyingChairs_train_val.txt").write_text("1\n2\n2\n1\n2\n1\n")
    pipeline = flow_pipeline(config(), folder)
    assert (pipeline.num_examples("train"), pipeline.num_examples("test")) == (9, 3)
    (folder / "FlyingChairs_train_val.txt").write_text("1\n2\n")
    with pytest.raises(ZooError, match="one number, 1 or 2, for each of the 6 pairs.*Received: 2"):
        flow_pipeline(config(), folder).num_examples("train")


def test_sample_photographs_need_no_data():
    pipeline = flow_pipeline(config(warp_share=0.0), "samples")
    assert pipeline.splits == ("train", "test")
    frames, flow = next(iter(pipeline.batches("train", 3, training=True)))
    assert np.abs(flow).max() > 0.01 and np.abs(frames[:, 0] - frames[:, 1]).max() > 0.01


def test_pairs_of_several_sizes_are_read_one_by_one(folder):
    write_pair(folder, "00002", size=(12, 16))
    pipeline = flow_pipeline(config(views_per_pair=2, warp_share=0.0), folder)
    for split in pipeline.splits:
        for _, flow in pipeline.batches(split, 3, training=split == "train"):
            assert np.isfinite(flow).all()


def remove_second(folder):
    (folder / "00000_img2.png").unlink()


def truncate_frame(folder):
    path = folder / "00003_img2.ppm"
    path.write_bytes(path.read_bytes()[:-10])


def resize_frame(folder):
    (folder / "00004_img1.png").write_bytes(tf.io.encode_png(np.zeros((9, 9, 3), np.uint8)).numpy())


def damage_flow(folder):
    (folder / "00004_flow.flo").write_bytes(b"no flow")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_second, "second frame of .*00000_img1.png is missing"),
        (truncate_frame, "Cannot read the frames of .*00003"),
        (resize_frame, "frames of .*00004: they must be complete images of 20 x 30"),
        (damage_flow, "00004_flow.flo: it is no .flo file"),
    ],
)
def test_bad_pairs_name_themselves_or_are_left_out(folder, damage, message):
    damage(folder)
    with pytest.raises(ZooError, match=message):
        flow_pipeline(config(), folder).num_examples("train")
    pipeline = flow_pipeline(config(), folder, skip_corrupt=True)
    assert pipeline.num_examples("train") + 3 * pipeline.num_examples("test") == 15


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "none", "must be a folder of frame pairs or 'samples'.*not found"),
        (lambda path: path, "at least two frame pairs.*Received: 0"),
    ],
)
def test_no_pairs_is_one_clear_line(tmp_path, make, message):
    with pytest.raises(ZooError, match=message):
        flow_pipeline(config(), make(tmp_path)).num_examples("train")


def test_frames_smaller_than_the_model_are_refused(folder):
    with pytest.raises(ZooError, match="at least 24 pixels high and 40 wide. Received: .* 20 x 30"):
        flow_pipeline(config(downscale=4), folder).num_examples("train")
