"""What the zoo does with models of text."""

from zoo.recipes.classification import compile_classifier
from zoo.task import Task
from zoo.text import models, pipeline, predict, served, training
from zoo.text.configs import MaskedLanguageConfig, TextClassifierConfig

TASKS = {
    MaskedLanguageConfig: Task(
        build_model=models.masked_language_model,
        build_pipeline=pipeline.masked_language_pipeline,
        compiled=training.compile_masked_language,
        headline="bits_per_byte",
        served=served.ServedLanguageModel,
        predict=predict.predict_masked,
        signature="fill_in",
    ),
    TextClassifierConfig: Task(
        build_model=models.text_classifier,
        build_pipeline=pipeline.text_classifier_pipeline,
        compiled=compile_classifier,
        headline="accuracy",
        served=served.ServedTextClassifier,
        predict=predict.predict_labels,
        signature="classify_text",
        adapted=pipeline.with_classes_of_the_data,
    ),
}
