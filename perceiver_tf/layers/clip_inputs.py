"""The adapter of clips: sound, video and label in one byte array (arXiv:2107.14795 section 4.3)."""

import keras
from keras import ops

from perceiver_tf.layers.mask_token import MaskToken
from perceiver_tf.layers.modalities import ModalityPadding
from perceiver_tf.layers.positions import FourierPositions, fourier_channels
from perceiver_tf.layers.space_to_depth import patch_counts, space_to_depth

MODALITIES = ("audio", "image", "label")


@keras.saving.register_keras_serializable("perceiver_tf")
class ClipInputs(keras.layers.Layer):
    """Describes patches of sound, patches of video and the label, filled up to one width.

    The adapter of the multimodal autoencoder (arXiv:2107.14795 section 4.3 and the released code,
    whose widths the defaults have: 704 channels). Sound and video have Fourier positions of
    their patches; every modality has a trained vector that fills its rows up, and another one, the
    mask token, that stands for all of its rows where the modality is masked. In the published
    model the label is always masked: it is read off the clip.

    Args:
        image_shape: (frames, height, width, channels) of the video.
        num_audio_samples: int, length of the sound.
        num_classes: int, width of the one-hot label.
        image_patch: (frames, rows, columns) of a patch.
        audio_patch: int, samples of a patch.
        num_image_bands, image_max_resolution: of the Fourier positions of the video's patches.
        num_audio_bands, audio_max_resolution: of those of the sound's patches.
        min_padding: int, width of the shortest padding.
        masked: tuple of names of `MODALITIES` that the model does not see.

    Call arguments:
        inputs: dict of what is not masked: `audio` float `(b, num_audio_samples, 1)` in [-1, 1],
            `image` float `(b, *image_shape)` in [0, 1], `label` float `(b, num_classes)` one-hot.

    Returns:
        list of three descriptions, a byte array of audio, image and label.

    Raises:
        ValueError: if a name in `masked` is unknown or nothing is left to see, a patch does not
            divide its modality, or a modality that is not masked is missing.
    """

    def __init__(
        self,
        image_shape=(16, 224, 224, 3),
        num_audio_samples=30720,
        num_classes=700,
        image_patch=(1, 4, 4),
        audio_patch=16,
        num_image_bands=32,
        image_max_resolution=(16, 56, 56),
        num_audio_bands=192,
        audio_max_resolution=30720,
        min_padding=4,
        masked=("label",),
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if not set(masked) < set(MODALITIES):
            raise ValueError(
                f"`masked` must name some of {MODALITIES}, not all. Received: masked={masked}."
            )
        self.image_shape, self.num_audio_samples = tuple(image_shape), num_audio_samples
        self.num_classes = num_classes
        self.image_patch, self.audio_patch = tuple(image_patch), audio_patch
        self.num_image_bands, self.num_audio_bands = num_image_bands, num_audio_bands
        self.image_max_resolution = tuple(image_max_resolution)
        self.audio_max_resolution = audio_max_resolution
        self.min_padding, self.masked = min_padding, tuple(masked)
        self.grids = {
            "audio": patch_counts((num_audio_samples,), (audio_patch,)),
            "image": patch_counts(self.image_shape[:-1], self.image_patch),
            "label": (1,),
        }

    def build(self, inputs_shape=None):
        policy = self.dtype_policy
        bands = {"audio": self.num_audio_bands, "image": self.num_image_bands}
        resolutions = {"audio": (self.audio_max_resolution,), "image": self.image_max_resolution}
        self.positions = {
            name: FourierPositions(bands[name], resolutions[name], dtype=policy, name=name)
            for name in bands
        }
        channels = {"label": self.num_classes}
        for name in bands:
            channels[name] = self._content_channels(name)
            channels[name] += fourier_channels(len(self.grids[name]), bands[name])
        width = max(channels.values()) + self.min_padding
        for name in MODALITIES:
            padding = ModalityPadding(width, dtype=policy, name=f"{name}_padding")
            padding.build((None, None, channels[name]))
            token = MaskToken(width, dtype=policy, name=f"{name}_mask_token")
            token.build((None, None, channels[name]))
            setattr(self, f"{name}_padding", padding)
            setattr(self, f"{name}_mask_token", token)

    def call(self, inputs):
        for name in MODALITIES:
            if name not in self.masked and inputs.get(name) is None:
                raise ValueError(
                    f"A clip must have `{name}`, unless the layer was made with {name!r} in "
                    f"`masked`. Received: {sorted(inputs)}."
                )
        batch_size = ops.shape(next(x for x in inputs.values() if x is not None))[0]
        return [self._part(name, inputs.get(name), batch_size) for name in MODALITIES]

    def _part(self, name, content, batch_size):
        padding = getattr(self, f"{name}_padding")
        token = getattr(self, f"{name}_mask_token")
        if name in self.masked:
            content = ops.zeros((batch_size, *self.grids[name], 0), dtype="float32")
        elif name == "label":
            content = content[:, None]
        else:
            patch = (self.audio_patch,) if name == "audio" else self.image_patch
            content = space_to_depth(content, patch)
        description = {"content": content}
        if name in self.positions:
            description["axes"] = self.positions[name](content)
        if name in self.masked:
            part, unused = token(description), padding.padding
        else:
            part, unused = padding(description), token.token
        # A gradient of zero, not none: optimisers warn about a weight without a gradient.
        constant = part["constant"] + 0.0 * ops.sum(ops.convert_to_tensor(unused))
        return {**part, "constant": ops.cast(constant, self.variable_dtype)}

    def _content_channels(self, name):
        if name == "label":
            return self.num_classes
        if name == "audio":
            return self.audio_patch
        rows, columns = self.image_patch[1:]
        return self.image_patch[0] * rows * columns * self.image_shape[-1]

    def compute_output_spec(self, inputs):
        given = next(x for x in inputs.values() if x is not None)
        parts = []
        for name in MODALITIES:
            is_masked = name in self.masked
            channels = 0 if is_masked else self._content_channels(name)
            dtype = "float32" if is_masked else inputs[name].dtype
            content = keras.KerasTensor((given.shape[0], *self.grids[name], channels), dtype)
            part = {"content": content}
            if name in self.positions:
                part["axes"] = self.positions[name].compute_output_spec(content)
            layer = getattr(self, f"{name}_mask_token" if is_masked else f"{name}_padding")
            parts.append(layer.compute_output_spec(part))
        return parts
