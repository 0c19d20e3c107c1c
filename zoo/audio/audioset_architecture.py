"""The architecture that the models of sound and video on AudioSet share."""

from perceiver_tf.models.configs import PerceiverConfig


def audioset_architecture():
    """Returns what arXiv:2103.03206 section 4.2 and appendix print, and the width of the latents.

    The Perceiver that arXiv:2107.14795 compares itself to on AudioSet has 512 channels.
    """
    return PerceiverConfig(
        latent_channels=512,
        num_cross_attends=2,
        num_self_attends_per_block=8,
        sharing="none",
    )
