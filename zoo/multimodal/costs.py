"""What autoencoders of clips have around their blocks, for `zoo.costs`.

Neither Keras nor TensorFlow is loaded.
"""

import math

from perceiver_tf.layers.reading import Rows
from perceiver_tf.models.costs import ClipQueries
from zoo.multimodal.configs import MODALITIES
from zoo.surroundings import Surroundings


def around_clips(config) -> Surroundings:
    """Returns what describes the sound, the video and the label, what asks for them, and the heads.

    In training a clip is there twice, as inputs and as targets.
    """
    content = _content_channels(config)
    queried = {"audio": 0, "image": 0, "label": config.label_query_channels}
    paddings = _paddings(config, content, config.min_input_padding)
    query_paddings = _paddings(config, queried, config.min_query_padding)
    rows = _rows(config, content, paddings)
    queries = _queries(config, queried, query_paddings)
    hidden, width = config.output_channels, queries[0].rows.channels
    num_queries = sum(part.rows.length for part in queries)
    heads = [part.output_channels[-1] for part in queries]
    outputs = sum(part.rows.length * head for part, head in zip(queries, heads, strict=True))
    points = sum(part.rows.length for part in queries if part.are_points)
    patches = sum(part.length * part.content_channels for part in rows)
    mask_tokens = len(MODALITIES) * rows[0].channels
    latents = config.architecture.num_latents * config.architecture.latent_channels
    return Surroundings(
        rows=rows,
        queries=queries,
        multiply_adds=hidden * (num_queries * width + outputs),
        num_weights=latents
        + mask_tokens
        + sum(paddings.values())
        + config.label_query_channels
        + sum(query_paddings.values())
        + (width + 1) * hidden
        + (hidden + 1) * sum(heads),
        held=2 * patches + points,
        forward=patches + points + 2 * outputs,
        kept=2 * patches + points + 2 * outputs,  # targets, and how far the outputs are from them
        rows_have_gradients=True,
    )


def _content_channels(config):
    """Returns how many numbers a row of each modality holds of the clip."""
    patch = math.prod(config.image_patch) * config.image_shape[-1]
    return {"audio": config.audio_patch, "image": patch, "label": config.num_classes}


def _axis_channels(config):
    """Returns the widths of the position tables of each modality's axes."""
    audio, image = 2 * config.num_audio_bands + 1, 2 * config.num_image_bands + 1
    return {"audio": (audio,), "image": (image,) * 3, "label": ()}


def _paddings(config, content, min_padding):
    """Returns the width of what fills the rows of each modality up to that of the widest."""
    tables = _axis_channels(config)
    own = {name: content[name] + sum(tables[name]) for name in MODALITIES}
    return {name: max(own.values()) + min_padding - own[name] for name in MODALITIES}


def _rows(config, content, paddings):
    """Returns the `Rows` of each modality; of a masked one there is but its mask token."""
    grids, tables = _grids(config, config.image_patch), _axis_channels(config)
    rows = []
    for name in MODALITIES:
        part = _filled_up(grids[name], content[name], tables[name], paddings[name])
        if name in config.masked:
            part = _filled_up(grids[name], 0, (0,) * len(tables[name]), part.channels)
        rows.append(part)
    return tuple(rows)


def _queries(config, content, paddings):
    """Returns the `ClipQueries` of each modality; those of points hold their Fourier features."""
    grids, tables = _grids(config, config.image_output_patch), _axis_channels(config)
    points = {"audio": config.num_audio_points, "image": config.num_image_points}
    colours = config.image_shape[-1]
    heads = _content_channels(config) | {"image": math.prod(config.image_output_patch) * colours}
    queries = []
    for name in MODALITIES:
        number = points.get(name)
        if number is None:
            rows = _filled_up(grids[name], content[name], tables[name], paddings[name])
        else:
            rows = _filled_up((number,), sum(tables[name]), (), paddings[name])
        queries.append(ClipQueries(rows, number is not None, (config.output_channels, heads[name])))
    return queries


def _filled_up(sizes, content_channels, axis_channels, padding):
    """Returns `Rows` with a constant, which counts to the table of the first axis."""
    if not axis_channels:
        return Rows(sizes, content_channels, (), padding)
    first, *others = axis_channels
    return Rows(sizes, content_channels, (first + padding, *others))


def _grids(config, image_patch):
    """Returns how many patches lie along each axis of each modality."""
    pairs = zip(config.image_shape, image_patch, strict=False)
    return {
        "audio": (config.num_audio_samples // config.audio_patch,),
        "image": tuple(size // patch for size, patch in pairs),
        "label": (1,),
    }
