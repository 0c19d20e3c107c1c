"""What the zoo does with models of point clouds."""

from zoo.point_clouds import models, pipeline, predict, served
from zoo.point_clouds.configs import PointCloudClassifierConfig
from zoo.recipes.classification import compile_classifier
from zoo.task import Task

TASKS = {
    PointCloudClassifierConfig: Task(
        build_model=models.point_cloud_classifier,
        build_pipeline=pipeline.point_cloud_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedPointClouds,
        predict=predict.predict_clouds,
        signature="classify_points",
        adapted=pipeline.with_classes_of_the_data,
    ),
}
