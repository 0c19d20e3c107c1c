"""The widths and counts of an architecture, from the shapes of a checkpoint's tensors."""

from perceiver_tf.checkpoints.errors import CheckpointError

_BLOCKS = {
    "cross_attention": "cross_attend",
    "self_attention": "latent_transformer/self_attend_0",
    "decoder": "decoder",
}


def architecture_sizes(checkpoint):
    """Return the fields of `PerceiverIOConfig` that the shapes of the tensors tell.

    Heads and passes through the latent transformer leave no trace in the shapes.

    Args:
        checkpoint: `Checkpoint`.

    Returns:
        dict from field to int.

    Raises:
        CheckpointError: if a tensor that tells one is missing.
    """
    num_latents, latent_channels = stored_shape(checkpoint, "latents/latents")
    sizes = {"num_latents": num_latents, "latent_channels": latent_channels}
    count = 0
    while _name(checkpoint, f"latent_transformer/self_attend_{count}/mlp/hidden/bias") in (
        checkpoint.shapes
    ):
        count += 1
    sizes["num_self_attends_per_block"] = count
    for field, block in _BLOCKS.items():
        if field == "decoder" and checkpoint.head == "multimodal":
            block = "decoder/cross_attend"
        for kind, layer in (("qk_channels", "query"), ("v_channels", "value")):
            shape = stored_shape(checkpoint, f"{block}/attention/{layer}/bias")
            sizes[f"{field}_{kind}"] = shape[-1]
        hidden = stored_shape(checkpoint, f"{block}/mlp/hidden/bias")[-1]
        channels = stored_shape(checkpoint, f"{block}/mlp/output/bias")[-1]
        sizes[f"{field}_widening_factor"] = hidden // channels
    return sizes


def stored_shape(checkpoint, path):
    """Return the shape of the tensor that belongs to the variable at a path.

    Raises:
        CheckpointError: if there is none.
    """
    name = _name(checkpoint, path)
    if name not in checkpoint.shapes:
        raise CheckpointError(
            f"The checkpoint {checkpoint.source} must hold the tensors of {checkpoint.head}. "
            f"Received: no {name!r}."
        )
    return checkpoint.shapes[name]


def _name(checkpoint, path):
    return checkpoint.names.stored(path)[0]
