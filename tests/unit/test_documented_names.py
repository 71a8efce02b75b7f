"""The import paths of the first description lead to the very classes of the package."""

import importlib
from pathlib import Path

import pytest

import facebench

REPOSITORY = Path(__file__).parents[2]
OLD_NAMES = [
    ("models.vgg16Model", "Vgg16Model"),
    ("models.dinoModel", "DinoModel"),
    ("models.clipModel", "CLIPModel"),
    ("models", "Vgg16Model"),
    ("models", "DinoModel"),
    ("models", "CLIPModel"),
    ("models", "DlibResNetModel"),
    ("models", "batch_cosine_distance"),
    ("tasks.accuracyTask", "AccuracyTask"),
    ("tasks.correlationTask", "CorrelationTask"),
    ("tasks.conditionedAverageDistances", "ConditionedAverageDistances"),
    ("tasks.relativeDifferenceTask", "RelativeDifferenceTask"),
    ("tasks", "AccuracyTask"),
    ("tasks", "CorrelationTask"),
    ("tasks", "ConditionedAverageDistances"),
    ("tasks", "RelativeDifferenceTask"),
    ("tasks", "batch_cosine_distance"),
    ("facesBenchmarkUtils.baseModel", "BaseModel"),
    ("facesBenchmarkUtils.baseTask", "BaseTask"),
    ("facesBenchmarkUtils.multiModelTaskManager", "MultiModelTaskManager"),
    ("facesBenchmarkUtils.plotHelper", "PlotHelper"),
    ("facesBenchmarkUtils", "BaseModel"),
    ("facesBenchmarkUtils", "BaseTask"),
    ("facesBenchmarkUtils", "MultiModelTaskManager"),
    ("facesBenchmarkUtils", "PlotHelper"),
    ("facesBenchmarkUtils", "batch_cosine_distance"),
]


@pytest.mark.parametrize(("module", "name"), OLD_NAMES)
def test_old_name_is_new_name(module, name, monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY)
    assert getattr(importlib.import_module(module), name) is getattr(facebench, name)


@pytest.mark.parametrize("name", facebench.__all__)
def test_every_public_name_loads(name):
    assert getattr(facebench, name) is not None
    assert name in dir(facebench)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Vgg19Model'"):
        facebench.Vgg19Model  # noqa: B018
