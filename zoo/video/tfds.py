"""Videos of TensorFlow Datasets, by name."""

import tensorflow as tf

from zoo.data.example_pipeline import Stream
from zoo.data.tfds import data_set_of, import_tfds
from zoo.errors import ZooError, carried

# Names that are accepted without "tfds:".
WELL_KNOWN = ("moving_mnist", "ucf101")
_FEATURES = ("video", "image_sequence")
LABEL = "label"


class TfdsVideos:
    """A data set of TensorFlow Datasets with moving pictures and, for classifiers, one label.

    It is read anew in every epoch. Examples are shuffled within a buffer as they are stored, each
    frame an image file of its own, and only the frames that are used are decoded. TFDS does not
    say at what rate frames follow one another: they are taken to have the model's.

    Args:
        data: `zoo.data.tfds.TfdsData`.

    Attributes:
        class_names: tuple of str, empty if there are no labels.

    Raises:
        ZooError: if the data set has no moving pictures of 8 bits, or several features of them
            and none is named "video" or "image_sequence".
    """

    def __init__(self, data):
        self._data, features = data, data.builder.info.features
        kinds = import_tfds(data.name).features
        found = [name for name, feature in features.items() if isinstance(feature, kinds.Video)]
        named = [name for name in _FEATURES if name in found]
        if not named and len(found) != 1:
            raise ZooError(
                "A data set of videos must have one feature of type Video, or one that is named "
                f"{' or '.join(_FEATURES)}. Received: {data.name!r} with {', '.join(features)}."
            )
        self._feature = (named or found)[0]
        *_, self._num_channels = features[self._feature].shape
        dtype = features[self._feature].np_dtype
        if dtype != "uint8":
            raise ZooError(f"Frames must have 8 bits. Received: {dtype} in {data.name!r}.")
        has_labels = LABEL in features and isinstance(features[LABEL], kinds.ClassLabel)
        self.class_names = data.class_names(LABEL) if has_labels else ()

    @property
    def name(self):
        """The data set's name."""
        return self._data.name

    @property
    def splits(self):
        """Names of the splits, "train" first."""
        return tuple(self._data.parts)

    def stream(self, split, example) -> Stream:
        """Returns the `Stream` of a split whose examples `example` makes."""
        data, decode = self._data, import_tfds(self.name).decode

        class SkipFrames(decode.SkipDecoding):
            """Leaves all frames as they are at once, where TFDS's own class loops over them."""

            def decode_batch_example(self, frames):
                return frames

        return Stream(
            data.num_examples(split),
            lambda: data.dataset(split, {self._feature: SkipFrames()}),
            example,
            data.shuffle_buffer(split),
        )

    def frames(self, stored, at_least=1):
        """Returns the encoded frames of an example as stored, strings (n,).

        If they are fewer than `at_least`, the dataset ends with an error that
        `zoo.data.pipeline.data_error` understands.
        """
        frames = stored[self._feature]
        problem = carried(f"The videos of {self.name} must have at least {at_least} frames each.")
        enough = tf.debugging.Assert(tf.shape(frames)[0] >= at_least, [problem])
        with tf.control_dependencies([enough]):
            return tf.identity(frames)

    def decode(self, frame):
        """Returns uint8 (h, w, channels) of an encoded frame."""
        pixels = tf.io.decode_image(frame, self._num_channels, expand_animations=False)
        return tf.ensure_shape(pixels, (None, None, self._num_channels))

    def label(self, stored):
        """Returns the number of an example's class, scalar int64; -1: there is none."""
        return stored[LABEL] if self.class_names else tf.constant(-1, tf.int64)


def open_tfds_videos(spec, hold_out=False):
    """Returns the `TfdsVideos` that a specification of data names, None if it names none.

    Args:
        spec: str or path-like, "tfds:NAME", or NAME alone for those in `WELL_KNOWN`; see
            `zoo.data.tfds`.
        hold_out: see `zoo.data.tfds.TfdsData`.
    """
    data = data_set_of(spec, WELL_KNOWN, hold_out)
    return None if data is None else TfdsVideos(data)
