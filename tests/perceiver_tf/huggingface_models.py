"""Models of transformers' Perceiver to compare with: their settings, weights and inputs.

Weights are drawn from numpy's frozen legacy generator, seeded by their name, so that a test has
them without transformers. None is zero, also where transformers starts from zeros.
"""

import zlib

import numpy as np

HEADS = {
    "masked_language": "PerceiverForMaskedLM",
    "text_classification": "PerceiverForSequenceClassification",
    "image_learned": "PerceiverForImageClassificationLearned",
    "image_fourier": "PerceiverForImageClassificationFourier",
    "image_conv": "PerceiverForImageClassificationConvProcessing",
    "flow": "PerceiverForOpticalFlow",
    "multimodal": "PerceiverForMultimodalAutoencoding",
}
_NAMES = {0: "cat", 1: "dog", 2: "owl", 3: "fox", 4: "elk"}
_TEXT = {
    "num_latents": 7,
    "d_latents": 16,
    "num_blocks": 1,
    "num_self_attends_per_block": 3,
    "qk_channels": 8,
    "v_channels": 16,
    "d_model": 24,
    "max_position_embeddings": 20,
}
_IMAGE = {
    "num_latents": 7,
    "d_latents": 16,
    "num_blocks": 2,
    "num_self_attends_per_block": 2,
    "num_self_attention_heads": 4,
    "num_cross_attention_heads": 1,
    "id2label": _NAMES,
}
SMALL = {
    "masked_language": _TEXT,
    "text_classification": {**_TEXT, "num_labels": 3},
    "image_learned": {**_IMAGE, "image_size": 6},
    "image_fourier": {**_IMAGE, "cross_attention_widening_factor": 2},
    "image_conv": {**_IMAGE, "self_attention_widening_factor": 2},
    "flow": {
        "num_latents": 5,
        "d_latents": 16,
        "num_blocks": 1,
        "num_self_attends_per_block": 3,
        "num_self_attention_heads": 4,
        "num_cross_attention_heads": 1,
        "train_size": [6, 10],
    },
    "multimodal": {
        "num_latents": 7,
        "d_latents": 16,
        "num_blocks": 1,
        "num_self_attends_per_block": 2,
        "num_self_attention_heads": 4,
        "num_cross_attention_heads": 1,
        "num_labels": 6,
        "image_size": 2,
        "num_frames": 2,
        "audio_samples_per_frame": 32,
        "samples_per_patch": 8,
        "output_shape": [1, 2, 8, 12],
        "output_num_channels": 14,
        "_label_trainable_num_channels": 10,
    },
}
_IMAGENET = {
    "num_latents": 512,
    "d_latents": 1024,
    "num_blocks": 8,
    "num_self_attends_per_block": 6,
    "num_cross_attention_heads": 1,
    "num_labels": 1000,
}
_LANGUAGE = {"qk_channels": 256, "v_channels": 1280}
FULL = {
    "masked_language": _LANGUAGE,
    "text_classification": _LANGUAGE,
    "image_learned": {**_IMAGENET, "image_size": 224},
    "image_fourier": _IMAGENET,
    "image_conv": _IMAGENET,
    "flow": {
        "num_latents": 2048,
        "d_latents": 512,
        "num_self_attends_per_block": 24,
        "num_self_attention_heads": 16,
        "num_cross_attention_heads": 1,
    },
    "multimodal": {
        "num_latents": 784,
        "d_latents": 512,
        "num_self_attends_per_block": 8,
        "num_cross_attention_heads": 1,
        "num_labels": 700,
    },
}
IMAGE_SHAPES = {"image_learned": (6, 6, 3), "image_fourier": (10, 12, 3), "image_conv": (21, 26, 3)}


def tensor(name, shape):
    """Return the float32 values of a weight, and the only integer, the batches counted, as 0."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    numbers = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        numbers = 0.5 + np.abs(numbers)
    elif len(shape) == 1:
        numbers = 0.2 * numbers + (1.0 if name.endswith("weight") else 0.0)
    elif any(part in name for part in ("latents", "embeddings", "padding", "mask")):
        numbers *= 0.5
    else:
        numbers /= np.sqrt(np.prod(shape[1:]))
    return numbers.astype("float32")


def inputs(head, image_shape=None, length=13, max_length=20):
    """Return the inputs of a head as the Keras models take them.

    Args:
        head: one of `HEADS`.
        image_shape: shape of one image, of (frames, height, width, channels) of a clip, or of
            the frames of a flow.
        length, max_length: tokens of the longest text and of the padding.
    """
    random = np.random.RandomState(7)
    if head in ("masked_language", "text_classification"):
        mask = np.arange(length)[None] < np.array([[length], [length * 2 // 3]])
        return {"token_ids": random.randint(6, 262, mask.shape).astype("int32"), "mask": mask}
    if head == "flow":
        return {"frames": random.uniform(-1, 1, (1, 2, *image_shape, 3)).astype("float32")}
    if head == "multimodal":
        frames, samples = image_shape[0], 32 if image_shape[1] < 100 else 1920
        return {
            "audio": random.uniform(-1, 1, (1, frames * samples, 1)).astype("float32"),
            "image": random.uniform(0, 1, (1, *image_shape)).astype("float32"),
        }
    return {"images": random.standard_normal((2, *image_shape)).astype("float32")}
