"""Whether XLA can compile a training step."""

import tensorflow as tf


def has_loops(model, batch_size) -> bool:
    """Says whether a model computes something in a loop for batches of this size.

    Attention whose scores would take too much is computed in blocks, one after the other, see
    `perceiver_tf.layers.streaming`. Under TensorFlow XLA compiles such a loop, but not its
    gradient.

    Args:
        model: `keras.Model`, built.
        batch_size: int, examples of a batch.
    """
    inputs = tf.nest.map_structure(
        lambda x: tf.TensorSpec((batch_size, *x.shape[1:]), x.dtype), model.input
    )
    step = tf.function(lambda x: model(x, training=True), autograph=False)
    graph = step.get_concrete_function(inputs).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return any(node.op in ("While", "StatelessWhile") for node in nodes)
