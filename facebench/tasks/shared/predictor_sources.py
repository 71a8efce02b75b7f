"""Predictors of a task's pairs, from what a file of an experiment names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from facebench.data.embedding_files import open_embeddings
from facebench.data.pairs import require_column
from facebench.data.rdms import NameMatcher, RdmMatcher, read_rdms
from facebench.errors import InputError
from facebench.metrics.rdm import DISTANCES, rdm, square
from facebench.tasks.shared.image_tables import read_image_table
from facebench.tasks.shared.pixels import PixelDistances
from facebench.types import Float64Array, StrPath
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["PIXELS", "NuisanceSources", "PredictorSources", "as_sources", "predictor_values"]

# A name → 'pixels', a column of the pairs, a file of RDMs, or a mapping that says more.
PredictorSources: TypeAlias = "Mapping[str, str | Path | Mapping[str, Any]]"
NuisanceSources: TypeAlias = "str | Path | Mapping[str, Any] | Sequence[Any]"
PIXELS = "pixels"
# What a mapping is of, and what else it may say.
_KINDS: dict[str, tuple[str, ...]] = {
    "rdm": ("layer", "polarity", "names_key"),
    "embeddings": ("layer", "distance", "names", "names_key", "images_in"),
    "table": ("column", "image"),
    "column": (),
}


def as_sources(given: NuisanceSources | None) -> list[Any]:
    """Give one source or several as a list."""
    if given is None:
        return []
    return [given] if isinstance(given, str | Path | Mapping) else list(given)


def predictor_values(
    name: str, source: Any, pairs: pd.DataFrame, images_path: StrPath, *, owner: str, path: StrPath
) -> Float64Array:
    """Find one predictor's number for every pair.

    Parameters
    ----------
    name : str
        What the predictor is called.
    source : str, Path or mapping
        'pixels'; a column of the pairs; a file of RDMs; or a mapping with one of 'rdm' (a file,
        with layer and polarity), 'embeddings' (a file, with layer and distance), 'table' (of
        images, with column and image) and 'column'.
    pairs : DataFrame
        The pairs.
    images_path : str or Path
        The folder that names are relative to.
    owner, path : str
        The task's class and its pairs file, for messages.

    Returns
    -------
    array, shape [N]
        NaN where the source has none.

    Raises
    ------
    InputError, PairsError, MissingImageError
        If there is no such source, it cannot be read, or lacks an image.
    """
    if isinstance(source, Mapping):
        kinds = [kind for kind in _KINDS if kind in source]
        # A table is read by a column.
        kind = "table" if "table" in kinds else kinds[0] if len(kinds) == 1 else ""
        unknown = [key for key in source if key not in (kind, *_KINDS.get(kind, ()))]
        if not kind or unknown:
            msg = (
                f"Predictor {name!r} of {owner} must say one of {listed(_KINDS)}"
                f"{f', with {listed(_KINDS[kind])}' if _KINDS.get(kind) else ''}. "
                f"Got {dict(source)!r:.300}."
            )
            raise InputError(msg)
        more = {key: value for key, value in source.items() if key != kind}
        given = source[kind]
    elif isinstance(source, str) and source == PIXELS and source not in pairs:
        return PixelDistances(images_path).of_pairs(pairs["img1"], pairs["img2"])
    elif isinstance(source, str) and source in pairs:
        kind, given, more = "column", source, {}
    elif isinstance(source, str | Path) and Path(source).suffix:
        kind, given, more = "rdm", source, {}
    else:
        has = [str(column) for column in pairs.columns if column not in ("img1", "img2")]
        msg = (
            f"Predictor {name!r} of {owner} must be 'pixels', a column of {Path(path).name} (it "
            f"has: {listed(has)}), a file of RDMs, or a mapping. Got {source!r} instead."
            f"{did_you_mean(str(source), has)}"
        )
        raise InputError(msg)
    if kind == "column":
        return _numbers(
            require_column(pairs, given, parameter="predictors", owner=owner, path=path)
        )
    if kind == "table":
        return _of_table(given, pairs, images_path, owner, **more)
    reader = _of_rdm if kind == "rdm" else _of_embeddings
    return reader(name, given, pairs, images_path, **more)


def _numbers(column: pd.Series) -> Float64Array:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        msg = (
            f"The column {column.name!r} must hold finite numbers to be a predictor. "
            f"{bad.size} cells do not, first {column.iloc[int(bad[0])]!r:.100}."
        )
        raise InputError(msg)
    return np.asarray(numbers)


def _of_rdm(
    name: str,
    file: StrPath,
    pairs: pd.DataFrame,
    images_path: StrPath,
    layer: str | None = None,
    polarity: str | None = None,
    names_key: str | None = None,
) -> Float64Array:
    if polarity not in (None, "distance", "similarity"):
        msg = (
            f"The 'polarity' of predictor {name!r} must be 'distance' or 'similarity'. "
            f"Got {polarity!r} instead."
        )
        raise InputError(msg)
    rdms = read_rdms(file, names_key=names_key)
    if rdms.polarity is not None and rdms.polarity != (polarity or "distance"):
        msg = (
            f"{rdms.source} holds {rdms.polarity.replace('y', 'ie')}s, by the diagonal of the "
            f"matrix. Say polarity: {rdms.polarity} for predictor {name!r}."
        )
        raise InputError(msg)
    vector = rdms.one(layer)
    found = RdmMatcher(rdms).values(vector, images_path, pairs["img1"], pairs["img2"])
    return -found if polarity == "similarity" else found


def _of_embeddings(
    name: str,
    file: StrPath,
    pairs: pd.DataFrame,
    images_path: StrPath,
    layer: str | None = None,
    distance: str = "cosine",
    **reading: Any,
) -> Float64Array:
    if distance not in DISTANCES:
        msg = (
            f"The 'distance' of predictor {name!r} must be one of {', '.join(DISTANCES)}. "
            f"Got {distance!r} instead."
        )
        raise InputError(msg)
    names = reading.pop("names", None)
    found = open_embeddings(file, names, **reading)
    if layer is None and len(found.layers) > 1:
        msg = f"{found.path} holds several layers: {listed(found.layers)}. Say which (layer)."
        raise InputError(msg)
    chosen = found.layers[0] if layer is None else layer
    if chosen not in found.layers:
        msg = f"{found.path} has no layer {layer!r}. It has: {listed(found.layers)}."
        raise InputError(msg + did_you_mean(chosen, found.layers))
    first, second = pairs["img1"].tolist(), pairs["img2"].tolist()
    rows = NameMatcher(found.names, found.path, "embedding").rows(images_path, [*first, *second])
    different, place = np.unique(rows, return_inverse=True)
    one, other = np.split(place, 2)
    return np.asarray(square(rdm(found.read(chosen)[different], distance))[one, other])


def _of_table(
    file: StrPath,
    pairs: pd.DataFrame,
    images_path: StrPath,
    owner: str,
    column: str = "",
    image: str = "image",
) -> Float64Array:
    """Compare an attribute of both images: the absolute difference of numbers, or equal or not."""
    if not column:
        msg = f"A predictor of {owner} from a table of images must say which 'column' of it."
        raise InputError(msg)
    table = read_image_table(file, parameter="predictors", owner=owner, columns=(image, column))
    names = table.texts("image", image).tolist()
    values = table.texts("column", column)
    sides: Sequence[str] = [*pairs["img1"], *pairs["img2"]]
    rows = NameMatcher(names, Path(file)).rows(images_path, sides)
    is_varied = values.groupby(np.array(names)).transform("nunique").to_numpy() > 1
    contradicted = rows[is_varied[rows]]
    if contradicted.size:
        name = names[contradicted.min()]
        own = [value for other, value in zip(names, values, strict=True) if other == name]
        msg = f"{file} gives {name!r} several values of {column!r}: {listed(own)}."
        raise InputError(msg)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    if np.isfinite(numbers).all():
        one, other = np.split(numbers[rows], 2)
        return np.asarray(np.abs(one - other))
    if np.isfinite(numbers).mean() > 0.5:
        bad = int(np.flatnonzero(~np.isfinite(numbers))[0])
        msg = f"{file} must hold numbers in column {column!r}. Got {values.iloc[bad]!r:.100}."
        raise InputError(msg)
    one, other = np.split(values.to_numpy(dtype=object)[rows], 2)
    return np.asarray(one != other, dtype=np.float64)
