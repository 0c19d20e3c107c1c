"""What the zoo does with each kind of model: one row per class of configuration.

The rows stand beside what they name, in the folder of each modality.
"""

from typing import Any

from zoo.audio.tasks import TASKS as AUDIO
from zoo.audio_video.tasks import TASKS as AUDIO_VIDEO
from zoo.baselines.tasks import TASKS as BASELINES
from zoo.errors import ZooError
from zoo.graphs.tasks import TASKS as GRAPHS
from zoo.images.tasks import TASKS as IMAGES
from zoo.multimodal.tasks import TASKS as MULTIMODAL
from zoo.optical_flow.tasks import TASKS as OPTICAL_FLOW
from zoo.point_clouds.tasks import TASKS as POINT_CLOUDS
from zoo.sets.tasks import TASKS as SETS
from zoo.task import Task
from zoo.text.tasks import TASKS as TEXT
from zoo.video.tasks import TASKS as VIDEO

TASKS: dict[type, Task] = {
    **IMAGES,
    **BASELINES,
    **TEXT,
    **OPTICAL_FLOW,
    **MULTIMODAL,
    **POINT_CLOUDS,
    **AUDIO,
    **GRAPHS,
    **SETS,
    **VIDEO,
    **AUDIO_VIDEO,
}


def task_of(config: Any) -> Task:
    """Returns the task of a configuration."""
    return TASKS[type(config)]


def task_with_signature(names) -> Task:
    """Returns the task whose models are served under one of these names.

    Raises:
        ZooError: if there is none.
    """
    for task in TASKS.values():
        if task.signature in names:
            return task
    known = ", ".join(task.signature for task in TASKS.values())
    raise ZooError(
        f"The SavedModel must have one of the signatures {known}, as those written by "
        f"`perceiver-zoo export` have. Received: {', '.join(sorted(names))}."
    )
