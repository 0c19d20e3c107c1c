"""Whether XLA can compile a training step."""

import tensorflow as tf


def decodes_in_blocks(model, batch_size) -> bool:
    """Says whether a model makes its outputs in a loop, for batches of this size.

    What would take too much memory is computed in blocks, one after the other, see
    `perceiver_tf.layers.streaming`. Under TensorFlow XLA compiles the gradient of a loop that adds
    up what blocks of inputs give, but not of one that puts blocks of outputs side by side.

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
    loops = [node for node in nodes if node.op in ("While", "StatelessWhile")]
    # Outputs side by side are a list, which is of the type "variant".
    return any(tf.variant.as_datatype_enum in loop.attr["T"].list.type for loop in loops)
