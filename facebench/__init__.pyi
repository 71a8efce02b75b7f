"""The public names of `facebench`: type checkers, editors and `__init__.py` read them here."""

from facebench.data.flipping import write_flipped as write_flipped
from facebench.data.health import check_pairs as check_pairs
from facebench.data.health import health_report as health_report
from facebench.errors import FacebenchError as FacebenchError
from facebench.figures.plot_helper import PlotHelper as PlotHelper
from facebench.figures.records.layer_table import layer_profile as layer_profile
from facebench.models.base import BaseModel as BaseModel
from facebench.models.clip import CLIPModel as CLIPModel
from facebench.models.dino import DinoModel as DinoModel
from facebench.models.dlib_resnet import DlibResNetModel as DlibResNetModel
from facebench.models.embeddings import EmbeddingsModel as EmbeddingsModel
from facebench.models.ensemble import EnsembleModel as EnsembleModel
from facebench.models.module import ModuleModel as ModuleModel
from facebench.models.onnx import OnnxModel as OnnxModel
from facebench.models.scores import ScoresModel as ScoresModel
from facebench.models.text import TextModel as TextModel
from facebench.models.timm import TimmModel as TimmModel
from facebench.models.torch_export import ExportedModel as ExportedModel
from facebench.models.torchscript import TorchScriptModel as TorchScriptModel
from facebench.models.torchvision import TorchvisionModel as TorchvisionModel
from facebench.models.transformers import TransformersModel as TransformersModel
from facebench.models.untrained import untrained_copies as untrained_copies
from facebench.models.vgg16 import Vgg16Model as Vgg16Model
from facebench.results.compare import compare as compare
from facebench.results.comparison import compare_models as compare_models
from facebench.results.leaderboard import leaderboard as leaderboard
from facebench.results.power import power as power
from facebench.results.reader import load_run as load_run
from facebench.results.run_folder import RunFolder as RunFolder
from facebench.run.manager import MultiModelTaskManager as MultiModelTaskManager
from facebench.tasks.accuracy import AccuracyTask as AccuracyTask
from facebench.tasks.base import BaseTask as BaseTask
from facebench.tasks.classic_effects import CompositeEffect as CompositeEffect
from facebench.tasks.classic_effects import CriticalFeaturesEffect as CriticalFeaturesEffect
from facebench.tasks.classic_effects import FamiliarityEffect as FamiliarityEffect
from facebench.tasks.classic_effects import InversionEffect as InversionEffect
from facebench.tasks.classic_effects import OtherRaceEffect as OtherRaceEffect
from facebench.tasks.classic_effects import ThatcherEffect as ThatcherEffect
from facebench.tasks.conditioned_average import (
    ConditionedAverageDistances as ConditionedAverageDistances,
)
from facebench.tasks.correlation import CorrelationTask as CorrelationTask
from facebench.tasks.effect import EffectTask as EffectTask
from facebench.tasks.embedding import EmbeddingTask as EmbeddingTask
from facebench.tasks.group_errors import GroupErrorTask as GroupErrorTask
from facebench.tasks.identification import IdentificationTask as IdentificationTask
from facebench.tasks.matching import MatchingTask as MatchingTask
from facebench.tasks.measures import Measure as Measure
from facebench.tasks.odd_one_out import OddOneOutTask as OddOneOutTask
from facebench.tasks.predictors import PredictorsTask as PredictorsTask
from facebench.tasks.probe import ProbeTask as ProbeTask
from facebench.tasks.ranking import RankingTask as RankingTask
from facebench.tasks.recognition_memory import RecognitionMemoryTask as RecognitionMemoryTask
from facebench.tasks.relative_difference import RelativeDifferenceTask as RelativeDifferenceTask
from facebench.tasks.rsa import RsaTask as RsaTask
from facebench.tasks.series import SeriesTask as SeriesTask
from facebench.tasks.shared.distance_metric import batch_cosine_distance as batch_cosine_distance
from facebench.tasks.shared.layer_similarity import rdm_similarity as rdm_similarity
from facebench.tasks.similarity import SimilarityTask as SimilarityTask
from facebench.tasks.template_verification import (
    TemplateVerificationTask as TemplateVerificationTask,
)
from facebench.tasks.verification import VerificationTask as VerificationTask

__version__: str
