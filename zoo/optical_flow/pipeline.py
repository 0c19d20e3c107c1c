"""Optical flow: the pipeline of frame pairs."""

import tensorflow as tf

from zoo.data.example_pipeline import ExamplePipeline, Split
from zoo.errors import ZooError
from zoo.optical_flow.cutouts import moving_parts
from zoo.optical_flow.pairs import fits_memory, load_pairs, open_pairs, read_pair
from zoo.optical_flow.preprocess import FlowPreprocess
from zoo.optical_flow.views import Frames, central_view, random_view, viewed_pair
from zoo.optical_flow.warps import recoloured, warped_pair

WARPS_PER_HELD_OUT_PAIR = 16


def flow_pipeline(config, source_spec, *, skip_corrupt=False):
    """Returns the pipeline of an optical-flow model on the given data.

    Its splits: "train", random views of the pairs and warps of their frames, in the
    configuration's shares; "validation", warps of the held-out pairs' frames, always the same; and
    "test", the middle of the held-out pairs themselves. Where the data has no flow, "train" and
    "test" are warps.

    Args:
        config: `zoo.optical_flow.configs.OpticalFlowConfig`.
        source_spec: where the pairs are, see `zoo.optical_flow.pairs.open_pairs`.
        skip_corrupt: bool. Leave out pairs that cannot be read.

    Returns:
        `zoo.data.example_pipeline.ExamplePipeline` of `frames`, float32 (2, height, width, 3) in
        [-1, 1], and flow, float32 (height, width, 2), in pixels of these frames.
    """
    preprocess = FlowPreprocess(config.downscale)

    def open_splits():
        pairs = open_pairs(source_spec, skip_corrupt)
        train, test = (
            _Drawer(config, preprocess, pairs[split], skip_corrupt) for split in ("train", "test")
        )
        splits = {"train": Split(train.num_pairs * config.views_per_pair, train.training_example)}
        num_warps = test.num_pairs * WARPS_PER_HELD_OUT_PAIR
        if not test.has_flow:
            return {**splits, "test": Split(num_warps, test.fixed_warp)}
        splits["validation"] = Split(num_warps, test.fixed_warp)
        return {**splits, "test": Split(test.num_pairs, test.whole_pair)}

    return ExamplePipeline(str(source_spec), open_splits, preprocess)


class _Drawer:
    """Makes the examples of a split from its pairs.

    Pairs of one size that fit into memory are read once, others anew for each example.
    """

    def __init__(self, config, preprocess, pairs, skip_corrupt):
        self._config = config
        self._preprocess = preprocess
        self._frames = Frames(*config.frame_shape, float(preprocess.density))
        self.has_flow = pairs[0].flow is not None
        _check_sizes(pairs, config)
        self._grids = None
        with tf.init_scope(), tf.device("CPU:0"):
            if fits_memory(pairs):
                frames, flows = load_pairs(pairs, skip_corrupt)
                self._grids = [self._dense(*pair) for pair in zip(frames, flows, strict=True)]
                self._grids = [tf.stack(values) for values in zip(*self._grids, strict=True)]
            self.num_pairs = len(pairs) if self._grids is None else len(self._grids[0])
            self._paths = tf.constant([[p.first, p.second, p.flow or ""] for p in pairs])
            self._sizes = tf.constant([p.size for p in pairs], tf.int32)

    def training_example(self, index, key, training):
        """Returns a random view of a pair, or a warp; see `zoo.data.example_pipeline.Split`."""
        if not training:
            return self.fixed_warp(index, key, training)
        keys = tf.random.split(key, 3)
        share = self._config.warp_share if self.has_flow else 1.0
        pair, flow = tf.cond(
            tf.random.stateless_uniform((), keys[0]) < share,
            lambda: self._warp(keys[1]),
            lambda: self._random_view(index % self.num_pairs, keys[1]),
        )
        return self._preprocess.normalise(recoloured(keys[2], pair)), flow

    def fixed_warp(self, index, key, training):
        """Returns a warp that depends on its number only."""
        pair, flow = self._warp(tf.stack([tf.cast(index, tf.int32), 0]))
        return self._preprocess.normalise(pair), flow

    def whole_pair(self, index, key, training):
        """Returns the middle of a pair, all of it if it has the model's size."""
        frames, flow, _ = self._grid(index)
        view = central_view(self._frames, flow)
        pair, flow = viewed_pair(view, self._frames, frames, flow)
        return self._preprocess.normalise(pair), flow

    def _warp(self, key):
        def photograph(key):
            index = tf.random.stateless_uniform((), key, 0, 2 * self.num_pairs, tf.int32)
            return self._grid(index // 2)[0][index % 2]

        def cutout(key):
            index = tf.random.stateless_uniform((), key, 0, self.num_pairs, tf.int32)
            frames, _, parts = self._grid(index)
            return tf.concat([frames[0], parts], axis=-1)

        cutout = cutout if self.has_flow else None  # no flow tells what moves
        return warped_pair(key, self._frames, photograph, self._config.max_motion, cutout)

    def _random_view(self, index, key):
        frames, flow, _ = self._grid(index)
        return viewed_pair(random_view(key, self._frames, flow), self._frames, frames, flow)

    def _grid(self, index):
        """Returns a pair's dense frames (2, h, w, 3), flow (h, w, 2), `moving_parts` (h, w, 1)."""
        if self._grids is not None:
            return tuple(tf.gather(grids, index) for grids in self._grids)
        return self._dense(*read_pair(*tf.unstack(self._paths[index]), self._sizes[index]))

    def _dense(self, frames, flow):
        parts = self._preprocess.dense(moving_parts(flow)[None])[0]
        flow = self._preprocess.dense(flow[None])[0] / self._preprocess.downscale
        return self._preprocess.dense(frames), flow, parts


def _check_sizes(pairs, config):
    height, width = (size * config.downscale for size in config.frame_shape)
    for pair in pairs:
        if pair.size[0] < height or pair.size[1] < width:
            raise ZooError(
                f"The frames must be at least {height} pixels high and {width} wide. Received: "
                f"{pair.first}, {pair.size[0]} x {pair.size[1]}."
            )
