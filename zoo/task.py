"""What the zoo does with models of one kind."""

from collections.abc import Callable
from dataclasses import dataclass


def _unchanged(config, pipeline):
    return config, pipeline


def _no_conditions(config):
    return {}


@dataclass(frozen=True)
class Task:
    """How models of one kind are built, fed, trained, served and used.

    Attributes:
        build_model: callable from `(config, name)` to a functional `keras.Model`.
        build_pipeline: callable from `(config, source_spec, skip_corrupt=False)` to the pipeline.
        compiled: callable from `(config, recipe)` to the arguments of `keras.Model.compile` but
            the optimiser: loss and metrics.
        headline: name of the metric that is shown, drawn and reported first, such as "accuracy".
        served: callable from `(model, preprocess, class_names)` to an object whose method
            `endpoints()` returns a dict from names to `(function, list of tf.TensorSpec)`. The
            specs are named as the endpoint's arguments; the function takes the tensors in their
            order and returns a dict of tensors.
        predict: callable from `(endpoints, items)` and the keywords `out`, `console`, `top`,
            `skip_corrupt` and `batch_size` to a report, a dict that JSON can hold; see
            `perceiver-zoo predict`.
        signature: an endpoint that no other kind of model has; tells a SavedModel's kind.
        adapted: callable from `(config, pipeline)` to both for the number of classes that the
            data has.
        conditions: callable from `(config)` to a dict from names, such as "without_audio", to
            functions from a batch's inputs to inputs: a model is evaluated under each of these as
            well, see `zoo.training.train.evaluate`.
    """

    build_model: Callable
    build_pipeline: Callable
    compiled: Callable
    headline: str
    served: Callable
    predict: Callable
    signature: str
    adapted: Callable = _unchanged
    conditions: Callable = _no_conditions
