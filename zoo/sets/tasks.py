"""What the zoo does with models of sets of entities."""

from zoo.recipes.classification import compile_classifier
from zoo.sets import models, pipeline, predict, served
from zoo.sets.configs import SetClassifierConfig
from zoo.task import Task

TASKS = {
    SetClassifierConfig: Task(
        build_model=models.set_classifier,
        build_pipeline=pipeline.set_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedSets,
        predict=predict.predict_sets,
        signature="classify_sets",
        adapted=pipeline.with_fields_of_the_data,
    ),
}
