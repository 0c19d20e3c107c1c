"""From the configuration of a model of sound to the model."""

import math

import keras
from keras import ops

from perceiver_tf.layers.blocks import MLP
from perceiver_tf.layers.inputs import FourierInputs
from perceiver_tf.layers.space_to_depth import SpaceToDepth
from perceiver_tf.layers.windows import AverageWindows
from perceiver_tf.models.perceiver import perceiver


def audio_model(config, name="audio_model"):
    """Return the model of an `AudioConfig`: a Perceiver that hears windows, and their mean.

    Args:
        config: `zoo.audio.configs.AudioConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `waveform` float32 `(b, w, num_samples, 1)`, or
        `spectrogram` float32 `(b, w, frames, num_mels, 1)`, and `mask` bool `(b, w, rows)`, False
        for padding, to float32 logits `(b, num_classes)`: the mean over the windows, any number w
        of them, but for those that are padding alone. See `zoo.audio.preprocess.AudioPreprocess`.
    """
    if config.representation == "waveform":
        content_name, shape = "waveform", (config.num_samples, 1)
    else:
        content_name, shape = "spectrogram", (config.num_frames, config.num_mels, 1)
    num_rows = math.prod(config.grid)
    inputs = {
        content_name: keras.Input((None, *shape), name=content_name),
        "mask": keras.Input((None, num_rows), dtype="bool", name="mask"),
    }
    windows = {
        content_name: keras.Input(shape, name=content_name),
        "mask": keras.Input((num_rows,), dtype="bool", name="mask"),
    }
    adapter = _adapter(config, content_name)
    of_a_window = perceiver(windows, adapter, config.num_classes, config.architecture)
    # All windows of a batch side by side.
    logits = of_a_window(
        {
            content_name: ops.reshape(inputs[content_name], (-1, *shape)),
            "mask": ops.reshape(inputs["mask"], (-1, num_rows)),
        }
    )
    logits = AverageWindows(name="average_windows", dtype="float32")(logits, inputs["mask"])
    return keras.Model(inputs, logits, name=name)


def _adapter(config, content_name):
    """Return the function from a window's inputs to the byte array that the latents read."""
    cut = SpaceToDepth(config.patch, name="patches")
    describe = FourierInputs(config.num_frequency_bands, config.max_resolution, name="inputs")

    def adapter(windows):
        patches = cut(windows[content_name])
        if len(config.grid) < len(config.patch):  # a row has all frequencies of its time
            patches = ops.reshape(patches, (-1, *config.grid, patches.shape[-1]))
        if config.patch_widening_factor:
            patches = MLP(config.patch_widening_factor, name="patch_mlp")(patches)
        return {**describe(patches), "mask": windows["mask"]}

    return adapter
