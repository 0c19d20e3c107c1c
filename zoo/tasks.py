"""What the zoo does with each kind of model: one row per class of configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zoo.audio import models as audio_models
from zoo.audio import pipeline as audio
from zoo.audio import predict as audio_predict
from zoo.audio import served as audio_served
from zoo.audio.configs import AudioClassifierConfig, AudioTaggerConfig
from zoo.audio_video import models as audio_video_models
from zoo.audio_video import pipeline as audio_video
from zoo.audio_video import predict as audio_video_predict
from zoo.audio_video import served as audio_video_served
from zoo.audio_video.configs import AudioVideoClassifierConfig, AudioVideoTaggerConfig
from zoo.baselines import models as baseline_models
from zoo.baselines.configs import BaselineConfig
from zoo.errors import ZooError
from zoo.graphs import models as graph_models
from zoo.graphs import pipeline as graphs
from zoo.graphs import predict as graph_predict
from zoo.graphs import served as graph_served
from zoo.graphs.configs import GraphClassifierConfig
from zoo.images import models as image_models
from zoo.images import pipeline as image
from zoo.images import predict as image_predict
from zoo.images.configs import ImageClassifierConfig
from zoo.images.served import ServedClassifier
from zoo.multimodal import losses as multimodal_losses
from zoo.multimodal import models as multimodal_models
from zoo.multimodal import pipeline as multimodal
from zoo.multimodal import predict as multimodal_predict
from zoo.multimodal import served as multimodal_served
from zoo.multimodal.configs import MultimodalAutoencoderConfig
from zoo.optical_flow import losses as flow_losses
from zoo.optical_flow import models as flow_models
from zoo.optical_flow import pipeline as flow
from zoo.optical_flow import predict as flow_predict
from zoo.optical_flow import served as flow_served
from zoo.optical_flow.configs import OpticalFlowConfig
from zoo.point_clouds import models as point_cloud_models
from zoo.point_clouds import pipeline as point_clouds
from zoo.point_clouds import predict as point_cloud_predict
from zoo.point_clouds import served as point_cloud_served
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.recipes.classification import compile_classifier, compile_tagger
from zoo.sets import models as set_models
from zoo.sets import pipeline as sets
from zoo.sets import predict as set_predict
from zoo.sets import served as set_served
from zoo.sets.configs import SetClassifierConfig
from zoo.text import models as text_models
from zoo.text import pipeline as text
from zoo.text import predict as text_predict
from zoo.text import served as text_served
from zoo.text import training
from zoo.text.configs import MaskedLanguageConfig, TextClassifierConfig
from zoo.video import models as video_models
from zoo.video import pipeline as video
from zoo.video import predict as video_predict
from zoo.video import served as video_served
from zoo.video.configs import VideoClassifierConfig, VideoTaggerConfig


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
        compiled=training.compile_masked_language,
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
