"""What models of video with sound have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from zoo.surroundings import Surroundings, around_modalities, patches_of


def around_streams(config) -> Surroundings:
    """Returns the patches of the streams that the model reads, their embeddings, and the head."""
    of_stream = {"video": _video, "audio": _audio}
    parts = [of_stream[stream](config) for stream in config.streams]
    return around_modalities(parts, config.architecture, config.num_classes)


def _video(config):
    channels = config.seen_shape[-1] * (2 if config.use_motion else 1)
    patch = math.prod(config.image_patch) * channels
    return _patches(config, "video", patch, config.num_image_bands, math.prod(config.seen_shape))


def _audio(config):
    patch = config.audio_patch * config.audio_shape[1]
    return _patches(config, "audio", patch, config.num_audio_bands, math.prod(config.audio_shape))


def _patches(config, stream, patch, num_bands, num_inputs):
    grid = config.grids[stream]
    embedding = config.row_channels - patch - len(grid) * (2 * num_bands + 1)
    factor = config.patch_widening_factor
    return patches_of((*grid, patch), num_bands, num_inputs, factor, embedding)
