"""What `zoo.build` returns."""

import math
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Entry:
    """A model of the zoo together with the pipeline that feeds it.

    Attributes:
        name: name in the registry, such as "perceiver_digits_tiny".
        config: the configuration it was built from, overrides included.
        model: functional `keras.Model`; what it takes and returns, its configuration's builder
            says (`zoo.tasks`).
        pipeline: delivers the batches that the model takes: `zoo.data.pipeline.Pipeline` for
            images, `zoo.data.example_pipeline.ExamplePipeline` for all else.
        class_names: names of the classes that came with published weights, or None.
    """

    name: str
    config: Any
    model: keras.Model
    pipeline: Any
    class_names: tuple[str, ...] | None = None

    @property
    def parameters(self) -> int:
        """Number of trained weights, as in the list of models.

        Unlike `keras.Model.count_params`, without the moving averages of normalisations.
        """
        return sum(math.prod(weight.shape) for weight in self.model.trainable_weights)
