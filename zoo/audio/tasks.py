"""What the zoo does with models of sound."""

from zoo.audio import models, pipeline, predict, served
from zoo.audio.configs import AudioClassifierConfig, AudioTaggerConfig
from zoo.recipes.classification import compile_classifier, compile_tagger
from zoo.task import Task

TASKS = {
    AudioClassifierConfig: Task(
        build_model=models.audio_model,
        build_pipeline=pipeline.audio_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedAudioModel,
        predict=predict.predict_sounds,
        signature="classify_sound",
        adapted=pipeline.with_classes_of_the_data,
    ),
    AudioTaggerConfig: Task(
        build_model=models.audio_model,
        build_pipeline=pipeline.audio_pipeline,
        compiled=compile_tagger,
        headline="mean_average_precision",
        served=served.ServedAudioTagger,
        predict=predict.predict_sounds,
        signature="tag_sound",
        adapted=pipeline.with_classes_of_the_data,
    ),
}
