"""What the zoo does with each kind of model: one row per class of configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo import (
    audio,
    audio_models,
    audio_predict,
    audio_served,
    audio_video,
    audio_video_models,
    audio_video_predict,
    audio_video_served,
    baseline_models,
    flow,
    flow_losses,
    flow_models,
    flow_predict,
    flow_served,
    graph_models,
    graph_predict,
    graph_served,
    graphs,
    image,
    image_models,
    image_predict,
    multimodal,
    multimodal_losses,
    multimodal_models,
    multimodal_predict,
    multimodal_served,
    point_cloud_models,
    point_cloud_predict,
    point_cloud_served,
    point_clouds,
    set_models,
    set_predict,
    set_served,
    sets,
    text,
    text_models,
    text_predict,
    text_served,
    text_training,
    video,
    video_models,
    video_predict,
    video_served,
)
from zoo.audio_configs import AudioClassifierConfig, AudioTaggerConfig
from zoo.audio_video_configs import AudioVideoClassifierConfig, AudioVideoTaggerConfig
from zoo.baseline_configs import BaselineConfig
from zoo.classification import compile_classifier, compile_tagger
from zoo.errors import ZooError
from zoo.flow_configs import OpticalFlowConfig
from zoo.graph_configs import GraphClassifierConfig
from zoo.image_configs import ImageClassifierConfig
from zoo.multimodal_configs import MultimodalAutoencoderConfig
from zoo.point_cloud_configs import PointCloudClassifierConfig
from zoo.served_images import ServedClassifier
from zoo.set_configs import SetClassifierConfig
from zoo.text_configs import MaskedLanguageConfig, TextClassifierConfig
from zoo.video_configs import VideoClassifierConfig, VideoTaggerConfig


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
            well, see `zoo.training.evaluate`.
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


TASKS = {
    ImageClassifierConfig: Task(
        build_model=image_models.image_classifier,
        build_pipeline=image.image_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=ServedClassifier,
        predict=image_predict.predict_files,
        signature="image_bytes",
        adapted=image.with_classes_of_the_data,
    ),
    BaselineConfig: Task(
        build_model=baseline_models.baseline_classifier,
        build_pipeline=image.image_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=ServedClassifier,
        predict=image_predict.predict_files,
        signature="image_bytes",
        adapted=image.with_classes_of_the_data,
    ),
    MaskedLanguageConfig: Task(
        build_model=text_models.masked_language_model,
        build_pipeline=text.masked_language_pipeline,
        compiled=text_training.compile_masked_language,
        headline="bits_per_byte",
        served=text_served.ServedLanguageModel,
        predict=text_predict.predict_masked,
        signature="fill_in",
    ),
    TextClassifierConfig: Task(
        build_model=text_models.text_classifier,
        build_pipeline=text.text_classifier_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=text_served.ServedTextClassifier,
        predict=text_predict.predict_labels,
        signature="classify_text",
        adapted=text.with_classes_of_the_data,
    ),
    OpticalFlowConfig: Task(
        build_model=flow_models.optical_flow_model,
        build_pipeline=flow.flow_pipeline,
        compiled=flow_losses.compiled,
        headline="end_point_error",
        served=flow_served.ServedFlow,
        predict=flow_predict.predict_flow,
        signature="flow",
    ),
    MultimodalAutoencoderConfig: Task(
        build_model=multimodal_models.multimodal_autoencoder,
        build_pipeline=multimodal.multimodal_pipeline,
        compiled=multimodal_losses.compiled,
        headline="image_psnr",
        served=multimodal_served.ServedAutoencoder,
        predict=multimodal_predict.predict_clips,
        signature="reconstruct",
        adapted=multimodal.with_classes_of_the_data,
    ),
    PointCloudClassifierConfig: Task(
        build_model=point_cloud_models.point_cloud_classifier,
        build_pipeline=point_clouds.point_cloud_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=point_cloud_served.ServedPointClouds,
        predict=point_cloud_predict.predict_clouds,
        signature="classify_points",
        adapted=point_clouds.with_classes_of_the_data,
    ),
    AudioClassifierConfig: Task(
        build_model=audio_models.audio_model,
        build_pipeline=audio.audio_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=audio_served.ServedAudioModel,
        predict=audio_predict.predict_sounds,
        signature="classify_sound",
        adapted=audio.with_classes_of_the_data,
    ),
    AudioTaggerConfig: Task(
        build_model=audio_models.audio_model,
        build_pipeline=audio.audio_pipeline,
        compiled=compile_tagger,
        headline="mean_average_precision",
        served=audio_served.ServedAudioTagger,
        predict=audio_predict.predict_sounds,
        signature="tag_sound",
        adapted=audio.with_classes_of_the_data,
    ),
    GraphClassifierConfig: Task(
        build_model=graph_models.graph_classifier,
        build_pipeline=graphs.graph_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=graph_served.ServedGraphs,
        predict=graph_predict.predict_graphs,
        signature="classify_graphs",
        adapted=graphs.with_fields_of_the_data,
    ),
    SetClassifierConfig: Task(
        build_model=set_models.set_classifier,
        build_pipeline=sets.set_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=set_served.ServedSets,
        predict=set_predict.predict_sets,
        signature="classify_sets",
        adapted=sets.with_fields_of_the_data,
    ),
    VideoClassifierConfig: Task(
        build_model=video_models.video_model,
        build_pipeline=video.video_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=video_served.ServedVideoModel,
        predict=video_predict.predict_videos,
        signature="classify_video",
        adapted=video.with_classes_of_the_data,
    ),
    VideoTaggerConfig: Task(
        build_model=video_models.video_model,
        build_pipeline=video.video_pipeline,
        compiled=compile_tagger,
        headline="mean_average_precision",
        served=video_served.ServedVideoTagger,
        predict=video_predict.predict_videos,
        signature="tag_video",
        adapted=video.with_classes_of_the_data,
    ),
    AudioVideoClassifierConfig: Task(
        build_model=audio_video_models.audio_video_model,
        build_pipeline=audio_video.audio_video_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=audio_video_served.ServedAudioVideo,
        predict=audio_video_predict.predict_audio_video,
        signature="classify_audio_video",
        adapted=audio_video.with_classes_of_the_data,
        conditions=audio_video.without_stream,
    ),
    AudioVideoTaggerConfig: Task(
        build_model=audio_video_models.audio_video_model,
        build_pipeline=audio_video.audio_video_pipeline,
        compiled=compile_tagger,
        headline="mean_average_precision",
        served=audio_video_served.ServedAudioVideoTagger,
        predict=audio_video_predict.predict_audio_video,
        signature="tag_audio_video",
        adapted=audio_video.with_classes_of_the_data,
        conditions=audio_video.without_stream,
    ),
}


def task_of(config: Any) -> Task:
    """Returns the task of a configuration."""
    return TASKS[type(config)]


def task_with_signature(names) -> Task:
    """Returns the task whose models are served under one of these names.

    Raises:
        ZooError: if there is none.
    """
    for task in TASKS.values():
        if task.signature in names:
            return task
    known = ", ".join(task.signature for task in TASKS.values())
    raise ZooError(
        f"The SavedModel must have one of the signatures {known}, as those written by "
        f"`perceiver-zoo export` have. Received: {', '.join(sorted(names))}."
    )
