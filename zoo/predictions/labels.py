"""Names of classes: checked when a model is served, and put to its scores when it is used."""

import numpy as np
import tensorflow as tf


def checked_class_names(class_names, num_classes):
    """Returns the names as a tuple, None for None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """
    if class_names is None:
        return None
    if len(class_names) != num_classes:
        raise ValueError(
            "`class_names` must hold one name for each of the model's classes. "
            f"Received: {len(class_names)} names for {num_classes} classes."
        )
    return tuple(class_names)


def with_best_label(outputs, class_names):
    """Returns a served classifier's outputs, and if the names are known the best one.

    Args:
        outputs: dict with `scores`, float32 (b, k).
        class_names: tuple of k names, or None.

    Returns:
        dict, with `label`, string (b,), if there are names.
    """
    if class_names is None:
        return outputs
    best = tf.argmax(outputs["scores"], axis=-1)
    return {**outputs, "label": tf.gather(class_names, best)}


def served_class_names(endpoints):
    """Returns the names that the endpoint "class_names" gives, a list of str; None without it."""
    if "class_names" not in endpoints:
        return None
    return [name.decode() for name in endpoints["class_names"]()["class_names"].numpy()]


def best_labels(scores, names, top):
    """Returns the best classes of one example, best first.

    Args:
        scores: float numpy array (k,).
        names: sequence of k names, or None: classes are called by their numbers.
        top: int, how many.

    Returns:
        list of dicts of "label" and "score", for JSON.
    """
    order = np.argsort(-scores, kind="stable")[:top]
    return [
        {"label": str(index) if names is None else names[index], "score": float(scores[index])}
        for index in order
    ]
