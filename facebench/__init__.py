"""facebench: how networks see faces, measured against identity and against people.

Public names load when first used, so that importing the package stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from facebench._moved import follow_moves

if TYPE_CHECKING:
    from facebench.data.flipping import write_flipped
    from facebench.data.health import check_pairs, health_report
    from facebench.errors import FacebenchError
    from facebench.figures.plot_helper import PlotHelper
    from facebench.figures.records.layer_table import layer_profile
    from facebench.models.base import BaseModel
    from facebench.models.clip import CLIPModel
    from facebench.models.dino import DinoModel
    from facebench.models.dlib_resnet import DlibResNetModel
    from facebench.models.untrained import untrained_copies
    from facebench.models.vgg16 import Vgg16Model
    from facebench.results.comparison import compare_models
    from facebench.results.reader import load_run
    from facebench.run.manager import MultiModelTaskManager
    from facebench.tasks.accuracy import AccuracyTask
    from facebench.tasks.base import BaseTask
    from facebench.tasks.classic_effects import (
        CompositeEffect,
        CriticalFeaturesEffect,
        FamiliarityEffect,
        InversionEffect,
        OtherRaceEffect,
        ThatcherEffect,
    )
    from facebench.tasks.conditioned_average import ConditionedAverageDistances
    from facebench.tasks.correlation import CorrelationTask
    from facebench.tasks.effect import EffectTask
    from facebench.tasks.embedding import EmbeddingTask
    from facebench.tasks.group_errors import GroupErrorTask
    from facebench.tasks.identification import IdentificationTask
    from facebench.tasks.measures import Measure
    from facebench.tasks.odd_one_out import OddOneOutTask
    from facebench.tasks.relative_difference import RelativeDifferenceTask
    from facebench.tasks.rsa import RsaTask
    from facebench.tasks.shared.distance_metric import batch_cosine_distance
    from facebench.tasks.shared.layer_similarity import rdm_similarity
    from facebench.tasks.similarity import SimilarityTask
    from facebench.tasks.template_verification import TemplateVerificationTask
    from facebench.tasks.verification import VerificationTask

__all__ = [
    "AccuracyTask",
    "BaseModel",
    "BaseTask",
    "CLIPModel",
    "CompositeEffect",
    "ConditionedAverageDistances",
    "CorrelationTask",
    "CriticalFeaturesEffect",
    "DinoModel",
    "DlibResNetModel",
    "EffectTask",
    "EmbeddingTask",
    "FacebenchError",
    "FamiliarityEffect",
    "GroupErrorTask",
    "IdentificationTask",
    "InversionEffect",
    "Measure",
    "MultiModelTaskManager",
    "OddOneOutTask",
    "OtherRaceEffect",
    "PlotHelper",
    "RelativeDifferenceTask",
    "RsaTask",
    "SimilarityTask",
    "TemplateVerificationTask",
    "ThatcherEffect",
    "VerificationTask",
    "Vgg16Model",
    "__version__",
    "batch_cosine_distance",
    "check_pairs",
    "compare_models",
    "health_report",
    "layer_profile",
    "load_run",
    "rdm_similarity",
    "untrained_copies",
    "write_flipped",
]
__version__ = "0.1.0"

follow_moves()

_HOMES = {
    "AccuracyTask": "facebench.tasks.accuracy",
    "BaseModel": "facebench.models.base",
    "BaseTask": "facebench.tasks.base",
    "CLIPModel": "facebench.models.clip",
    "CompositeEffect": "facebench.tasks.classic_effects",
    "ConditionedAverageDistances": "facebench.tasks.conditioned_average",
    "CorrelationTask": "facebench.tasks.correlation",
    "CriticalFeaturesEffect": "facebench.tasks.classic_effects",
    "DinoModel": "facebench.models.dino",
    "DlibResNetModel": "facebench.models.dlib_resnet",
    "EffectTask": "facebench.tasks.effect",
    "EmbeddingTask": "facebench.tasks.embedding",
    "FacebenchError": "facebench.errors",
    "FamiliarityEffect": "facebench.tasks.classic_effects",
    "GroupErrorTask": "facebench.tasks.group_errors",
    "IdentificationTask": "facebench.tasks.identification",
    "InversionEffect": "facebench.tasks.classic_effects",
    "Measure": "facebench.tasks.measures",
    "MultiModelTaskManager": "facebench.run.manager",
    "OddOneOutTask": "facebench.tasks.odd_one_out",
    "OtherRaceEffect": "facebench.tasks.classic_effects",
    "PlotHelper": "facebench.figures.plot_helper",
    "RelativeDifferenceTask": "facebench.tasks.relative_difference",
    "RsaTask": "facebench.tasks.rsa",
    "SimilarityTask": "facebench.tasks.similarity",
    "TemplateVerificationTask": "facebench.tasks.template_verification",
    "ThatcherEffect": "facebench.tasks.classic_effects",
    "VerificationTask": "facebench.tasks.verification",
    "Vgg16Model": "facebench.models.vgg16",
    "batch_cosine_distance": "facebench.tasks.shared.distance_metric",
    "check_pairs": "facebench.data.health",
    "compare_models": "facebench.results.comparison",
    "health_report": "facebench.data.health",
    "layer_profile": "facebench.figures.records.layer_table",
    "load_run": "facebench.results.reader",
    "rdm_similarity": "facebench.tasks.shared.layer_similarity",
    "untrained_copies": "facebench.models.untrained",
    "write_flipped": "facebench.data.flipping",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'facebench' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
