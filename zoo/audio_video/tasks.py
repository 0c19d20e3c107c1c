"""What the zoo does with models of video with sound."""

from zoo.audio_video import models, pipeline, predict, served
from zoo.audio_video.configs import AudioVideoClassifierConfig, AudioVideoTaggerConfig
from zoo.recipes.classification import compile_classifier, compile_tagger
from zoo.task import Task

TASKS = {
    AudioVideoClassifierConfig: Task(
        build_model=models.audio_video_model,
        build_pipeline=pipeline.audio_video_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedAudioVideo,
        predict=predict.predict_audio_video,
        signature="classify_audio_video",
        adapted=pipeline.with_classes_of_the_data,
        conditions=pipeline.without_stream,
    ),
    AudioVideoTaggerConfig: Task(
        build_model=models.audio_video_model,
        build_pipeline=pipeline.audio_video_pipeline,
        compiled=compile_tagger,
        headline="mean_average_precision",
        served=served.ServedAudioVideoTagger,
        predict=predict.predict_audio_video,
        signature="tag_audio_video",
        adapted=pipeline.with_classes_of_the_data,
        conditions=pipeline.without_stream,
    ),
}
