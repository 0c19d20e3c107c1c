"""The one exception about checkpoints."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, refused, or of another model. One clear line."""
