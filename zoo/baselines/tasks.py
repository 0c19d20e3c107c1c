"""What the zoo does with the models that Perceivers of images are compared with."""

from zoo.baselines import models
from zoo.baselines.configs import BaselineConfig
from zoo.images import pipeline as image
from zoo.images import predict as image_predict
from zoo.images.served import ServedClassifier
from zoo.recipes.classification import compile_classifier
from zoo.task import Task

TASKS = {
    BaselineConfig: Task(
        build_model=models.baseline_classifier,
        build_pipeline=image.image_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=ServedClassifier,
        predict=image_predict.predict_files,
        signature="image_bytes",
        adapted=image.with_classes_of_the_data,
    ),
}
