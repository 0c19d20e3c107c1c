"""What is served of a classifier of sets: fields of entities in, named scores out."""

import tensorflow as tf

from zoo.predictions.served_scores import ServedScores

_OUTSIDE = "The categories must be from 0 to less than"
_NOT_FINITE = "The numbers must be finite"


class ServedSets(ServedScores):
    """The functions that are served of a classifier of sets.

    Args:
        model: functional `keras.Model` from the fields and `mask` to logits (b, k).
        preprocess: `zoo.sets.pipeline.SetPreprocess`, which is part of the graph.
        class_names: the k labels in the order of the logits, or None.

    Raises:
        ValueError: if the number of names is not the number of logits.
    """

    def endpoints(self):
        """Returns the functions that are served, by signature, with what they take."""
        specs = self._specs()
        return {
            "serving_default": (self.classify_sets, specs),
            "classify_sets": (self.classify_sets, specs),
            "set_format": (self.set_format, []),
        } | self._names_endpoint()

    def _specs(self):
        config, specs = self.preprocess.config, []
        if config.category_sizes:
            shape = (None, None, len(config.category_sizes))
            specs.append(tf.TensorSpec(shape, tf.int32, name="categories"))
        if config.num_numbers:
            shape = (None, None, config.num_numbers)
            specs.append(tf.TensorSpec(shape, tf.float32, name="numbers"))
        return [*specs, tf.TensorSpec((None, None), tf.bool, name="mask")]

    def classify_sets(self, *tensors):
        """Scores a batch of sets.

        Args:
            *tensors: what the model has of `categories` int32 (b, m, fields) and `numbers`
                float32 (b, m, g); and `mask` bool (b, m), False for entities that are not there,
                whose fields may hold anything; any m.

        Returns:
            `scores`, float32 (b, k), softmax over the classes; and `label`, string (b,), the
            name of the best class, if the names are known.
        """
        entities = {spec.name: x for spec, x in zip(self._specs(), tensors, strict=True)}
        with tf.control_dependencies(self._checks(entities)):
            entities = self.preprocess(entities)
        return self._scores(entities)

    def set_format(self):
        """Returns `category_sizes` int32 (fields,) and `num_numbers` int32."""
        config = self.preprocess.config
        return {
            "category_sizes": tf.constant(config.category_sizes, tf.int32),
            "num_numbers": tf.constant(config.num_numbers, tf.int32),
        }

    def _checks(self, entities):
        absent, checks = ~entities["mask"][..., None], []
        if "categories" in entities:
            sizes = self.preprocess.config.category_sizes
            is_known = (entities["categories"] >= 0) & (entities["categories"] < tf.constant(sizes))
            checks.append((is_known, f"{_OUTSIDE} {', '.join(map(str, sizes))}"))
        if "numbers" in entities:
            checks.append((tf.math.is_finite(entities["numbers"]), _NOT_FINITE))
        return [tf.debugging.Assert(tf.reduce_all(fits | absent), [s]) for fits, s in checks]
