"""What the zoo does with models of clips, reconstructed."""

from zoo.multimodal import losses, models, pipeline, predict, served
from zoo.multimodal.configs import MultimodalAutoencoderConfig
from zoo.task import Task

TASKS = {
    MultimodalAutoencoderConfig: Task(
        build_model=models.multimodal_autoencoder,
        build_pipeline=pipeline.multimodal_pipeline,
        compiled=losses.compiled,
        headline="image_psnr",
        served=served.ServedAutoencoder,
        predict=predict.predict_clips,
        signature="reconstruct",
        adapted=pipeline.with_classes_of_the_data,
    ),
}
