"""Models, tasks and metrics by name: ours, those of installed plug-ins, and those of a script.

Names lead to ``"module:Attribute"``, imported when first asked for; listing them imports nothing.
A package adds names through the entry points ``facebench.models``, ``facebench.tasks``,
``facebench.metrics`` and ``facebench.correlations``; a script with the decorators here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeVar

from typing_extensions import override

from facebench.errors import DuplicateNameError, InputError, UnknownNameError
from facebench.experiment.targets import docstring_of
from facebench.models.recipes import RECIPES
from facebench.tasks.shared.sklearn_distances import PAIRWISE, SklearnDistance
from facebench.utils.importing import import_target
from facebench.utils.suggestions import did_you_mean, listed

__all__ = [
    "CORRELATIONS",
    "METRICS",
    "MODELS",
    "TASKS",
    "Entry",
    "Registry",
    "register_metric",
    "register_model",
    "register_task",
]

T = TypeVar("T")
_OURS = "facebench"
_SCRIPT = "registered"


@dataclass(frozen=True)
class Entry:
    """One name and where it leads.

    Attributes
    ----------
    name : str
        The name.
    target : str
        ``"module:Attribute"``.
    source : str
        'facebench', the distribution that brought it, or 'registered' for a decorator.
    what : str
        One sentence; '' to take the first of its docstring.
    """

    name: str
    target: str
    source: str
    what: str = ""

    @property
    def summary(self) -> str:
        """The first line of its docstring, read from the source file without importing it."""
        if self.what:
            return self.what
        registered = sys.modules.get(self.target.partition(":")[0])
        attribute = self.target.partition(":")[2]
        if registered is not None and hasattr(registered, attribute):
            doc = getattr(registered, attribute).__doc__ or ""
        else:
            doc = docstring_of(self.target)
        return doc.strip().split("\n\n")[0].replace("\n", " ").strip()


class Registry:
    """Names of one kind of thing.

    Parameters
    ----------
    kind : str
        What they are, for messages: 'model'.
    group : str
        The entry points' group.
    builtin : mapping of str to str
        Our own names and their ``"module:Attribute"``. They hold in a bare clone too, where no
        installed metadata tells of them.
    what : mapping of str to str, optional
        A sentence for names whose classes have no docstring in a source file.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        builtin: Mapping[str, str],
        what: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.group = group
        self._builtin = dict(builtin)
        self._what = dict(what or {})
        self._registered: dict[str, Any] = {}

    @override
    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {len(self.entries())} names)"

    def __contains__(self, name: object) -> bool:
        return self._find(str(name)) is not None

    def entries(self) -> list[Entry]:
        """List all names, alphabetically.

        Returns
        -------
        list of Entry
        """
        found = {
            point.name: Entry(
                point.name, point.value.replace(" ", ""), point.dist.name if point.dist else "?"
            )
            for point in metadata.entry_points(group=self.group)
        }
        for name, target in self._builtin.items():
            found[name] = Entry(name, target, _OURS, self._what.get(name, ""))
        for name, thing in self._registered.items():
            found[name] = Entry(name, f"{thing.__module__}:{thing.__qualname__}", _SCRIPT)
        return [found[name] for name in sorted(found)]

    def names(self) -> list[str]:
        """List all names, alphabetically.

        Returns
        -------
        list of str
        """
        return [entry.name for entry in self.entries()]

    def get(self, name: str) -> Any:
        """Import what a name stands for.

        Parameters
        ----------
        name : str
            A name as listed, or the name of the class or function itself.

        Returns
        -------
        type or callable

        Raises
        ------
        UnknownNameError
            If there is no such name; the message tells the closest.
        InputError
            If what it leads to cannot be imported.
        """
        entry = self._find(name)
        if entry is None:
            known = self.names()
            msg = (
                f"Unknown {self.kind} {name!r}. Available: {listed(known)}."
                f"{did_you_mean(name, known)}"
            )
            raise UnknownNameError(msg)
        if entry.source == _SCRIPT:
            return self._registered[entry.name]
        if entry.target.startswith(f"{PAIRWISE}:"):
            return SklearnDistance(entry.target.partition(":")[2])
        return import_target(entry.target, self.kind)

    def register(self, name: str) -> Callable[[T], T]:
        """Make a decorator that gives a class or function a name.

        Parameters
        ----------
        name : str
            A name that nothing else has.

        Returns
        -------
        callable
            The decorator; it returns what it decorates.

        Raises
        ------
        DuplicateNameError
            If something else has the name.
        """
        if not isinstance(name, str) or not name.strip():
            msg = f"A {self.kind} is registered under a name. Got {name!r} instead."
            raise InputError(msg)

        def keep(thing: T) -> T:
            target = f"{thing.__module__}:{thing.__qualname__}"  # type: ignore[attr-defined]
            taken = next((entry for entry in self.entries() if entry.name == name), None)
            # A module or file that is loaded again defines the same thing again.
            known = self._registered.get(name)
            again = known is not None and _origin(known) == _origin(thing)
            if taken is not None and taken.target != target and not again:
                msg = (
                    f"The {self.kind} name {name!r} is taken by {taken.target} ({taken.source}). "
                    "Register under another name."
                )
                raise DuplicateNameError(msg)
            if taken is None or taken.source == _SCRIPT:
                self._registered[name] = thing
            return thing

        return keep

    def _find(self, name: str) -> Entry | None:
        entries = self.entries()
        for entry in entries:
            if entry.name == name:
                return entry
        return next((entry for entry in entries if entry.target.endswith(f":{name}")), None)


def _origin(thing: Any) -> tuple[str | None, str]:
    """Say in which file something is defined, independent of the name of its module."""
    module = sys.modules.get(thing.__module__)
    return getattr(module, "__file__", thing.__module__), thing.__qualname__


MODELS = Registry(
    "model",
    "facebench.models",
    {
        "clip": "facebench.models.clip:CLIPModel",
        "dinov2": "facebench.models.dino:DinoModel",
        "dlib-resnet": "facebench.models.dlib_resnet:DlibResNetModel",
        "embeddings": "facebench.models.embeddings:EmbeddingsModel",
        "ensemble": "facebench.models.ensemble:EnsembleModel",
        "module": "facebench.models.module:ModuleModel",
        "onnx": "facebench.models.onnx:OnnxModel",
        "scores": "facebench.models.scores:ScoresModel",
        "text": "facebench.models.text:TextModel",
        "timm": "facebench.models.timm:TimmModel",
        "torch-export": "facebench.models.torch_export:ExportedModel",
        "torchscript": "facebench.models.torchscript:TorchScriptModel",
        "torchvision": "facebench.models.torchvision:TorchvisionModel",
        "transformers": "facebench.models.transformers:TransformersModel",
        "vgg16": "facebench.models.vgg16:Vgg16Model",
    }
    | {name: f"facebench.models.recipe_model:{name.replace('-', '_')}" for name in RECIPES},
    {name: f"{recipe.what}." for name, recipe in RECIPES.items()},
)
TASKS = Registry(
    "task",
    "facebench.tasks",
    {
        "accuracy": "facebench.tasks.accuracy:AccuracyTask",
        "composite-effect": "facebench.tasks.classic_effects:CompositeEffect",
        "conditioned-average": "facebench.tasks.conditioned_average:ConditionedAverageDistances",
        "correlation": "facebench.tasks.correlation:CorrelationTask",
        "critical-features-effect": "facebench.tasks.classic_effects:CriticalFeaturesEffect",
        "effect": "facebench.tasks.effect:EffectTask",
        "familiarity-effect": "facebench.tasks.classic_effects:FamiliarityEffect",
        "group-errors": "facebench.tasks.group_errors:GroupErrorTask",
        "identification": "facebench.tasks.identification:IdentificationTask",
        "inversion-effect": "facebench.tasks.classic_effects:InversionEffect",
        "matching": "facebench.tasks.matching:MatchingTask",
        "odd-one-out": "facebench.tasks.odd_one_out:OddOneOutTask",
        "other-race-effect": "facebench.tasks.classic_effects:OtherRaceEffect",
        "predictors": "facebench.tasks.predictors:PredictorsTask",
        "probe": "facebench.tasks.probe:ProbeTask",
        "ranking": "facebench.tasks.ranking:RankingTask",
        "recognition-memory": "facebench.tasks.recognition_memory:RecognitionMemoryTask",
        "relative-difference": "facebench.tasks.relative_difference:RelativeDifferenceTask",
        "rsa": "facebench.tasks.rsa:RsaTask",
        "series": "facebench.tasks.series:SeriesTask",
        "similarity": "facebench.tasks.similarity:SimilarityTask",
        "template-verification": "facebench.tasks.template_verification:TemplateVerificationTask",
        "thatcher-effect": "facebench.tasks.classic_effects:ThatcherEffect",
        "verification": "facebench.tasks.verification:VerificationTask",
    },
)
METRICS = Registry(
    "distance metric",
    "facebench.metrics",
    {
        "batch-cosine": "facebench.tasks.shared.distance_metric:batch_cosine_distance",
        "cosine": "sklearn.metrics.pairwise:cosine_distances",
        "euclidean": "sklearn.metrics.pairwise:euclidean_distances",
        "manhattan": "sklearn.metrics.pairwise:manhattan_distances",
    },
)
CORRELATIONS = Registry(
    "correlation",
    "facebench.correlations",
    {
        "kendall": "scipy.stats:kendalltau",
        "pearson": "numpy:corrcoef",
        "spearman": "scipy.stats:spearmanr",
    },
)


def register_model(name: str) -> Callable[[T], T]:
    """Give a model class a name for configurations and the command line.

    Parameters
    ----------
    name : str
        A name that no other model has.

    Returns
    -------
    callable
        The decorator.
    """
    return MODELS.register(name)


def register_task(name: str) -> Callable[[T], T]:
    """Give a task class a name for configurations and the command line.

    Parameters
    ----------
    name : str
        A name that no other task has.

    Returns
    -------
    callable
        The decorator.
    """
    return TASKS.register(name)


def register_metric(name: str) -> Callable[[T], T]:
    """Give a distance function of two [1, D] tensors a name for configurations.

    Parameters
    ----------
    name : str
        A name that no other distance metric has.

    Returns
    -------
    callable
        The decorator.
    """
    return METRICS.register(name)
