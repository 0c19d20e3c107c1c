"""From the configuration of a model of video to the model."""

import keras
from keras import ops

from perceiver_tf.layers.blocks import MLP
from perceiver_tf.layers.video_inputs import VideoInputs
from perceiver_tf.layers.windows import AverageWindows
from perceiver_tf.models.perceiver import perceiver


def video_model(config, name="video_model"):
    """Return the model of a `VideoConfig`: a Perceiver that sees windows, and their mean.

    Args:
        config: `zoo.video.configs.VideoConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from a dict of `video` float32 `(b, w, num_frames, height, width,
        channels)` in [-1, 1] and `mask` bool `(b, w, num_frames)`, False for padding, to float32
        logits `(b, num_classes)`: the mean over the windows, any number w of them, but for those
        that are padding alone. See `zoo.video.preprocess.VideoPreprocess`.
    """
    frames = (config.num_frames, *config.seen_shape)
    inputs = {
        "video": keras.Input((None, *frames), name="video"),
        "mask": keras.Input((None, config.num_frames), dtype="bool", name="mask"),
    }
    windows = {
        "video": keras.Input(frames, name="video"),
        "mask": keras.Input((config.num_frames,), dtype="bool", name="mask"),
    }
    of_a_window = perceiver(windows, _adapter(config), config.num_classes, config.architecture)
    # All windows of a batch side by side.
    logits = of_a_window(
        {
            "video": ops.reshape(inputs["video"], (-1, *frames)),
            "mask": ops.reshape(inputs["mask"], (-1, config.num_frames)),
        }
    )
    logits = AverageWindows(name="average_windows", dtype="float32")(logits, inputs["mask"])
    return keras.Model(inputs, logits, name=name)


def _adapter(config):
    """Return the function from a window to the byte array that the latents read."""
    describe = VideoInputs(
        config.patch,
        config.num_frequency_bands,
        config.max_resolution,
        config.use_motion,
        name="inputs",
    )

    def adapter(window):
        described = describe(window)
        if config.patch_widening_factor:
            mlp = MLP(config.patch_widening_factor, name="patch_mlp")
            described = {**described, "content": mlp(described["content"])}
        return described

    return adapter
