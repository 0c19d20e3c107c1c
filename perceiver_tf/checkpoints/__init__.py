"""Published weights: read, checked tensor by tensor, given to a model, and written back.

Sources are folders in the format of Hugging Face's transformers, names on its hub, and the
pickles that DeepMind released. Nothing here needs PyTorch, JAX or Haiku.
"""

from perceiver_tf.checkpoints.errors import CheckpointError
from perceiver_tf.checkpoints.heads import HEADS, head_of
from perceiver_tf.checkpoints.huggingface_saving import save_huggingface
from perceiver_tf.checkpoints.loading import assign, load_checkpoint
from perceiver_tf.checkpoints.sizes import architecture_sizes
from perceiver_tf.checkpoints.sources import is_checkpoint, open_checkpoint

__all__ = [
    "HEADS",
    "CheckpointError",
    "architecture_sizes",
    "assign",
    "head_of",
    "is_checkpoint",
    "load_checkpoint",
    "open_checkpoint",
    "save_huggingface",
]
