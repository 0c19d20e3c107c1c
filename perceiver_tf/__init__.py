"""Perceiver models for Keras: latents, cross-attention and latent transformers.

Nothing heavy is imported until a name is used: `import perceiver_tf` loads neither Keras nor
a backend, prints nothing and takes milliseconds.
"""

import importlib

_MODULE_OF = {
    "AssembledRows": "perceiver_tf.layers.assembled_rows",
    "Attention": "perceiver_tf.layers.attention",
    "AverageWindows": "perceiver_tf.layers.windows",
    "BoTNetConfig": "perceiver_tf.models.configs",
    "ClipDecoder": "perceiver_tf.layers.clip_decoder",
    "ClipInputs": "perceiver_tf.layers.clip_inputs",
    "ConvStemInputs": "perceiver_tf.layers.inputs",
    "CostVolume": "perceiver_tf.layers.cost_volume",
    "CrossAttend": "perceiver_tf.layers.cross_attend",
    "CrossAttention": "perceiver_tf.layers.cross_attention",
    "EntityInputs": "perceiver_tf.layers.entity_inputs",
    "FlowInputs": "perceiver_tf.layers.patches",
    "FourierInputs": "perceiver_tf.layers.inputs",
    "FourierPositions": "perceiver_tf.layers.positions",
    "FourierQueries": "perceiver_tf.layers.queries",
    "ImageViews": "perceiver_tf.layers.image_views",
    "FrameViews": "perceiver_tf.layers.frame_views",
    "LatentArray": "perceiver_tf.layers.latents",
    "LatentTransformer": "perceiver_tf.layers.latent_transformer",
    "LearnedInputs": "perceiver_tf.layers.inputs",
    "LearnedPositions": "perceiver_tf.layers.positions",
    "MLP": "perceiver_tf.layers.blocks",
    "MaskToken": "perceiver_tf.layers.mask_token",
    "MaskedMean": "perceiver_tf.layers.masked_mean",
    "ModalityPadding": "perceiver_tf.layers.modalities",
    "MeanOfFlows": "perceiver_tf.layers.frame_views",
    "MeanOfViews": "perceiver_tf.layers.image_views",
    "Motion": "perceiver_tf.layers.motion",
    "NgramEmbedding": "perceiver_tf.layers.ngrams",
    "OutputBias": "perceiver_tf.layers.tokens",
    "PerceiverConfig": "perceiver_tf.models.configs",
    "PerceiverIOConfig": "perceiver_tf.models.configs",
    "PointInputs": "perceiver_tf.layers.inputs",
    "RelativeSelfAttention": "perceiver_tf.layers.relative_self_attention",
    "SelfAttend": "perceiver_tf.layers.blocks",
    "SpaceToDepth": "perceiver_tf.layers.space_to_depth",
    "StreamInputs": "perceiver_tf.layers.stream_inputs",
    "TokenEmbedding": "perceiver_tf.layers.tokens",
    "TokenInputs": "perceiver_tf.layers.tokens",
    "TokenQueries": "perceiver_tf.layers.tokens",
    "VideoInputs": "perceiver_tf.layers.video_inputs",
    "botnet": "perceiver_tf.models.botnet",
    "count_parameters": "perceiver_tf.models.skeleton",
    "fourier_features": "perceiver_tf.layers.positions",
    "load_model": "perceiver_tf.models.loading",
    "perceiver": "perceiver_tf.models.perceiver",
    "perceiver_io": "perceiver_tf.models.perceiver_io",
    "set_encoder": "perceiver_tf.models.set_encoder",
}

__all__ = sorted(_MODULE_OF)
__version__ = "0.1.0"


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'perceiver_tf' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *__all__]
