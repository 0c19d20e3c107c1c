"""From the configuration of a model of video with sound to the model."""

import math

import keras

from perceiver_tf.layers.blocks import MLP
from perceiver_tf.layers.motion import Motion
from perceiver_tf.layers.space_to_depth import SpaceToDepth
from perceiver_tf.layers.stream_inputs import StreamInputs
from perceiver_tf.models.perceiver import perceiver


def audio_video_model(config, name="audio_video_model"):
    """Return the model of an `AudioVideoConfig`.

    Args:
        config: `zoo.audio_video.configs.AudioVideoConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict, of each of `config.streams`, to float32 logits
        `(b, num_classes)`: `video` float32 `(b, *seen_shape)` in [0, 1]; `audio` float32
        `(b, samples, channels)`, or `(b, frames, mels)` of a spectrogram, of about unit scale; and
        their masks, `video_mask` and `audio_mask` bool `(b, rows)`, False for rows that are
        padding, of a missing stream all. See `zoo.audio_video.preprocess.AudioVideoPreprocess`.
    """
    shapes = {"video": config.seen_shape, "audio": config.audio_shape}
    inputs = {}
    for stream in config.streams:
        inputs[stream] = keras.Input(shapes[stream], name=stream)
        rows = (math.prod(config.grids[stream]),)
        inputs[f"{stream}_mask"] = keras.Input(rows, dtype="bool", name=f"{stream}_mask")
    return perceiver(inputs, _adapter(config), config.num_classes, config.architecture, name=name)


def _adapter(config):
    """Return the function from the model's inputs to the byte array that the latents read."""
    of_stream = {
        "video": (config.image_patch, config.num_image_bands, config.image_max_resolution),
        "audio": ((config.audio_patch,), config.num_audio_bands, (config.audio_max_resolution,)),
    }
    patches, bands, resolutions = zip(*(of_stream[name] for name in config.streams), strict=True)
    describe = StreamInputs(
        config.streams,
        bands,
        resolutions,
        config.min_input_padding,
        config.row_channels,
        name="inputs",
    )

    def adapter(inputs):
        rows = dict(inputs)
        for stream, patch in zip(config.streams, patches, strict=True):
            if stream == "video" and config.use_motion:
                rows[stream] = Motion(name="video_motion")(inputs[stream])
            rows[stream] = SpaceToDepth(patch, name=f"{stream}_patches")(rows[stream])
            if config.patch_widening_factor:
                mlp = MLP(config.patch_widening_factor, name=f"{stream}_patch_mlp")
                rows[stream] = mlp(rows[stream])
        return describe(rows)

    return adapter
