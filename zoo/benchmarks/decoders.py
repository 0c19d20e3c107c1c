"""How the files of a pipeline are decoded: by the bare library, and by the pipeline itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.audio import sounds as audio_sounds
from zoo.audio.configs import AudioConfig
from zoo.audio.files import list_sounds
from zoo.audio.sound_tracks import SUFFIXES as TRACK_SUFFIXES
from zoo.audio.sounds import Sounds
from zoo.clips.files import list_clips, stored_clip
from zoo.clips.reading import read_clips
from zoo.cores import num_cores
from zoo.data.epochs import without_tuner
from zoo.data.pyav import import_av
from zoo.errors import ZooError
from zoo.images import folder as image_folder
from zoo.images.configs import ImageClassifierConfig
from zoo.images.folder import FolderSource, decode_image, decoded_examples, read_equal
from zoo.multimodal.configs import MultimodalAutoencoderConfig
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.point_clouds.files import MESH_SUFFIXES, read_points
from zoo.point_clouds.sources import FolderClouds
from zoo.video import videos as video_clips
from zoo.video.arrays import parse_array_spec
from zoo.video.configs import VideoConfig
from zoo.video.files import list_videos
from zoo.video.times import VideoForm
from zoo.video.videos import Videos


@dataclass(frozen=True)
class Decoders:
    """The files of a pipeline's training split and the two ways to decode them.

    Attributes:
        library: str, the bare one.
        num_files: int, files of the split.
        bare: callable from numbers of files (int numpy array) and a number of threads to a
            callable that reads and decodes these files by the library and throws the outcome away.
        own: callable from numbers of files to a callable that does the same as the pipeline does
            when it first reads them, up to examples before augmentation: in mono, resampled,
            sampled, cut; what fits into memory is kept, as by the pipeline.
        streams: whether the pipeline decodes anew in every epoch what does not fit into memory;
            otherwise it always decodes once.
    """

    library: str
    num_files: int
    bare: Callable
    own: Callable
    streams: bool


def keep_nothing():
    """Makes the pipelines of this process keep no decoded images, sounds and videos in memory."""
    for module in (audio_sounds, image_folder, video_clips):
        module.MEMORY_LIMIT = 0


def decoders_of(config, pipeline) -> Decoders:
    """Returns the decoders of a pipeline's files.

    Args:
        config: configuration of a model of the zoo.
        pipeline: its pipeline.

    Raises:
        ZooError: if the pipeline does not decode a file for each example, or those are missing.
    """
    for kind, find in _KINDS.items():
        found = find(config, pipeline) if isinstance(config, kind) else None
        if found is not None:
            return found
    source = getattr(pipeline, "source", pipeline)
    raise ZooError(
        "A pipeline must decode a file for each example (images, sounds, point clouds or clips in "
        "folders) to be measured beside the bare decoder. "
        f"Received: {source.name}."
    )


def _images(config, pipeline):
    if not isinstance(pipeline.source, FolderSource):
        return None
    paths, labels = pipeline.source.files("train")
    paths = np.array(paths)

    def bare(numbers, num_threads):
        decoded = tf.data.Dataset.from_tensor_slices(paths[numbers]).map(
            lambda path: decode_image(tf.io.read_file(path)), num_parallel_calls=num_threads
        )
        return _iterating(decoded.prefetch(num_threads), len(numbers))

    def own(numbers):
        chosen = list(paths[numbers])
        if pipeline.source.arrays("train") is not None:
            return lambda: read_equal(chosen)
        return _iterating(decoded_examples((chosen, labels[numbers])), len(numbers))

    return Decoders("tf.io.decode_image", len(paths), bare, own, True)


def _sounds(config, pipeline):
    if not Path(pipeline.source_spec).expanduser().exists():
        return None
    import soundfile

    sounds = list_sounds(pipeline.source_spec, config.num_classes)[0]["train"]

    def decode_one(number):
        sound = sounds[number]
        if sound.path.lower().endswith(TRACK_SUFFIXES):
            with import_av().open(sound.path, metadata_errors="ignore") as container:
                for _ in container.decode(audio=0):
                    pass
            return
        start = sound.start or 0.0
        with soundfile.SoundFile(sound.path) as file:
            file.seek(round(start * file.samplerate))
            count = -1 if sound.end is None else round((sound.end - start) * file.samplerate)
            file.read(count, dtype="float32")

    def own(numbers):
        chosen = [sounds[number] for number in numbers]
        read = Sounds(chosen, config.sample_rate)
        if read.num_bytes * len(sounds) <= audio_sounds.MEMORY_LIMIT * len(chosen):
            return lambda: Sounds(chosen, config.sample_rate)
        keep_nothing()
        places = tf.data.Dataset.range(len(chosen))
        fetched = Sounds(chosen, config.sample_rate).fetch(tf.data.Dataset.zip((places, places)))
        return _iterating(fetched, len(chosen))

    has_tracks = any(sound.path.lower().endswith(TRACK_SUFFIXES) for sound in sounds)
    library = "soundfile, and PyAV for sound tracks" if has_tracks else "soundfile"
    return Decoders(library, len(sounds), _threaded(decode_one), own, True)


def _point_clouds(config, pipeline):
    if not isinstance(pipeline.source, FolderClouds):
        return None
    import trimesh

    paths = pipeline.source.files("train")

    def decode_one(number):
        if paths[number].lower().endswith(MESH_SUFFIXES):
            trimesh.load_scene(paths[number], process=False)
        else:
            np.load(paths[number])

    def own(numbers):
        num_samples = pipeline.preprocess.num_mesh_samples
        return lambda: [read_points(paths[number], num_samples) for number in numbers]

    return Decoders("trimesh and NumPy", len(paths), _threaded(decode_one), own, False)


def _clips(config, pipeline):
    source = Path(pipeline.source_spec).expanduser()
    if not source.exists():
        return None
    av = import_av()
    paths = [path for path, _ in list_clips(source)[0]["train"]]
    num_frames = config.image_shape[0]

    def decode_one(number):
        unfinished = {"video", "audio"}
        with av.open(str(paths[number]), metadata_errors="ignore") as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in container.decode(video=0, audio=0):
                if frame.time is not None and frame.time >= num_frames / config.frame_rate:
                    unfinished.discard("video" if isinstance(frame, av.VideoFrame) else "audio")
                if not unfinished:
                    break

    def own(numbers):
        chosen = [paths[number] for number in numbers]
        return lambda: read_clips(chosen, lambda path: stored_clip(path, config), False)

    return Decoders("PyAV", len(paths), _threaded(decode_one), own, False)


def _videos(config, pipeline):
    source = pipeline.source_spec
    if parse_array_spec(source) is not None or not Path(source).expanduser().exists():
        return None
    av = import_av()
    files = list_videos(source, config.num_classes)[0]["train"]

    def decode_one(number):
        with av.open(files[number].path, metadata_errors="ignore") as container:
            container.streams.video[0].codec_context.thread_count = 1
            for _ in container.decode(video=0):
                pass

    def own(numbers):
        form = VideoForm(
            config.num_frames, config.frame_rate, config.frame_shape, config.num_windows
        )
        chosen = [files[number] for number in numbers]
        read = Videos(chosen, form, training=True)
        if read.num_bytes * len(files) <= video_clips.MEMORY_LIMIT * len(chosen):
            return lambda: Videos(chosen, form, training=True)
        keep_nothing()
        videos = Videos(chosen, form, training=True)
        dataset = tf.data.Dataset.range(len(numbers)).map(
            lambda index: videos.frames(index, tf.constant(-1.0)),
            num_parallel_calls=num_cores(),
        )
        return _iterating(dataset, len(numbers))

    return Decoders("PyAV", len(files), _threaded(decode_one), own, True)


def _iterating(dataset, num_examples):
    """Returns a callable that goes through a dataset, without a step in Python for each example."""
    last = without_tuner(dataset.skip(num_examples - 1))

    def iterate():
        for _ in last:
            pass

    return iterate


def _threaded(decode_one):
    def bare(numbers, num_threads):
        def decode():
            with ThreadPoolExecutor(num_threads) as pool:
                for _ in pool.map(decode_one, numbers):
                    pass

        return decode

    return bare


_KINDS = {
    ImageClassifierConfig: _images,
    AudioConfig: _sounds,
    PointCloudClassifierConfig: _point_clouds,
    MultimodalAutoencoderConfig: _clips,
    VideoConfig: _videos,
}
