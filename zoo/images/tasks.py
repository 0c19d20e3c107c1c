"""What the zoo does with models of images."""

from zoo.images import models, pipeline, predict
from zoo.images.configs import ImageClassifierConfig
from zoo.images.served import ServedClassifier
from zoo.recipes.classification import compile_classifier
from zoo.task import Task

TASKS = {
    ImageClassifierConfig: Task(
        build_model=models.image_classifier,
        build_pipeline=pipeline.image_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=ServedClassifier,
        predict=predict.predict_files,
        signature="image_bytes",
        adapted=pipeline.with_classes_of_the_data,
    ),
}
