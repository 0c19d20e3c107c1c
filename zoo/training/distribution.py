"""Chooses the devices of a training run, through `tf.distribute`."""

from zoo.errors import ZooError

STRATEGIES = ("auto", "one_device", "mirrored", "tpu")


def get_strategy(name: str = "auto"):
    """Returns the `tf.distribute.Strategy` to build, compile and train a model under.

    Create the model and its optimiser, and call `compile`, inside `strategy.scope()`.

    Several devices give the weights of one, up to the order of float32 sums, with two exceptions:
    clipping (see `zoo.recipes.optimizers.build_optimizer`), and a last batch that the devices
    cannot share evenly: Keras averages over the devices, so an example on the device with fewer
    counts more.

    Args:
        name: "one_device" (TensorFlow's default strategy: one GPU if there is one, else the
            CPU), "mirrored" (every GPU of this machine, or every logical CPU device where
            there is no GPU), "tpu" (the TPU of this machine; not run by this project's
            tests), or "auto": "tpu" if there is one, "mirrored" if there is more than one
            GPU, else "one_device".

    Returns:
        A strategy; `strategy.num_replicas_in_sync` devices share each batch.

    Raises:
        ZooError: If `name` is unknown, or there is no TPU for "tpu".
    """
    if name not in STRATEGIES:
        raise ZooError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. Received: strategy={name!r}."
        )
    import tensorflow as tf

    if name == "auto":
        name = _choose(tf)
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices(kind)]
        )
    if name == "tpu":
        return _tpu_strategy(tf)
    return tf.distribute.get_strategy()


def _choose(tf):
    if tf.config.list_physical_devices("TPU"):
        return "tpu"
    return "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one_device"


def _tpu_strategy(tf):
    if not tf.config.list_physical_devices("TPU"):
        raise ZooError("`strategy` 'tpu' must run on a machine with a TPU. Received: no TPU found.")
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def resolve_jit_compile(jit_compile, strategy):
    """Returns the `jit_compile` that works under a strategy.

    XLA cannot compile a step over the variables of several devices (TensorFlow documents it
    under "xla/known_issues"), and a TPU compiles by itself: under any strategy other than
    TensorFlow's default one the answer is False.

    Args:
        jit_compile: "auto", True or False, as in `keras.Model.compile`.
        strategy: a `tf.distribute.Strategy`.

    Raises:
        ZooError: If `jit_compile` is True under a strategy that cannot have it.
    """
    if not is_distributed(strategy):
        return jit_compile
    if jit_compile is True:
        raise ZooError(
            "`jit_compile` must be 'auto' or False on several devices or a TPU. "
            f"Received: jit_compile=True under {type(strategy).__name__}."
        )
    return False


def is_distributed(strategy) -> bool:
    """Says whether a strategy is other than TensorFlow's default one (one device, no copies)."""
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MirroredStrategy | tf.distribute.TPUStrategy)


def needs_static_shapes(strategy) -> bool:
    """Says whether every training batch must have the same shape, as TPUs want."""
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.TPUStrategy)


def check_batch_size(batch_size: int, num_examples: int, strategy):
    """Raises a `ZooError` if the devices cannot share the training batches evenly.

    Only the last batch of an epoch may be ragged: Keras averages the first batch over the
    devices to learn its shape, which needs parts of equal size.
    """
    devices = strategy.num_replicas_in_sync
    if min(batch_size, num_examples) % devices:
        raise ZooError(
            f"`batch_size` must be divisible by the number of devices, {devices}, and there must "
            f"be that many examples. Received: batch_size={batch_size}, {num_examples} examples."
        )


def even_batch_size(batch_size: int, num_examples: int, strategy) -> int:
    """Returns the largest batch size up to `batch_size` that the devices can share evenly.

    The first batch is even as well, so a held-out split of any size can be measured.

    Raises:
        ZooError: If there are more devices than examples.
    """
    devices = strategy.num_replicas_in_sync
    if num_examples < devices:
        raise ZooError(
            f"A split must have at least one example for each of the {devices} devices. "
            f"Received: {num_examples} examples."
        )
    return max(min(batch_size, num_examples) // devices, 1) * devices
