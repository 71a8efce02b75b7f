"""The contract of a task that needs the embeddings themselves, not distances of given pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.data.pairs.finding import check_images_path
from facebench.errors import InputError
from facebench.store.rows import StoreDtype
from facebench.tasks.facts import HumanReference, TaskFacts, described
from facebench.tasks.measures import Measure
from facebench.tasks.shared.people import WithPeople
from facebench.types import Float64Array, FloatArray, IntArray, StrPath

__all__ = ["EmbeddingTask", "LayerSource"]


@dataclass(frozen=True)
class LayerSource:
    """Where a layer's embeddings are from, for tasks that compare them with others.

    Attributes
    ----------
    model, layer : str
        Names of the model and of its layer.
    key : callable
        Gives what determines its rows in stores and packs, besides the image; '' where they are
        not kept.
    dtype : {'float32', 'float16'}
        Of the rows there.
    images : sequence of bytes
        Digests of the images of the task.
    searches : Path or None
        Where machines share parts of searches.
    adjusted : bool
        Whether the embeddings are centred or whitened.
    after_block : callable or None
        Told of every block of rows that a share of a search has done, with how many they are; what
        it raises ends the share.
    """

    model: str = ""
    layer: str = ""
    key: Callable[[], str] = str
    dtype: StoreDtype = "float32"
    images: Sequence[bytes] = ()
    searches: Path | None = None
    adjusted: bool = False
    after_block: Callable[[int], None] | None = None


class EmbeddingTask(WithPeople, ABC):
    """One question asked of every network, through the embeddings of a list of images.

    The sibling of `BaseTask` for galleries, templates and choices among several images. A task of
    your own is a subclass with three methods, which declares its ``measures`` as `BaseTask` says:

    - ``compute_items(embeddings)`` gets one layer's embeddings and returns a DataFrame, a row per
      item (a probe, a pair of templates, a choice). The run keeps and exports it with a column
      ``layer_name``, as it does the distances of pairs.
    - ``compute_task_performance(items_df)`` gets that frame and returns a DataFrame, one row (or
      one per condition), a column per measure.
    - ``plot(output_dir, performances, *optional)``, static or not, draws the results of all models.
      Its first optional argument is the nested dict ``items[model][task]`` of such frames.

    Parameters
    ----------
    name : str
        Unique name of the task.
    images : sequence of str
        The images it needs, relative to `images_path`. One may be named several times.
    images_path : str or Path
        The folder the image names are relative to.

    Attributes
    ----------
    images : list of str
        The images, in the order of the rows of ``embeddings``.
    distance_metric_name : str or None
        The name of its distance, if it has one.
    measures, question, sampling_unit, human_references, citations, people
        What the task says of itself, as `BaseTask` does.
    item_name : str
        What its items are called: 'trials', 'probes' …

    Raises
    ------
    InputError
        If the name is not text or there are no images.
    """

    measures: Sequence[Measure] = ()
    question: str = ""
    sampling_unit: str = "images"
    item_name: str = "items"
    human_references: Sequence[HumanReference] = ()
    citations: Sequence[str] = ()
    distance_metric_name: str | None = None

    def __init__(self, name: str, images: Sequence[str], images_path: StrPath) -> None:
        if not isinstance(name, str) or not name.strip():
            msg = f"The 'name' of a {type(self).__name__} must be a text. Got {name!r} instead."
            raise InputError(msg)
        if not len(images):
            msg = f"Task {name!r} must name at least one image. Got none."
            raise InputError(msg)
        self.name = name
        check_images_path(images_path, task=name)
        self.images_path = images_path
        self.images = list(images)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.images)} images)"

    def facts(self) -> TaskFacts:
        """Describe the task for reports and comparisons."""
        return described(self, distance=self.distance_metric_name, item_name=self.item_name)

    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Say what the images belong to, for counts of failures to process.

        Returns
        -------
        dict of str to list of one array, shape [N]
            By grouping, the condition of every image of ``images``; '' is none. By default there
            are no groupings.
        """
        return {}

    def check_sources(self, sources: Sequence[LayerSource]) -> None:
        """Be told, before any network runs, which layers will be measured.

        Parameters
        ----------
        sources : sequence of LayerSource
            The layers of all models, without keys and digests.

        Raises
        ------
        FacebenchError
            If the task cannot be measured on one of them.
        """

    def check_width(self, source: LayerSource, width: int) -> None:
        """Be told how wide a layer is, before most of its images are embedded.

        Parameters
        ----------
        source : LayerSource
            The layer.
        width : int
            Values of its embeddings.

        Raises
        ------
        FacebenchError
            If the task cannot be measured on it.
        """

    def compute_items_of(self, embeddings: FloatArray, source: LayerSource) -> pd.DataFrame:
        """Do what `compute_items` does, knowing which layer it is of.

        Parameters
        ----------
        embeddings : array, shape [N, D]
            See `compute_items`.
        source : LayerSource
            Where they are from.

        Returns
        -------
        DataFrame
        """
        return self.compute_items(embeddings)

    @abstractmethod
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Find what one layer of one model says of every item.

        Parameters
        ----------
        embeddings : array, shape [N, D]
            float32, row i for ``self.images[i]``; all NaN for an image that could not be read
            (where the run skips those).

        Returns
        -------
        DataFrame
            A row per item.
        """

    def image_pairs(self) -> tuple[IntArray, IntArray] | None:
        """Say which images the task compares, if their distances are all that it needs.

        Such a task also runs on a table of scores (`ScoresModel`), through
        `items_of_distances`.

        Returns
        -------
        tuple of two int arrays, shape [P], or None
            Places in ``images``. None, the default: the task needs embeddings.
        """
        return None

    def items_of_distances(self, distances: Float64Array) -> pd.DataFrame:
        """Find what given distances say of every item; see `compute_items`.

        Parameters
        ----------
        distances : array, shape [P]
            Of the pairs that `image_pairs` gives, in their order; NaN where there is none.

        Returns
        -------
        DataFrame
            A row per item.
        """
        raise NotImplementedError

    @abstractmethod
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        """Measure one layer of one model.

        Parameters
        ----------
        items_df : DataFrame
            What `compute_items` returned, with ``layer_name``.

        Returns
        -------
        DataFrame
            A row per result, a column per measure.
        """

    @abstractmethod
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the results of all models.

        Parameters
        ----------
        output_dir : str
            Folder for the pictures; it exists.
        performances : DataFrame
            Rows of all models and layers, and of all tasks of this class if `plot` is static.
        *optional
            First the items of every model and task, as ``items[model][task]``.
        """
