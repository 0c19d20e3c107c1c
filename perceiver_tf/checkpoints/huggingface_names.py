"""What transformers calls the tensors of each head."""

from perceiver_tf.checkpoints.layouts import CONVOLUTION, POINTWISE, ROW, SAME, TRANSPOSED
from perceiver_tf.checkpoints.names import Names

_ENCODER, _INPUTS = "perceiver.encoder", "perceiver.input_preprocessor"
_SELF_ATTEND_PARTS = {
    "queries_norm": "attention.self.layernorm1",
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/attention_output": "attention.output.dense",
    "mlp_norm": "layernorm",
    "mlp/hidden": "mlp.dense1",
    "mlp/output": "mlp.dense2",
}
_CROSS_ATTEND_PARTS = {**_SELF_ATTEND_PARTS, "attention/inputs_norm": "attention.self.layernorm2"}
_LEAVES = {
    "kernel": ("weight", TRANSPOSED),
    "bias": ("bias", SAME),
    "gamma": ("weight", SAME),
    "beta": ("bias", SAME),
    "moving_mean": ("running_mean", SAME),
    "moving_variance": ("running_var", SAME),
}
NUM_BATCHES = f"{_INPUTS}.convnet.batchnorm.num_batches_tracked"


def huggingface_names(head):
    """Return the `Names` of a head, one of `heads.HEADS`."""
    decoder = "perceiver.decoder" if head == "masked_language" else "perceiver.decoder.decoder"
    layers, variables = _ADAPTERS[head]
    query = (f"{decoder}.output_position_encodings.position_embeddings", SAME)
    own = {"query/latents": query, "queries/queries": query}
    return Names(
        separator=".",
        cross_attend=f"{_ENCODER}.cross_attention",
        decoder=f"{decoder}.decoding_cross_attention",
        self_attend=lambda index: f"{_ENCODER}.self_attends.{index}",
        cross_attend_parts=_CROSS_ATTEND_PARTS,
        self_attend_parts=_SELF_ATTEND_PARTS,
        leaves=_LEAVES,
        layers={"outputs": f"{decoder}.final_layer", **layers},
        variables={"latents/latents": ("perceiver.embeddings.latents", SAME), **own, **variables},
        unread=(NUM_BATCHES,) if head == "image_conv" else (),
    )


_TEXT = {
    "token_embedding/embeddings": (f"{_INPUTS}.embeddings.weight", SAME),
    "inputs/positions": (f"{_INPUTS}.position_embeddings.weight", SAME),
}
_LEARNED = {
    "inputs/positions/positions": (f"{_INPUTS}.position_embeddings.position_embeddings", SAME),
    "inputs/content_projection/kernel": (f"{_INPUTS}.convnet_1x1.weight", POINTWISE),
}
_HEADS = "perceiver.output_postprocessor.modalities"
_LABEL = "perceiver.decoder.modalities.label.decoder"
_CLIP = {
    "decoder/label_query/latents": (f"{_LABEL}.output_position_encodings.position_embeddings", SAME)
}
for _modality in ("audio", "image", "label"):
    _CLIP |= {
        f"inputs/{_modality}_padding/padding": (f"{_INPUTS}.padding.{_modality}", ROW),
        f"inputs/{_modality}_mask_token/token": (f"{_INPUTS}.mask.{_modality}", ROW),
        f"decoder/{_modality}_padding/padding": (f"perceiver.decoder.padding.{_modality}", ROW),
    }
# Of each head, the modules of its layers and the tensors of its variables beside the blocks.
_ADAPTERS = {
    "image_fourier": ({}, {}),
    "image_learned": (
        {
            "inputs/content_projection": f"{_INPUTS}.convnet_1x1",
            "inputs/position_projection": f"{_INPUTS}.positions_projection",
        },
        _LEARNED,
    ),
    "image_conv": (
        {"inputs/normalization": f"{_INPUTS}.convnet.batchnorm"},
        {"inputs/convolution/kernel": (f"{_INPUTS}.convnet.conv.weight", CONVOLUTION)},
    ),
    "flow": ({"inputs/content_projection": f"{_INPUTS}.conv_after_patches"}, {}),
    "masked_language": ({"logits": "embedding_decoder"}, _TEXT),
    "text_classification": ({}, _TEXT),
    "multimodal": (
        {
            "decoder/outputs": "perceiver.decoder.decoder.final_layer",
            "decoder/audio_head": f"{_HEADS}.audio.classifier",
            "decoder/image_head": f"{_HEADS}.image.classifier",
            "decoder/label_head": f"{_HEADS}.label.classifier",
        },
        _CLIP,
    ),
}
