"""What DeepMind's released code (Haiku) calls the tensors of each head."""

from perceiver_tf.checkpoints.layouts import CHANNELS, POINTWISE_HAIKU, ROW, SAME
from perceiver_tf.checkpoints.names import Names

_POSITIONS = "trainable_position_encoding/pos_embs"
_SELF_ATTEND_PARTS = {
    "queries_norm": "layer_norm",
    "attention/query": "attention/linear",
    "attention/key": "attention/linear_1",
    "attention/value": "attention/linear_2",
    "attention/attention_output": "attention/linear_3",
    "mlp_norm": "layer_norm_1",
    "mlp/hidden": "mlp/linear",
    "mlp/output": "mlp/linear_1",
}
_CROSS_ATTEND_PARTS = {
    **_SELF_ATTEND_PARTS,
    "attention/inputs_norm": "layer_norm_1",
    "mlp_norm": "layer_norm_2",
}
_LEAVES = {
    "kernel": ("w", SAME),
    "bias": ("b", SAME),
    "gamma": ("scale", SAME),
    "beta": ("offset", SAME),
}
_STEM = "image_preprocessor/~/conv2_d_downsample/~"
_LEARNED = "image_preprocessor/~_build_network_inputs"
DECODERS = {
    "image_fourier": "classification_decoder/~/basic_decoder",
    "image_learned": "classification_decoder/~/basic_decoder",
    "image_conv": "classification_decoder/~/basic_decoder",
    "flow": "flow_decoder/~/basic_decoder",
    "masked_language": "basic_decoder",
    "multimodal": "multimodal_decoder/~/basic_decoder",
}


def deepmind_names(head):
    """Return the `Names` of a head, one of `DECODERS`."""
    decoder = DECODERS[head]
    encoder = "encoder/~" if head == "multimodal" else "perceiver_encoder/~"
    layers, variables = _ADAPTERS[head]
    query = (f"{decoder}/~/{_POSITIONS}", SAME)
    own = {"query/latents": query, "queries/queries": query}
    return Names(
        separator="/",
        cross_attend=f"{encoder}/cross_attention",
        decoder=f"{decoder}/cross_attention",
        self_attend=lambda index: f"{encoder}/self_attention{_suffix(index)}",
        cross_attend_parts=_CROSS_ATTEND_PARTS,
        self_attend_parts=_SELF_ATTEND_PARTS,
        leaves=_LEAVES,
        layers={"outputs": f"{decoder}/output", **layers},
        variables={"latents/latents": (f"{encoder}/{_POSITIONS}", SAME), **own, **variables},
        unread=_STEM_STATE if head == "image_conv" else (),
    )


def _suffix(index):
    """Haiku numbers modules of one name from the second on."""
    return f"_{index}" if index else ""


def _moment(name, which):
    return f"{_STEM}/batchnorm/~/{name}/{which}"


# The averages without the correction for their start, and how often they were updated.
_STEM_STATE = tuple(
    _moment(name, which) for name in ("mean_ema", "var_ema") for which in ("hidden", "counter")
)
_QUERIES, _CLIP_INPUTS = "multimodal_decoder/~decoder_query", "multimodal_preprocessor"
_CLIP = {"decoder/label_query/latents": (f"{DECODERS['image_conv']}/~/{_POSITIONS}", SAME)}
for _modality in ("audio", "image", "label"):
    _CLIP |= {
        f"inputs/{_modality}_{ours}": (f"{_CLIP_INPUTS}/{_modality}_{theirs}/pos_embs", ROW)
        for ours, theirs in (("padding/padding", "padding"), ("mask_token/token", "mask_token"))
    }
    query_padding = f"{_QUERIES}/{_modality}_padding/pos_embs"
    _CLIP[f"decoder/{_modality}_padding/padding"] = (query_padding, ROW)
# Of each head, the modules of its layers and the tensors of its variables beside the blocks.
_ADAPTERS = {
    "image_fourier": ({}, {}),
    "image_learned": (
        {
            "inputs/content_projection": "image_preprocessor/~/conv2_d",
            "inputs/position_projection": f"{_LEARNED}/position_encoding_projector/linear",
        },
        {
            "inputs/positions/positions": (f"{_LEARNED}/{_POSITIONS}", SAME),
            "inputs/content_projection/kernel": (
                "image_preprocessor/~/conv2_d/w",
                POINTWISE_HAIKU,
            ),
        },
    ),
    "image_conv": (
        {"inputs/convolution": f"{_STEM}/conv"},
        {
            "inputs/normalization/gamma": (f"{_STEM}/batchnorm/scale", CHANNELS),
            "inputs/normalization/beta": (f"{_STEM}/batchnorm/offset", CHANNELS),
            "inputs/normalization/moving_mean": (_moment("mean_ema", "average"), CHANNELS),
            "inputs/normalization/moving_variance": (_moment("var_ema", "average"), CHANNELS),
        },
    ),
    "flow": ({"inputs/content_projection": "image_preprocessor/patches_linear"}, {}),
    "masked_language": (
        {"logits": "embedding_decoder"},
        {
            "token_embedding/embeddings": ("embed/embeddings", SAME),
            "inputs/positions": (_POSITIONS, SAME),
            "logits/bias": ("embedding_decoder/bias", SAME),
        },
    ),
    "multimodal": (
        {
            "decoder/outputs": f"{DECODERS['multimodal']}/output",
            "decoder/audio_head": "audio_postprocessor/linear",
            "decoder/image_head": "projection_postprocessor/linear",
            "decoder/label_head": "classification_postprocessor/linear",
        },
        _CLIP,
    ),
}
