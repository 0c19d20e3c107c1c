"""The adapter of several streams of one example, any of which may be missing."""

import math

import keras
from keras import ops

from perceiver_tf.layers.modalities import ModalityPadding
from perceiver_tf.layers.positions import FourierPositions, fourier_channels


@keras.saving.register_keras_serializable("perceiver_tf")
class StreamInputs(keras.layers.Layer):
    """Describes the rows of several streams, such as video and sound, as one byte array.

    The adapter of the Perceiver of video with sound (arXiv:2103.03206 section 4.2): every stream
    has Fourier positions of its own grid, and a trained vector, the embedding of its modality,
    fills its rows up to the common width. Unlike `ClipInputs`, which has a trained token in place
    of a modality that it never sees, this layer leaves out of the attention what an example lacks:
    rows that the stream's mask does not name are not read, whatever they hold.

    Args:
        streams: tuple of str, names of the streams in the order of their rows.
        num_frequency_bands: tuple of ints, bands per axis of each stream's positions.
        max_resolution: tuple of tuples, of each stream one number per axis of its grid.
        min_padding: int, width of the shortest embedding.
        num_channels: int, the common width; None: the widest stream's and `min_padding`. Give it
            where models of some of the streams are to have rows of equal width.

    Call arguments:
        inputs: dict that holds of each stream NAME: `NAME` float `(b, size_1, ..., size_d,
            channels)`, of about unit scale, and optionally `NAME_mask` bool `(b, m)`, where m is
            the product of the sizes: False for rows that are not there, of a missing stream all.

    Returns:
        list of descriptions, one for each stream, a byte array; see
        `perceiver_tf.layers.byte_array`.

    Raises:
        ValueError: if the arguments are not of one length, a stream is not among the inputs, or
            a row and `min_padding` are wider than `num_channels`.

    Example:

    >>> layer = StreamInputs(("video", "audio"), (16, 64), ((16, 28, 28), (480,)))
    >>> video, audio = keras.Input((16, 28, 28, 384)), keras.Input((480, 128))
    >>> [part["constant"].shape for part in layer({"video": video, "audio": audio})]
    [(4,), (230,)]
    """

    def __init__(
        self,
        streams,
        num_frequency_bands,
        max_resolution,
        min_padding=4,
        num_channels=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.streams, self.num_frequency_bands = tuple(streams), tuple(num_frequency_bands)
        self.max_resolution = tuple(tuple(resolution) for resolution in max_resolution)
        self.min_padding, self.num_channels = min_padding, num_channels
        lengths = {len(self.streams), len(self.num_frequency_bands), len(self.max_resolution)}
        if lengths != {len(set(self.streams))} or not self.streams:
            raise ValueError(
                "`streams` must be different names, and `num_frequency_bands` and "
                f"`max_resolution` have an entry for each. Received: streams={self.streams}, "
                f"num_frequency_bands={self.num_frequency_bands}, "
                f"max_resolution={self.max_resolution}."
            )

    def build(self, inputs_shape):
        policy = self.dtype_policy
        self._check_names(inputs_shape)
        self.positions, widths = [], []
        for name, bands, resolution in zip(
            self.streams, self.num_frequency_bands, self.max_resolution, strict=True
        ):
            positions = FourierPositions(bands, resolution, dtype=policy, name=f"{name}_positions")
            self.positions.append(positions)
            widths.append(inputs_shape[name][-1] + fourier_channels(len(resolution), bands))
        least = max(widths) + self.min_padding
        common = self.num_channels or least
        if common < least:
            raise ValueError(
                "`num_channels` must be at least the width of the widest row and `min_padding`. "
                f"Received: num_channels={common}, rows of {widths} "
                f"channels, min_padding={self.min_padding}."
            )
        self.paddings = []
        for name, width in zip(self.streams, widths, strict=True):
            padding = ModalityPadding(common, dtype=policy, name=f"{name}_padding")
            padding.build((None, None, width))
            self.paddings.append(padding)

    def call(self, inputs):
        self._check_names(inputs)
        return [self._part(number, inputs) for number in range(len(self.streams))]

    def _part(self, number, inputs):
        name = self.streams[number]
        content, mask = inputs[name], inputs.get(f"{name}_mask")
        axes = self.positions[number](content)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # The attention gives them no weight; a weight of zero does not undo a NaN.
            is_there = ops.reshape(mask, (-1, *ops.shape(content)[1:-1], 1))
            content = ops.where(is_there, content, ops.zeros_like(content))
        part = self.paddings[number]({"content": content, "axes": axes})
        return part if mask is None else {**part, "mask": mask}

    def compute_output_spec(self, inputs):
        self._check_names(inputs)
        parts = []
        for name, positions, padding in zip(
            self.streams, self.positions, self.paddings, strict=True
        ):
            content = keras.KerasTensor(inputs[name].shape, inputs[name].dtype)
            axes = positions.compute_output_spec(content)
            part = padding.compute_output_spec({"content": content, "axes": axes})
            if inputs.get(f"{name}_mask") is not None:
                length = math.prod(content.shape[1:-1])
                part["mask"] = keras.KerasTensor((content.shape[0], length), dtype="bool")
            parts.append(part)
        return parts

    def _check_names(self, inputs):
        missing = [name for name in self.streams if name not in inputs]
        if missing:
            raise ValueError(
                f"The inputs must hold each of `streams`={self.streams}; of a stream that an "
                f"example lacks, masked rows. Received: {sorted(inputs)}."
            )
