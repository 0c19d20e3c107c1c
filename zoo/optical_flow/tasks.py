"""What the zoo does with models of optical flow."""

from zoo.optical_flow import losses, models, pipeline, predict, served
from zoo.optical_flow.configs import OpticalFlowConfig
from zoo.task import Task

TASKS = {
    OpticalFlowConfig: Task(
        build_model=models.optical_flow_model,
        build_pipeline=pipeline.flow_pipeline,
        compiled=losses.compiled,
        headline="end_point_error",
        served=served.ServedFlow,
        predict=predict.predict_flow,
        signature="flow",
    ),
}
