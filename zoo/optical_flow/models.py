"""From the configuration of an optical-flow model to its model."""

import keras

from perceiver_tf.layers.frame_views import FrameViews, MeanOfFlows
from perceiver_tf.layers.patches import FlowInputs
from perceiver_tf.models.perceiver_io import perceiver_io
from zoo.numerics import architecture_of

# The published model's last layer has a hundredth of its weights' usual scale, and what it
# gives is a twentieth of the flow in pixels.
RESCALE_FACTOR = 100.0
FLOW_SCALE_FACTOR = 20.0


def optical_flow_model(config, name="optical_flow"):
    """Return the model of an `OpticalFlowConfig`.

    Every pixel is a row of the inputs and a query of the decoder, described alike by
    `perceiver_tf.FlowInputs`.

    Args:
        config: `OpticalFlowConfig`.
        name: str, name of the model.

    Returns:
        functional `keras.Model` from float32 `frames` `(b, 2, height, width, 3)` of RGB in
        [-1, 1] to float32 flow `(b, height, width, 2)`: by how many pixels what is at a pixel of
        the first frame lies further right and further down in the second. DeepMind's and Hugging
        Face's models give a twentieth of that.
    """
    height, width = config.frame_shape
    frames = keras.Input((2, height, width, 3), name="frames")
    seen = FrameViews(name="views")(frames) if config.mirrored_views else frames
    adapter = FlowInputs(
        config.num_frequency_bands,
        config.max_resolution or config.frame_shape,
        config.content_channels,
        config.patch_size,
        config.patch_initializer,
        config.max_displacement,
        config.cost_volume_channels,
        name="inputs",
    )
    described = adapter(seen)
    decoder = perceiver_io(
        frames,
        lambda _: described,
        lambda _: described,
        config=architecture_of(config),
        views=lambda _: seen,
    )
    outputs = keras.layers.Dense(2, kernel_initializer="zeros", name="outputs", dtype="float32")(
        decoder.output
    )
    grid = keras.layers.Reshape((height, width, 2), name="grid", dtype="float32")(outputs)
    flow = keras.layers.Rescaling(FLOW_SCALE_FACTOR / RESCALE_FACTOR, name="flow", dtype="float32")
    if not config.mirrored_views:
        return keras.Model(frames, flow(grid), name=name)
    mean = MeanOfFlows(name="mean_of_flows", dtype="float32")
    return keras.Model(frames, mean(flow(grid)), name=name)
