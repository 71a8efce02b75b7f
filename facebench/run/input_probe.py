"""Which input a network was trained with, found with a few genuine and impostor pairs.

A wrong order of the colour channels, or a wrong range of values, costs a network some points only:
it goes on telling people apart, worse than published, and nothing fails. Here the same faces are
shown to it in both orders and in the usual ranges.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import override

from facebench.data.identity import people_of_pairs
from facebench.data.pairs.building import pairs_from_folder
from facebench.data.pairs.finding import find_images
from facebench.data.pairs.reading import read_pairs
from facebench.data.pairs.rows import row_name
from facebench.errors import PairsError
from facebench.metrics.distances import cosine
from facebench.metrics.labels import LabelError, as_labels
from facebench.metrics.uncertainty.influence import (
    Dyads,
    Influence,
    auc_influence,
    dprime_influence,
    dyads,
    paired_difference,
)
from facebench.models.base import BaseModel
from facebench.models.trials import unchanged
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InputProbe", "ProbedInput", "probe_input", "probe_pairs"]

_N_PER_GENUINE = 20
_SIGNIFICANT = 0.05
_LEAST = 0.03
_CHANCE = 0.6
_SMALL = 1e-3
_LARGE = 0.03
_SIZE = (250, 250)
_DARK, _LIGHT = (51, 51, 51), (204, 204, 204)
_ORDERS = ("rgb", "bgr")


@dataclass(frozen=True)
class _Range:
    """A usual range of values: white, and mean and SD of red, green and blue."""

    name: str
    max_value: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def settings(self, channels: str) -> dict[str, Any]:
        """Write it as the ``input:`` of a model."""
        return {
            "channels": channels,
            "mean": _short(_ordered(self.mean, channels)),
            "std": _short(_ordered(self.std, channels)),
            "max_value": self.max_value,
        }


_RANGES = (
    _Range("0 to 1", 1, (0, 0, 0), (1, 1, 1)),
    _Range("-1 to 1", 1, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    _Range("0 to 255", 255, (0, 0, 0), (1, 1, 1)),
    _Range("ImageNet", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    _Range("FaceNet: (x - 127.5) / 128", 255, (127.5, 127.5, 127.5), (128, 128, 128)),
    _Range("0 to 255 less VGGFace2's mean", 255, (131.0912, 103.8827, 91.4953), (1, 1, 1)),
)


@dataclass(frozen=True)
class ProbedInput:
    """One input that was tried.

    Attributes
    ----------
    channels : str
        'rgb', 'bgr' or 'grey'.
    range : str
        'as given', or the name of a usual range.
    is_given : bool
        Whether it is what the model gives its network.
    auc : float
        Area under the ROC of cosine similarities.
    dprime : float
        Distance of genuine from impostor similarities in units of their spread: it tells inputs
        apart that are all near an AUC of 1.
    gain, low, high, p_value : float
        The AUC less that of the input as given, its 95 % interval, and P of no difference.
    dprime_gain, dprime_p_value : float
        Likewise of d'.
    settings : dict or None
        The ``input:`` of a model that says it; None of a range that is not known.
    """

    channels: str
    range: str
    is_given: bool
    auc: float
    dprime: float
    gain: float
    low: float
    high: float
    p_value: float
    dprime_gain: float
    dprime_p_value: float
    settings: dict[str, Any] | None

    @override
    def __str__(self) -> str:
        return f"{self.channels.upper()}, {self.range}"


@dataclass(frozen=True)
class InputProbe:
    """What a probe of a network's input found.

    Attributes
    ----------
    inputs : list of ProbedInput
        Best AUC first.
    n_genuine, n_impostor, n_images : int
        What it is based on.
    remarks : list of str
        What could not be tried, and why.
    """

    inputs: list[ProbedInput]
    n_genuine: int
    n_impostor: int
    n_images: int
    remarks: list[str]

    @property
    def given(self) -> ProbedInput:
        """The input as the model gives it."""
        return next(found for found in self.inputs if found.is_given)

    @property
    def better(self) -> list[ProbedInput]:
        """The inputs that are better than the one given, the best first.

        By AUC or, where no AUC is lower than the other, by d'; both beyond chance (Bonferroni).
        Differences of d' below 3 % are those between ranges that are nearly the same.
        """
        least = _LEAST * self.given.dprime
        found = [
            one
            for one in self.inputs
            if (one.gain > 0 and one.p_value < self._level)
            or (one.dprime_gain > least and one.dprime_p_value < self._level and one.high > 0)
        ]
        return sorted(found, key=lambda one: -one.dprime)

    @property
    def _level(self) -> float:
        return _SIGNIFICANT / max(1, len(self.inputs) - 1)

    def verdict(self) -> str:
        """Say which input is right, in a few sentences."""
        given, best = self.given, self.inputs[0]
        if best.auc < _CHANCE:
            return (
                f"No input is much better than chance (AUC {best.auc:.3f} at best): weights, "
                "alignment of the faces or layer are not what the network was trained for."
            )
        if not self.better:
            return self._undecided()
        best = self.better[0]
        how = f" Say so: input: {_written(best.settings)}." if best.settings else ""
        return (
            f"The input as given ({given}) is not the one that the network was trained with: AUC "
            f"{given.auc:.4f}, but {best.auc:.4f} with {best} (d' {given.dprime:.2f} and "
            f"{best.dprime:.2f}).{how}"
        )

    def _undecided(self) -> str:
        """Say what is left where nothing is surely better than the input as given."""
        given = self.given
        least = _LEAST * given.dprime
        alike = [
            one
            for one in self.inputs
            if one is not given
            and (
                min(one.p_value, one.dprime_p_value) >= self._level
                or (one.p_value >= self._level and abs(one.dprime_gain) <= least)
            )
        ]
        nearest = max(alike, key=lambda one: one.dprime, default=None)
        if nearest is not None and nearest.dprime_gain > least:
            return (
                f"These pairs do not decide: {nearest} is nearer to what it was trained with than "
                f"the input as given ({given}), by d' {nearest.dprime:.2f} and {given.dprime:.2f}, "
                "but that may be chance. Use more pairs (--number) or more people."
            )
        listed = "; ".join(map(str, alike))
        also = f" These pairs do not distinguish it from: {listed}." if alike else ""
        return (
            f"The input as given is right, as far as these pairs can tell: {given}, AUC "
            f"{given.auc:.4f}. No other is better.{also}"
        )


def probe_pairs(
    faces: StrPath, pairs: StrPath | None = None, *, n_pairs: int = 100, seed: int = 0
) -> tuple[pd.DataFrame, list[Path], list[Path]]:
    """Choose genuine and impostor pairs for a probe.

    Parameters
    ----------
    faces : str or Path
        A folder of ``NAME/*.jpg``; with `pairs`, the folder that these are relative to.
    pairs : str or Path, optional
        A pairs file with a column ``same``.
    n_pairs : int, default 100
        Genuine pairs at most. Of a pairs file there are as many impostor pairs, of a folder
        twenty times as many, among the same images.
    seed : int, default 0
        Which are drawn.

    Returns
    -------
    tuple of (DataFrame, list of Path, list of Path)
        The pairs, with ``same`` as 0 and 1, and the images of each side.

    Raises
    ------
    PairsError, MissingImageError, MissingPairsFileError
        If there are none.
    """
    generator = np.random.default_rng(seed)
    if pairs is None:
        table = _pairs_of_folder(faces, n_pairs, generator, seed)
    else:
        table = read_pairs(pairs, faces)
        if "same" not in table.columns:
            msg = (
                f"A probe needs the column 'same' in {pairs} (it has: {', '.join(table.columns)})."
            )
            raise PairsError(msg)
        try:
            labels = as_labels(table["same"])
        except LabelError as error:
            msg = (
                f"The column 'same' of {pairs} must hold {error.expected}. Got "
                f"{error.value!r:.200} in {row_name(error.position, pairs)}."
            )
            raise PairsError(msg) from error
        chosen = [
            generator.permutation(np.flatnonzero(labels == label))[:n_pairs] for label in (1, 0)
        ]
        rows = np.sort(np.concatenate(chosen))
        table = table.iloc[rows].assign(same=labels[rows])
        if not all(map(len, chosen)):
            msg = f"A probe needs genuine and impostor pairs. {pairs} has of one kind only."
            raise PairsError(msg)
    found = find_images(table, faces, task="doctor", pairs_path=pairs)
    return table, found.img1, found.img2


def _pairs_of_folder(
    faces: StrPath, n_pairs: int, generator: np.random.Generator, seed: int
) -> pd.DataFrame:
    import pandas as pd

    every = pairs_from_folder(faces, impostor=0)
    genuine = pairs_from_folder(faces, min(n_pairs, len(every)), impostor=0, seed=seed)
    # Other pairs of the same images cost no further passes through the network.
    names = pd.unique(genuine[["img1", "img2"]].to_numpy().ravel())
    people = {
        name: person
        for side in ("1", "2")
        for name, person in zip(genuine[f"img{side}"], genuine[f"identity{side}"], strict=True)
    }
    first, second = np.triu_indices(len(names), k=1)
    of_image = np.array([people[name] for name in names])
    differ = of_image[first] != of_image[second]
    rows = generator.permutation(np.flatnonzero(differ))[: _N_PER_GENUINE * len(genuine)]
    if not rows.size:
        msg = f"A probe needs images of two people at least. {faces} has two images of one only."
        raise PairsError(msg)
    impostor = pd.DataFrame(
        {
            "img1": names[first[rows]],
            "img2": names[second[rows]],
            "same": 0,
            "identity1": of_image[first[rows]],
            "identity2": of_image[second[rows]],
        }
    )
    return pd.concat([genuine, impostor], ignore_index=True)


def probe_input(
    model: BaseModel,
    pairs: pd.DataFrame,
    images1: Sequence[Path],
    images2: Sequence[Path],
    *,
    batch_size: int = 32,
) -> InputProbe:
    """Show a network the same faces in both orders of channels and in the usual ranges.

    Parameters
    ----------
    model : BaseModel
        The model, as it would run: alignment, size and the rest of its preprocessing stay.
    pairs : DataFrame
        The pairs, with ``same``.
    images1, images2 : sequence of Path
        The images of each side.
    batch_size : int, default 32
        Images per forward pass.

    Notes
    -----
    What the model gives its network is read off images of one colour (black, white, red, blue) and
    of two. Where the colours of its input do not go by pixels, the ranges cannot be changed
    afterwards, and only the order of channels is tried.
    """
    images = list(dict.fromkeys([*images1, *images2]))
    row_of = {image: row for row, image in enumerate(images)}
    first = np.array([row_of[image] for image in images1])
    second = np.array([row_of[image] for image in images2])
    labels = pairs["same"].to_numpy()
    remarks: list[str] = []
    with unchanged(model):
        colours = _Colours.of(model)
        tensors = [model.preprocess_image(image) for image in images]
    if colours is None:
        remarks.append(
            "The model's input does not follow the colours of pixels one by one: only the order of "
            "channels was tried, not the range of values."
        )
    shared = _shared(pairs, images1, images2, labels)
    given: tuple[Influence, Influence] | None = None
    found: list[ProbedInput] = []
    for channels, of_range in _variants(colours):
        changed = [_changed(tensor, colours, channels, of_range) for tensor in tensors]
        rows = _embedded(model, changed, batch_size)
        # Without a direction, a vector is like no other.
        similarities = np.nan_to_num(1 - cosine(rows[first], rows[second]), nan=-1.0)
        measured = auc_influence(labels, similarities), dprime_influence(labels, similarities)
        given = measured if given is None else given
        found.append(_probed(channels, of_range, measured, given, shared, is_first=not found))
    order = sorted(found, key=lambda one: (-one.auc, not one.is_given))
    n_genuine = int((labels == 1).sum())
    return InputProbe(order, n_genuine, len(labels) - n_genuine, len(images), remarks)


@dataclass(frozen=True)
class _Colours:
    """How a model writes colours: what black and white become in each channel, and their order."""

    black: torch.Tensor
    white: torch.Tensor
    channels: str

    @classmethod
    def of(cls, model: BaseModel) -> _Colours | None:
        """Read it off images of one colour; None where values are not a straight line of these."""
        black, white, red, blue = (
            _shown(model, Image.new("RGB", _SIZE, colour))
            for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255))
        )
        halves = Image.new("RGB", _SIZE, _DARK)
        halves.paste(_LIGHT, (_SIZE[0] // 2, 0, *_SIZE))
        both = _shown(model, halves)
        if any(part is None for part in (black, white, red, blue, both)):
            return None
        spread = white[0] - black[0]
        if bool((spread.abs() < _SMALL).any()) or not bool(torch.isfinite(spread).all()):
            return None
        for place, colour in enumerate((_DARK, _LIGHT)):
            share = (both[place] - black[0]) / spread
            if bool(((share - colour[0] / 255).abs() > _LARGE).any()):
                return None
        if len(spread) == 1:
            return cls(black[0], white[0], "grey")
        found = torch.stack([(part[0] - black[0]) / spread for part in (red, blue)])
        for channels, place in (("rgb", 0), ("bgr", 2)):
            ends = torch.eye(3, dtype=torch.float64)[[place, 2 - place]]
            if torch.allclose(found, ends, atol=_LARGE):
                return cls(black[0], white[0], channels)
        return None

    def is_of(self, channels: str, of_range: _Range) -> bool:
        """Tell whether the model's own input is of this order and range."""
        black, white = _ends(channels, of_range)
        size = (white - black).abs().max()
        return channels == self.channels and bool(
            torch.cat([self.black - black, self.white - white]).abs().max() < _SMALL * size / 4
        )


def _shown(model: BaseModel, image: Image.Image) -> Any:
    """Give the colours in the left and the right half of what a model makes of an image."""
    with tempfile.TemporaryDirectory(prefix="facebench-") as folder, torch.no_grad():
        if type(model).preprocess_image is BaseModel.preprocess_image:
            # There is no face in it to align.
            tensor = model.preprocess(image)
        else:
            path = Path(folder) / "colours.png"
            image.save(path)
            tensor = model.preprocess_image(path)
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3):
        return None
    _, height, width = tensor.shape
    places = [int(width * share) for share in (0.35, 0.65)]
    return tensor[:, height // 2, places].double().T


def _ordered(values: tuple[float, ...], channels: str) -> tuple[float, ...]:
    """Give numbers of red, green and blue in another order, or one of them for grey."""
    return {"rgb": values, "bgr": values[::-1]}.get(channels, values[:1])


def _ends(channels: str, of_range: _Range) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what black and white are in a range, by channels."""
    mean = torch.tensor(_ordered(of_range.mean, channels), dtype=torch.float64)
    std = torch.tensor(_ordered(of_range.std, channels), dtype=torch.float64)
    return -mean / std, (of_range.max_value - mean) / std


def _variants(colours: _Colours | None) -> list[tuple[str, _Range | None]]:
    """List what is tried, that which is given first; None stands for the range as given."""
    if colours is None:
        return [("as given", None), ("swapped", None)]
    if colours.channels == "grey":
        others: list[str] = []
        # Of grey there is one mean.
        usual = [("grey", of_range) for of_range in _RANGES if len(set(of_range.mean)) == 1]
    else:
        others = [channels for channels in _ORDERS if channels != colours.channels]
        usual = [(channels, of_range) for of_range in _RANGES for channels in _ORDERS]
    own = [one for one in usual if colours.is_of(*one)]
    if own:
        return [own[0], *(one for one in usual if one != own[0])]
    return [*((channels, None) for channels in (colours.channels, *others)), *usual]


def _changed(
    tensor: torch.Tensor, colours: _Colours | None, channels: str, of_range: _Range | None
) -> torch.Tensor:
    """Write a model's input in another order and range."""
    if colours is None:
        return tensor.flip(0) if channels == "swapped" else tensor
    is_swapped = channels != colours.channels
    if of_range is None:
        return tensor.flip(0) if is_swapped else tensor
    if colours.is_of(channels, of_range):
        # Kept to the bit where it is the model's own.
        return tensor
    black, white = _ends(channels, of_range)
    share = (tensor.double() - _column(colours.black)) / _column(colours.white - colours.black)
    share = share.flip(0) if is_swapped else share
    changed: torch.Tensor = share * _column(white - black) + _column(black)
    return changed.to(tensor.dtype)


def _column(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None]


def _embedded(
    model: BaseModel, tensors: Sequence[torch.Tensor], batch_size: int
) -> NDArray[np.float32]:
    rows = list[torch.Tensor]()
    with unchanged(model):
        for start in range(0, len(tensors), batch_size):
            some = list(tensors[start : start + batch_size])
            is_one_shape = len({tensor.shape for tensor in some}) == 1
            batches = [torch.stack(some)] if is_one_shape else [tensor[None] for tensor in some]
            # Of several layers the last one, which is nearest to the output.
            rows += [list(model.get_output(batch).values())[-1] for batch in batches]
    found: NDArray[np.float32] = torch.cat(rows).numpy()
    return found


def _shared(
    pairs: pd.DataFrame, images1: Sequence[Path], images2: Sequence[Path], labels: NDArray[Any]
) -> Dyads:
    """Find out which pairs have people in common, or images where people are unknown."""
    columns = ("identity1", "identity2")
    named = columns if set(columns) <= set(pairs.columns) else "folder"
    people = people_of_pairs(pairs, named, labels)
    if people is None:
        return dyads(list(map(str, images1)), list(map(str, images2)))
    return dyads(*people)


def _probed(
    channels: str,
    of_range: _Range | None,
    measured: tuple[Influence, Influence],
    given: tuple[Influence, Influence],
    shared: Dyads,
    *,
    is_first: bool,
) -> ProbedInput:
    auc, dprime = (
        paired_difference(own, other, shared) for own, other in zip(measured, given, strict=True)
    )
    return ProbedInput(
        channels=channels,
        range="as given" if of_range is None else of_range.name,
        is_given=is_first,
        auc=measured[0].estimate,
        dprime=measured[1].estimate,
        gain=auc.difference,
        low=auc.low,
        high=auc.high,
        p_value=auc.p_value,
        dprime_gain=dprime.difference,
        dprime_p_value=dprime.p_value,
        settings=None if of_range is None else of_range.settings(channels),
    )


def _short(values: Sequence[float]) -> float | list[float]:
    return values[0] if len(set(values)) == 1 else list(values)


def _written(settings: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in settings.items()) + "}"
