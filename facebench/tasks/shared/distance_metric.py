"""From a distance function of two tensors to the distances of many pairs of embeddings.

A task's `distance_metric` is any callable of two [1, D] tensors. The usual ones are recognised and
computed for all pairs at once in float64; any other is called pair by pair. This is the one place
outside models and engine that touches torch, and only when a metric has to be called: a user's
function expects tensors.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import Any

import numpy as np
from typing_extensions import override

from facebench.errors import MetricError
from facebench.metrics.distances import RowDistance
from facebench.tasks.shared.sklearn_distances import SklearnDistance, sklearn_name
from facebench.types import Float64Array, FloatArray, IntArray, MetricFunction

__all__ = ["DistanceMetric", "batch_cosine_distance"]

_COSINE_EPS = 1e-8  # torch's default
_SKLEARN = {
    "cosine_distances": RowDistance("cosine"),
    "euclidean_distances": RowDistance("minkowski"),
    "manhattan_distances": RowDistance("minkowski", p=1.0),
}
_SHAPE_WORDS = re.compile(r"shape|size|dimension|mismatch|align|broadcast|matmul", re.IGNORECASE)


def batch_cosine_distance(tensor1: Any, tensor2: Any) -> Any:
    """Cosine distance between corresponding rows of two tensors.

    Parameters
    ----------
    tensor1, tensor2 : torch.Tensor or array, shape [N, D]
        Embeddings, row against row.

    Returns
    -------
    torch.Tensor or array, shape [N]
        1 - cosine similarity, in [0, 2]; 1 where a row is all zero (NaN in a run, which counts
        such pairs as failed).

    Examples
    --------
    >>> import numpy as np
    >>> batch_cosine_distance(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    array([1.])
    """
    # Only operators that tensors and arrays share, so that either kind comes back as it was given.
    products = (tensor1 * tensor2).sum(-1)
    norm1 = ((tensor1 * tensor1).sum(-1) ** 0.5).clip(min=_COSINE_EPS)
    norm2 = ((tensor2 * tensor2).sum(-1) ** 0.5).clip(min=_COSINE_EPS)
    return (1 - products / (norm1 * norm2)).clip(min=0.0, max=2.0)


class DistanceMetric:
    """A task's distance function: its name, one pair at a time, and many pairs at once.

    Parameters
    ----------
    function : callable
        Of two tensors [1, D] (or [N, D]), returning a number, or an array or tensor that is
        averaged.
    owner : str
        The task class it was given to, for messages.

    Raises
    ------
    MetricError
        If it is not callable, or fails or returns no number for two small tensors.
    """

    def __init__(self, function: MetricFunction, owner: str) -> None:
        if not callable(function):
            msg = (
                f"The 'distance_metric' parameter of {owner} must be a callable of two tensors, "
                f"such as sklearn.metrics.pairwise.cosine_distances. Got {function!r} instead."
            )
            raise MetricError(msg)
        self._function = function
        self.name = self.__name__ = metric_name(function)
        self.owner = owner
        self.rowwise = _recognise(function)
        self._similarity = _is_torch_cosine_similarity(function)
        # As tried on some vectors: an image with itself has more of it than two images have.
        self.is_similarity = False
        self.similarity_note = ""
        if self.rowwise is None:
            self._try_small()

    @override
    def __repr__(self) -> str:
        return f"DistanceMetric({self.name})"

    @property
    def function(self) -> MetricFunction:
        """The function it was made of; scikit-learn's own where a default stood for it."""
        if isinstance(self._function, SklearnDistance):
            return self._function.__wrapped__  # type: ignore[no-any-return]
        return self._function

    @function.setter
    def function(self, function: MetricFunction) -> None:
        self._function = function

    def __call__(self, left: Any, right: Any) -> float:
        """Distance of one pair: the function's own value, averaged if it has several elements."""
        if self.rowwise is not None:
            # As precise as the row-wise twin, which accumulates in float64.
            left, right = _as_double(left), _as_double(right)
        try:
            result = self._function(left, right)
        except Exception as error:
            msg = f"{self._complaint(left, right)} it raised {type(error).__name__}: {error}"
            raise MetricError(msg) from error
        value = _as_number(result)
        if value is None:
            msg = (
                f"{self._complaint(left, right)} it returned {result!r} ({type(result).__name__}). "
                "It must return a number, or an array or tensor of numbers."
            )
            raise MetricError(msg)
        return 1.0 - value if self._similarity else value

    @property
    def is_cosine(self) -> bool:
        """Whether it is a cosine distance, which rows of zeros do not have."""
        return self.rowwise is not None and self.rowwise.kind == "cosine"

    def between(self, embeddings: FloatArray, first: IntArray, second: IntArray) -> Float64Array:
        """Distances of many pairs.

        Parameters
        ----------
        embeddings : array, shape [M, D]
            One row per image.
        first, second : int array, shape [N]
            The rows that make each pair.

        Returns
        -------
        array, shape [N]
            Distances, in float64.

        Raises
        ------
        MetricError
            If the function fails or returns no number, or NaN or infinity, for a pair. The cosine
            distance of a row of zeros is NaN, and no error.
        """
        if self.rowwise is None:
            values = self._one_by_one(embeddings, first, second)
        else:
            values = self.rowwise.between(embeddings, first, second)
        self.check_finite(values)
        return values

    def check_finite(self, values: Float64Array) -> None:
        """Refuse distances that are NaN or infinite.

        Parameters
        ----------
        values : array, shape [N]
            Distances of pairs, in their order.

        Raises
        ------
        MetricError
            Counting them and naming the first.
        """
        allowed = np.isnan(values) if self.is_cosine else False
        bad = np.flatnonzero(~(np.isfinite(values) | allowed))
        if bad.size:
            msg = (
                f"The distance metric {self.name} of {self.owner} gave {bad.size} of {values.size} "
                f"pairs a distance that is not finite; the first is {values[bad[0]]} "
                f"for pair {bad[0] + 1}."
            )
            raise MetricError(msg)

    def _one_by_one(
        self, embeddings: FloatArray, first: IntArray, second: IntArray
    ) -> Float64Array:
        import torch

        def row(index: int) -> torch.Tensor:
            # A copy: a user's metric may work in place.
            return torch.from_numpy(embeddings[index : index + 1].copy())

        with torch.no_grad():
            return np.array(
                [
                    self(row(i), row(j))
                    for i, j in zip(first.tolist(), second.tolist(), strict=True)
                ],
                dtype=np.float64,
            )

    def prove(self, embeddings: Any) -> None:
        """Call a metric of the user's on some embeddings, before more of them are made.

        Parameters
        ----------
        embeddings : Tensor, shape [N, D]
            One or more embeddings.

        Raises
        ------
        MetricError
            If the metric cannot take them.
        """
        if self.rowwise is None:
            left, right = embeddings[:1], embeddings[-1:]
            self(left.clone(), right.clone())
            self._look_for_similarity(left, right)

    def prove_width(self, width: int) -> None:
        """Call a metric of the user's on two made vectors, where no embeddings are at hand.

        Parameters
        ----------
        width : int
            Numbers per embedding.

        Raises
        ------
        MetricError
            If the metric cannot take them.
        """
        if self.rowwise is None:
            import torch

            self.prove(torch.rand((2, width), generator=torch.Generator().manual_seed(0)))

    def _look_for_similarity(self, left: Any, right: Any) -> None:
        """Note where vectors have more of the metric with themselves than with each other."""
        try:
            own = [self(each.clone(), each.clone()) for each in (left, right, left)]
            both = self(left.clone(), right.clone())
        except MetricError:
            # Equal vectors may be more than it can take.
            return
        if own[0] == own[2] and min(own) > both:
            self.is_similarity = True
            self.similarity_note = (
                f"the distance metric {self.name} gives an image {min(own):.4g} with itself and "
                f"{both:.4g} with another: it seems to be a similarity, and larger distances must "
                "mean less alike (pass 1 minus it, or its negative)"
            )

    def _try_small(self) -> None:
        """Try the function on 8 numbers, unless it is made for another width."""
        import torch

        generator = torch.Generator().manual_seed(0)
        left = torch.rand((1, 8), generator=generator)
        right = torch.rand((1, 8), generator=generator)
        try:
            value = self(left.clone(), right.clone())
        except MetricError as error:
            # A metric made for embeddings of one width (Mahalanobis) cannot take our 8 numbers;
            # it is judged on the real ones.
            cause = error.__cause__
            if isinstance(cause, IndexError) or (
                isinstance(cause, RuntimeError | ValueError) and _SHAPE_WORDS.search(str(cause))
            ):
                return
            raise
        if not np.isfinite(value):
            msg = f"{self._complaint(left, right)} it returned {value}. It must be finite."
            raise MetricError(msg)
        self._look_for_similarity(left - 0.5, right - 0.5)

    def _complaint(self, left: Any, right: Any) -> str:
        shapes = f"{list(left.shape)} and {list(right.shape)}"
        return (
            f"The distance metric {self.name} of {self.owner} is not usable: "
            f"given two tensors of shape {shapes}"
        )


def _as_double(vectors: Any) -> Any:
    return vectors.double() if hasattr(vectors, "double") else np.asarray(vectors, np.float64)


def metric_name(function: MetricFunction) -> str:
    """Name a callable as its author would.

    Examples
    --------
    >>> import functools
    >>> metric_name(functools.partial(max, key=abs))
    'max(key=abs)'
    """
    if isinstance(function, functools.partial):
        given = [repr(value) for value in function.args]
        given += [
            f"{key}={getattr(value, '__name__', repr(value))}"
            for key, value in function.keywords.items()
        ]
        return f"{metric_name(function.func)}({', '.join(given)})"
    if isinstance(function, DistanceMetric):
        return function.name
    return str(getattr(function, "__name__", type(function).__name__))


def _as_number(result: Any) -> float | None:
    if result is None or isinstance(result, str | bytes):
        return None
    if hasattr(result, "detach"):
        result = result.detach().cpu().numpy()
    try:
        values = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return float(values.mean()) if values.size else None


def _recognise(function: MetricFunction) -> RowDistance | None:
    """Find the row-wise twin of a well-known metric; None means: call it pair by pair."""
    if isinstance(function, DistanceMetric):
        return function.rowwise
    if function is batch_cosine_distance:
        return RowDistance("cosine", eps=_COSINE_EPS)
    base, keywords = function, {}
    if isinstance(function, functools.partial):
        if function.args:
            return None
        base, keywords = function.func, dict(function.keywords)
    known = sklearn_name(base)
    if known is not None and not keywords:
        return _SKLEARN.get(known)
    return _recognise_torch(base, keywords)


def _recognise_torch(base: Any, keywords: dict[str, Any]) -> RowDistance | None:
    # A callable from torch can only have been made if torch is loaded already.
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    functional = torch.nn.functional
    if type(base) is torch.nn.PairwiseDistance and not keywords:
        return _as_minkowski(base.norm, base.eps)
    if type(base) is torch.nn.CosineSimilarity and not keywords and base.dim in (1, -1):
        return RowDistance("cosine", eps=base.eps)
    if base is torch.cdist and keywords.keys() <= {"p", "compute_mode"}:
        return _as_minkowski(keywords.get("p", 2.0))
    if base is functional.pairwise_distance and keywords.keys() <= {"p", "eps", "keepdim"}:
        return _as_minkowski(keywords.get("p", 2.0), keywords.get("eps", 1e-6))
    if base is functional.cosine_similarity and keywords.keys() <= {"eps"}:
        return RowDistance("cosine", eps=keywords.get("eps", _COSINE_EPS))
    return None


def _as_minkowski(p: Any, offset: float = 0.0) -> RowDistance | None:
    """Give the row-wise twin of a p-norm; what p torch allows beyond that, torch decides."""
    if isinstance(p, int | float) and p >= 0:
        return RowDistance("minkowski", p=float(p), offset=offset)
    return None


def _is_torch_cosine_similarity(function: MetricFunction) -> bool:
    """Tell whether a callable is torch's similarity, the one known metric where more is alike."""
    base = function.func if isinstance(function, functools.partial) else function
    torch = sys.modules.get("torch")
    return torch is not None and (
        base is torch.nn.functional.cosine_similarity or isinstance(base, torch.nn.CosineSimilarity)
    )
