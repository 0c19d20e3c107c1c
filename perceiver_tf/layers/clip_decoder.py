"""The decoder of clips: from latents to sound, video and label (arXiv:2107.14795 section 4.3)."""

import math
from functools import partial

import keras
import numpy as np
from keras import ops

from perceiver_tf.layers import byte_array, reading, streaming
from perceiver_tf.layers.cross_attend import CrossAttend
from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.layers.modalities import ModalityPadding
from perceiver_tf.layers.positions import fourier_channels, fourier_features
from perceiver_tf.layers.space_to_depth import depth_to_space, patch_counts


@keras.saving.register_keras_serializable("perceiver_tf")
class ClipDecoder(keras.layers.Layer):
    """Asks the latents for every patch of sound, every patch of video and the label.

    The decoder of the multimodal autoencoder (arXiv:2107.14795 section 4.3 and the released code,
    whose widths the defaults have: queries of 1026 channels). A query is the Fourier features of
    a place, or the trained label query, filled up to one width by a trained vector of its modality.
    All queries read by one cross-attend, `outputs` projects what they read, and one head for each
    modality makes samples, pixels and logits of it.

    The place of the i-th of n is -1 + 2 i / n: the released code puts it there for outputs that
    are asked for by number, which is how its weights were trained and how it reconstructs clips.
    Only when asked for all outputs at once does it space them over [-1, 1] with both ends;
    `include_ends` does that here. All outputs are decoded in blocks, down to the pixels, so that
    neither the queries nor what they read of a whole clip is held at once.

    Args:
        image_shape, num_audio_samples, num_classes: of the clip, see `ClipInputs`.
        image_patch: (frames, rows, columns) that one query stands for; (1, 1, 1): a pixel.
        audio_patch: int, samples that one query stands for.
        num_image_bands, image_max_resolution, num_audio_bands, audio_max_resolution: of the
            queries' Fourier features.
        label_query_channels: int, width of the trained label query.
        min_padding: int, width of the shortest padding.
        output_channels: int, width under the heads.
        include_ends: bool, see above.
        num_heads, qk_channels, v_channels, widening_factor, use_query_residual, dropout,
            attention_dropout, gelu: of the cross-attend, see `CrossAttend`.

    Call arguments:
        latents: `(b, num_latents, latent_channels)`.
        audio_points: optional int `(b, n)`: numbers of the patches of sound to decode, 0 the first.
        image_points: optional int `(b, n)`: numbers of the patches of video to decode, those of
            the first frames first, and in them those of the first rows.
        training: bool, whether dropout acts.

    Returns:
        dict of float32 `audio` `(b, num_audio_samples, 1)`, `image` `(b, *image_shape)` and
        `label` `(b, num_classes)`, logits. Of points: `audio` `(b, n, audio_patch)`, `image`
        `(b, n, channels of a patch)` in the order of `space_to_depth`.

    Raises:
        ValueError: if a patch does not divide its modality.
    """

    def __init__(
        self,
        image_shape=(16, 224, 224, 3),
        num_audio_samples=30720,
        num_classes=700,
        image_patch=(1, 1, 1),
        audio_patch=16,
        num_image_bands=32,
        image_max_resolution=(16, 56, 56),
        num_audio_bands=192,
        audio_max_resolution=30720,
        label_query_channels=1024,
        min_padding=2,
        output_channels=512,
        include_ends=False,
        num_heads=1,
        qk_channels=None,
        v_channels=None,
        widening_factor=1,
        use_query_residual=False,
        dropout=0.0,
        attention_dropout=0.0,
        gelu="tanh",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.image_shape, self.num_audio_samples = tuple(image_shape), num_audio_samples
        self.num_classes = num_classes
        self.image_patch, self.audio_patch = tuple(image_patch), audio_patch
        self.label_query_channels, self.min_padding = label_query_channels, min_padding
        self.output_channels, self.include_ends = output_channels, include_ends
        self.bands = {"audio": num_audio_bands, "image": num_image_bands}
        self.resolutions = {
            "audio": (audio_max_resolution,),
            "image": tuple(image_max_resolution),
        }
        self.grids = {
            "audio": patch_counts((num_audio_samples,), (audio_patch,)),
            "image": patch_counts(self.image_shape[:-1], self.image_patch),
        }
        self.drops = max(dropout, attention_dropout) > 0
        self.cross_attend = CrossAttend(
            num_heads=num_heads,
            qk_channels=qk_channels,
            v_channels=v_channels,
            widening_factor=widening_factor,
            use_query_residual=use_query_residual,
            dropout=dropout,
            attention_dropout=attention_dropout,
            gelu=gelu,
            dtype=self.dtype_policy,
            name="cross_attend",
        )

    def build(self, latents_shape, audio_points_shape=None, image_points_shape=None):
        policy = self.dtype_policy
        channels = {
            name: fourier_channels(len(grid), self.bands[name]) for name, grid in self.grids.items()
        }
        channels["label"] = self.label_query_channels
        width = max(channels.values()) + self.min_padding
        self.label_query = LatentArray(
            1, self.label_query_channels, dtype=policy, name="label_query"
        )
        self.label_query.build(latents_shape)
        self.cross_attend.build((None, None, width), latents_shape)
        self.outputs = self._dense(self.output_channels, width, "outputs")
        head_channels = {
            "audio": self.audio_patch,
            "image": math.prod(self.image_patch) * self.image_shape[-1],
            "label": self.num_classes,
        }
        for name in channels:
            padding = ModalityPadding(width, dtype=policy, name=f"{name}_padding")
            padding.build((None, None, channels[name]))
            setattr(self, f"{name}_padding", padding)
            head = self._dense(head_channels[name], self.output_channels, f"{name}_head")
            setattr(self, f"{name}_head", head)

    def _dense(self, channels, input_channels, name):
        initializer = keras.initializers.VarianceScaling(1.0, "fan_in", "truncated_normal")
        dense = keras.layers.Dense(
            channels, kernel_initializer=initializer, dtype="float32", name=name
        )
        dense.build((None, None, input_channels))
        return dense

    def call(self, latents, audio_points=None, image_points=None, training=None):
        points = {"audio": audio_points, "image": image_points}
        outputs = {
            name: self._decode(
                name, self._queries(name, latents, points.get(name)), latents, training
            )
            for name in ("audio", "image", "label")
        }
        if audio_points is None:
            shape = (-1, self.num_audio_samples, 1)
            outputs["audio"] = ops.reshape(outputs["audio"], shape)
        if image_points is None:
            shape = (-1, *self.grids["image"], outputs["image"].shape[-1])
            outputs["image"] = depth_to_space(
                ops.reshape(outputs["image"], shape), self.image_patch
            )
        outputs["label"] = outputs["label"][:, 0]
        return outputs

    def _queries(self, name, latents, points):
        """Return the queries of a modality, not yet padded, as a byte array."""
        if name == "label":
            return {"content": self.label_query(latents)}
        grid, resolutions = self.grids[name], self.resolutions[name]
        if points is None:
            batch_size = ops.shape(latents)[0]
            places = [self._places(np.arange(size), size)[:, None] for size in grid]
            axes = [
                fourier_features(place, self.bands[name], (resolution,))
                for place, resolution in zip(places, resolutions, strict=True)
            ]
            return {"content": ops.zeros((batch_size, *grid, 0), dtype="float32"), "axes": axes}
        points, places = ops.cast(points, "int32"), []
        for size in reversed(grid):
            places.insert(0, self._places(ops.mod(points, size), size))
            points = ops.floor_divide(points, size)
        places = ops.stack(places, axis=-1)
        return {"content": fourier_features(places, self.bands[name], resolutions)}

    def _places(self, index, size):
        index = ops.cast(index, "float32")
        return -1.0 + 2.0 * index / (max(size - 1, 1) if self.include_ends else size)

    def _decode(self, name, description, latents, training):
        """Return what the head makes of the queries, `(b, n, channels)`, block by block."""
        padding, head = getattr(self, f"{name}_padding"), getattr(self, f"{name}_head")
        description = padding(description)

        def decode(latents, description):
            read = self.cross_attend(description, latents, training=training)
            return head(self.outputs(read))

        num_queries = byte_array.num_rows(description)
        if num_queries is None or latents.shape[1] is None or (training and self.drops):
            return decode(latents, description)
        parts, whole, describe = byte_array.as_blocks(description, None)
        first, axis = parts[0]
        size = first.shape[axis]
        length = reading.decoded_length(
            size,
            (num_queries // size) * (latents.shape[0] or 1),
            byte_array.row_width(description),
            self.cross_attend.num_heads,
            latents.shape[1],
        )
        if length == size:
            return decode(latents, description)

        def decode_block(latents, whole, *shares):
            return decode(latents, describe(whole, *shares)[0])

        repeated = streaming.repeated_with([self.cross_attend, self.outputs, head], decode_block)
        return streaming.map_blocks(partial(repeated, latents, whole), parts, length)

    def compute_output_spec(self, latents, audio_points=None, image_points=None, training=None):
        batch_size = latents.shape[0]
        shapes = {
            "audio": (batch_size, self.num_audio_samples, 1),
            "image": (batch_size, *self.image_shape),
            "label": (batch_size, self.num_classes),
        }
        if audio_points is not None:
            shapes["audio"] = (batch_size, audio_points.shape[1], self.audio_patch)
        if image_points is not None:
            channels = math.prod(self.image_patch) * self.image_shape[-1]
            shapes["image"] = (batch_size, image_points.shape[1], channels)
        return {name: keras.KerasTensor(shape, dtype="float32") for name, shape in shapes.items()}
