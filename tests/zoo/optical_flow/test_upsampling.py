import numpy as np
import tensorflow as tf

from zoo.optical_flow import upsampling
from zoo.optical_flow.preprocess import FlowPreprocess
from zoo.optical_flow.upsampling import joint_bilateral_upsampling


def upsampled(values, frames, factor):
    """The definition, pixel by pixel."""
    reduced = FlowPreprocess(factor).reduce(frames).numpy()
    frames, radius = frames.astype(float), upsampling.RADIUS
    height, width = values.shape[1:3]
    results = np.zeros((*frames.shape[:3], values.shape[-1]))
    for b, y, x in np.ndindex(frames.shape[:3]):
        total, total_weight = 0.0, 0.0
        for i in range(max(y // factor - radius, 0), min(y // factor + radius + 1, height)):
            for j in range(max(x // factor - radius, 0), min(x // factor + radius + 1, width)):
                down = i + 0.5 - (y + 0.5) / factor
                right = j + 0.5 - (x + 0.5) / factor
                contrast = np.sum((reduced[b, i, j] - frames[b, y, x]) ** 2)
                weight = np.exp(-(down**2 + right**2) / 2 / upsampling.SPATIAL_SIGMA**2)
                weight *= np.exp(-contrast / 2 / upsampling.COLOUR_SIGMA**2) + 1e-8
                total, total_weight = total + weight * values[b, i, j], total_weight + weight
        results[b, y, x] = total / total_weight
    return results


def test_every_pixel_is_the_weighted_mean_of_its_neighbours(random):
    frames = (40 * random.normal(size=(2, 10, 15, 3)) + 120).clip(0, 255).astype("uint8")
    values = random.normal(size=(2, 5, 8, 2)).astype("float32")
    found = joint_bilateral_upsampling(
        values, FlowPreprocess(2).reduce(frames), tf.cast(frames, tf.float32), 2
    )
    np.testing.assert_allclose(found, upsampled(values, frames, 2), rtol=1e-4, atol=1e-5)


def test_flow_follows_the_edge_of_the_frame_and_not_that_of_the_small_pixels():
    frames = np.zeros((1, 16, 32, 3), "uint8")
    frames[:, :, 18:] = 200  # within a small pixel of 4
    flow = np.zeros((1, 4, 8, 2), "float32")
    flow[:, :, 5:] = 1.0
    flow[:, :, 4] = 0.5
    large = FlowPreprocess(4).enlarge(tf.constant(flow), frames)[0, 8, :, 0].numpy()
    assert large[:18].max() < 0.2 and large[18:].min() > 3.8
