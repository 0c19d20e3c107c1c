"""Perceiver IO (arXiv:2107.14795)."""

import keras

from perceiver_tf.layers.cross_attend import CrossAttend
from perceiver_tf.layers.latents import LatentArray
from perceiver_tf.models import encoder
from perceiver_tf.models.configs import PerceiverIOConfig


def perceiver_io(
    inputs,
    adapter,
    queries,
    num_outputs=None,
    config=None,
    queries_mask=None,
    name="perceiver_io",
    views=None,
    **overrides,
):
    """Return a Perceiver IO as a functional `keras.Model`.

    The latents read the inputs once and pass the latent transformer; then every query reads
    the latents (section 3.2 and figure 2 of the paper).

    Args:
        inputs: `keras.Input`, or a dict of them.
        adapter: layer (or function of layers) from `inputs` to a byte array.
        queries: layer (or function of layers) from `inputs` to the decoder's queries, a tensor
            `(b, n, query_channels)` or another byte array; for instance `LatentArray(1, 1024)`
            for one trained query, `FourierQueries(...)` for one per point of a grid, or
            `lambda inputs: inputs["queries"]` for such that come with the data.
        num_outputs: int, width of each output; None returns the decoded queries unprojected.
        config: `PerceiverIOConfig`; None: the defaults, the released ImageNet models.
        queries_mask: function from `inputs` to bool `(b, n)`, False for queries that are padding;
            None: none is, or as Keras's own mask of the queries says.
        name: str, name of the model.
        views: layer (or function of layers) from `inputs` to what is read in place of them, for
            instance `ImageViews(mirrored=True)`; outputs and features are then those of the views.
        **overrides: fields of `PerceiverIOConfig` to replace.

    Returns:
        `keras.Model` from `inputs` to float32 `(b, n, num_outputs)`.

    Raises:
        ValueError: if a field has an invalid value.
        TypeError: if there is no such field, or `config` is of another class.
    """
    config = encoder.configured(PerceiverIOConfig, config, overrides)
    seen = inputs if views is None else views(inputs)
    byte_array = adapter(seen)
    latents = LatentArray(
        config.num_latents, config.latent_channels, config.latent_init_scale, name="latents"
    )(seen)
    latents = encoder.cross_attend(config, "cross_attend")(latents, byte_array)
    latents = encoder.latent_transformer(config, "latent_transformer")(latents)
    outputs = CrossAttend(
        num_heads=config.num_decoder_heads,
        qk_channels=config.decoder_qk_channels,
        v_channels=config.decoder_v_channels,
        widening_factor=config.decoder_widening_factor,
        use_query_residual=config.use_decoder_query_residual,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
        gelu=config.gelu,
        name="decoder",
    )(queries(seen), latents, queries_mask=queries_mask and queries_mask(seen))
    if num_outputs is not None:
        outputs = keras.layers.Dense(num_outputs, name="outputs", dtype="float32")(outputs)
    return keras.Model(inputs, outputs, name=name)
