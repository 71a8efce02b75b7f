"""The demo's run: two networks, all four kinds of task."""

from __future__ import annotations

from pathlib import Path

from scipy.stats import spearmanr
from sklearn.metrics.pairwise import euclidean_distances

from facebench.demo.stimuli import DemoStimuli
from facebench.models.base import BaseModel
from facebench.models.dlib_resnet import DlibResNetModel
from facebench.models.vgg16 import Vgg16Model
from facebench.run.manager import MultiModelTaskManager
from facebench.tasks.accuracy import AccuracyTask
from facebench.tasks.base import BaseTask
from facebench.tasks.conditioned_average import ConditionedAverageDistances
from facebench.tasks.correlation import CorrelationTask
from facebench.tasks.relative_difference import RelativeDifferenceTask

__all__ = ["run_demo"]


def run_demo(stimuli: DemoStimuli, output: Path) -> MultiModelTaskManager:
    """Compare a face network with an untrained VGG16.

    Parameters
    ----------
    stimuli : DemoStimuli
        The faces.
    output : Path
        Folder for tables and plots.

    Returns
    -------
    MultiModelTaskManager
        With the results.
    """
    manager = MultiModelTaskManager(_models(), _tasks(stimuli))
    manager.run_all_tasks_all_models(export_path=output)
    return manager


def _models() -> list[BaseModel]:
    return [
        # The stimuli are aligned chips already.
        DlibResNetModel(align=False),
        Vgg16Model("vgg16-untrained", extract_layers=["avgpool", "classifier.5"], pretrained=False),
    ]


def _tasks(stimuli: DemoStimuli) -> list[BaseTask]:
    label, images = stimuli.label, stimuli.images_path
    return [
        AccuracyTask(
            f"{label}, same person, upright",
            stimuli.same_upright,
            images,
            euclidean_distances,
            true_label="same",
        ),
        AccuracyTask(
            f"{label}, same person, inverted",
            stimuli.same_inverted,
            images,
            euclidean_distances,
            true_label="same",
        ),
        CorrelationTask(
            f"{label}, {stimuli.distance_name}",
            stimuli.distances,
            images,
            euclidean_distances,
            correlation_metric=spearmanr,
        ),
        ConditionedAverageDistances(
            f"{label}, conditions", stimuli.conditions, images, euclidean_distances
        ),
        RelativeDifferenceTask(
            f"{label}, Thatcher",
            stimuli.thatcher,
            images,
            euclidean_distances,
            group_column="orientation",
        ),
    ]
