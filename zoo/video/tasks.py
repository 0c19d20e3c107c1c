"""What the zoo does with models of video."""

from zoo.recipes.classification import compile_classifier, compile_tagger
from zoo.task import Task
from zoo.video import models, pipeline, predict, served
from zoo.video.configs import VideoClassifierConfig, VideoTaggerConfig

TASKS = {
    VideoClassifierConfig: Task(
        build_model=models.video_model,
        build_pipeline=pipeline.video_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedVideoModel,
        predict=predict.predict_videos,
        signature="classify_video",
        adapted=pipeline.with_classes_of_the_data,
    ),
    VideoTaggerConfig: Task(
        build_model=models.video_model,
        build_pipeline=pipeline.video_pipeline,
        compiled=compile_tagger,
        headline="mean_average_precision",
        served=served.ServedVideoTagger,
        predict=predict.predict_videos,
        signature="tag_video",
        adapted=pipeline.with_classes_of_the_data,
    ),
}
