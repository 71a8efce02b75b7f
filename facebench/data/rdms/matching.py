"""The images of an RDM among those that a task names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from facebench.data.folder import IMAGE_SUFFIXES
from facebench.data.image_names import ImageName, NameIndex
from facebench.data.rdms.table import NamedRdms
from facebench.errors import MissingImageError
from facebench.metrics.rdm import square
from facebench.types import Float64Array, IntArray, StrPath
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NameMatcher", "RdmMatcher", "pairs_of_rdms", "rdms_of_images"]

_SHOWN = 5


class NameMatcher:
    """Finds a task's images among the names of a file.

    Names count as those of `facebench.data.image_names` do.

    Parameters
    ----------
    names : sequence of str
        The names of the file.
    source : Path
        The file.
    what : str
        What it has of an image, for messages: 'row'.
    """

    def __init__(self, names: Sequence[str], source: Path, what: str = "row") -> None:
        self._names, self._source, self._what = list(names), source, what
        self._index = NameIndex(self._names, source)

    def rows(self, folder: StrPath, images: Sequence[str]) -> IntArray:
        """Find the row of every image.

        Parameters
        ----------
        folder : str or Path
            The folder that their names are relative to.
        images : sequence of str
            Their names.

        Returns
        -------
        int array

        Raises
        ------
        MissingImageError
            If some are not there; all are counted, the first five named.
        InputError
            If a name may mean several.
        """
        different = list(dict.fromkeys(images))
        found = {image: self._index.find(ImageName.of(folder, image)) for image in different}
        missing = [image for image, row in found.items() if row is None]
        if missing:
            shown = "; ".join(map(repr, missing[:_SHOWN]))
            hint = did_you_mean(missing[0], self._names)
            alone = len(missing) == len(different)
            msg = (
                f"{len(missing)} of {len(different)} images have no {self._what} in "
                f"{self._source}: {shown}{'; …' if len(missing) > _SHOWN else ''}."
                f"{hint or self._index.hint(ImageName.of(folder, missing[0]), all_missing=alone)}"
            )
            raise MissingImageError(msg)
        return np.array([found[image] for image in images], dtype=np.intp)


class RdmMatcher:
    """Gives the distances of a task's pairs out of an RDM.

    Parameters
    ----------
    rdms : NamedRdms
        The RDMs.
    """

    def __init__(self, rdms: NamedRdms) -> None:
        self._names = NameMatcher(rdms.names, rdms.source)

    def values(
        self,
        vector: Float64Array,
        folder: StrPath,
        first: Sequence[str],
        second: Sequence[str],
    ) -> Float64Array:
        """Find the distance of each pair.

        Parameters
        ----------
        vector : array, shape [n (n - 1) / 2]
            One of the RDMs.
        folder : str or Path
            The folder that names are relative to.
        first, second : sequence of str
            The images of each pair.

        Returns
        -------
        array, shape [N]
            NaN where the RDM has none; 0 for an image and itself.

        Raises
        ------
        MissingImageError, InputError
            See `NameMatcher.rows`.
        """
        rows = self._names.rows(folder, [*first, *second])
        one, other = np.split(rows, 2)
        return np.asarray(square(vector)[one, other])


def rdms_of_images(rdms: NamedRdms, folder: StrPath, images: Sequence[str]) -> NamedRdms:
    """Give RDMs in the order and under the names in which a task has their images.

    Parameters
    ----------
    rdms : NamedRdms
        The RDMs.
    folder : str or Path
        The folder that names are relative to.
    images : sequence of str
        Names of images, each once.

    Raises
    ------
    MissingImageError, InputError
        See `NameMatcher.rows`.
    """
    rows = NameMatcher(rdms.names, rdms.source).rows(folder, images)
    first, second = np.triu_indices(len(images), 1)
    vectors = np.stack([square(vector)[rows[first], rows[second]] for vector in rdms.vectors])
    return replace(rdms, names=list(images), vectors=vectors)


def _has_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def pairs_of_rdms(rdms: NamedRdms, images_path: StrPath | None = None) -> pd.DataFrame:
    """Write RDMs as a table of pairs, as people's ratings are.

    Parameters
    ----------
    rdms : NamedRdms
        The RDMs.
    images_path : str or Path, optional
        The folder of the images. Names without suffix are given the one that is there.

    Returns
    -------
    DataFrame
        A row per pair: img1, img2 and 'distance' ('similarity' where the diagonal says so,
        'rating' where there is no diagonal); of several RDMs a column 'rater_LABEL' each.
    """
    import pandas as pd

    names = [_on_disk(name, images_path) for name in rdms.names]
    first, second = np.triu_indices(len(names), 1)
    own = np.array(names, dtype=object)
    kind = rdms.polarity or "rating"
    columns = (
        [kind]
        if len(rdms.labels) == 1
        else [
            f"rater_{label}{'_similarity' if kind == 'similarity' else ''}" for label in rdms.labels
        ]
    )
    return pd.DataFrame(
        {"img1": own[first], "img2": own[second]} | dict(zip(columns, rdms.vectors, strict=True))
    )


def _on_disk(name: str, images_path: StrPath | None) -> str:
    """Give a name the suffix of the image that is there, if it has none and one is there."""
    if images_path is None or _has_suffix(name):
        return name
    there = [
        f"{name}{suffix}"
        for suffix in sorted({*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES)})
        if Path(images_path, f"{name}{suffix}").is_file()
    ]
    return there[0] if len(there) == 1 else name
