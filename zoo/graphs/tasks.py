"""What the zoo does with models of graphs."""

from zoo.graphs import models, pipeline, predict, served
from zoo.graphs.configs import GraphClassifierConfig
from zoo.recipes.classification import compile_classifier
from zoo.task import Task

TASKS = {
    GraphClassifierConfig: Task(
        build_model=models.graph_classifier,
        build_pipeline=pipeline.graph_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedGraphs,
        predict=predict.predict_graphs,
        signature="classify_graphs",
        adapted=pipeline.with_fields_of_the_data,
    ),
}
