"""Embeddings that were computed elsewhere, read from a file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facebench.data.embedding_files import ImagesIn, open_embeddings
from facebench.data.embedding_files.table import EmbeddingFile
from facebench.data.image_names import ImageName, NameIndex, alike_name
from facebench.errors import InputError, MissingImageError
from facebench.models.recorded import RecordedModel, chosen_layers
from facebench.types import FloatArray, IntArray, StrPath
from facebench.utils.suggestions import listed

__all__ = ["EmbeddingsModel", "NamedVectors"]

_log = logging.getLogger(__name__)
_SHOWN = 5


class NamedVectors(RecordedModel):
    """Vectors of images that are known by name, wherever they are from.

    Attributes
    ----------
    vectors : dict of str to array, shape [N, D]
        By layer, float32; NaN for an image that could not be processed.
    image_names : list of str
        The image of every row.
    noun : str
        What a row is, for messages.
    """

    noun: ClassVar[str] = "embedding"
    vectors: dict[str, FloatArray]
    image_names: list[str]

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self.image_names, self.file)

    @cached_property
    def is_whole(self) -> NDArray[np.bool_]:
        """Whether every vector of an image is of finite numbers, [N]."""
        found = [np.isfinite(rows).all(axis=1) for rows in self.vectors.values()]
        return np.asarray(np.logical_and.reduce(found))

    def find(self, images: Sequence[ImageName]) -> IntArray:
        """Find the row of every image.

        Parameters
        ----------
        images : sequence of ImageName
            The images.

        Returns
        -------
        int array
            Rows of `vectors`.

        Raises
        ------
        MissingImageError
            If images are not there, counting them and naming the first five.
        InputError
            If a name may mean several.
        """
        rows = [self._index.find(image) for image in images]
        missing = [image for image, row in zip(images, rows, strict=True) if row is None]
        if missing:
            shown = "; ".join(repr(image.name) for image in missing[:_SHOWN])
            msg = (
                f"{len(missing)} of {len(images)} images have no {self.noun} in {self.file}, the "
                f"file of model {self.name!r}: {shown}{'; …' if len(missing) > _SHOWN else ''}."
                f"{self._index.hint(missing[0], all_missing=len(missing) == len(images))}"
            )
            raise MissingImageError(msg)
        return np.array(rows, dtype=np.intp)


class EmbeddingsModel(NamedVectors):
    """Embeddings of a file: of MATLAB, a cluster, a paper's supplement, or `facebench embed`.

    Every task runs on them, with the distances that it computes of a network's own embeddings.

    Parameters
    ----------
    name : str
        Display name, unique in a run.
    file : str or Path
        An .npz, .npy, .parquet, .csv, .tsv, .h5, .hdf5 or .mat file: image names, and for each
        layer an array of numbers [images, features]. In a .csv file (or columns of .parquet) the
        features of a layer are columns numbered from 0 or 1 (fc7_0, fc7_1 …).
    extract_layers : str or list of str, optional
        The layers to read, by name or pattern; None is all of them.
    names : str or Path, optional
        For .npy, which holds one array: a text file with the name of an image on each line, or a
        .csv table with a column of names.
    names_key : str, optional
        Under which key, variable or column the names are. None looks for 'images', 'image',
        'names', 'filename' and the like.
    images_in : {'rows', 'columns'}, optional
        What the images are of each array. None: rows. It must be said of square arrays of MATLAB
        and HDF5.
    strip : str, optional
        What every name of the file begins with and tasks' names do not, such as the folder of the
        images on the machine that made it.

    Raises
    ------
    InputError
        If the file cannot be read, or is not as it should be; the message says what to do.
    UnknownNameError
        If the file has no such layer.

    Notes
    -----
    Names are relative to the images' folder of a task, or to a folder above it. Back slashes and
    the writing of accents make no difference; another suffix or case does. Vectors are kept as
    float32, as those of networks. A vector with NaN stands for an image that could not be
    processed: see `on_bad_image` of `MultiModelTaskManager`.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "vectors.npz"
    >>> np.savez(file, images=["ann/1.jpg", "bob/1.jpg"], fc7=[[1.0, 0.0], [0.0, 1.0]])
    >>> EmbeddingsModel("theirs", file).extract_layers
    ['fc7']
    """

    def __init__(
        self,
        name: str,
        file: StrPath,
        extract_layers: str | Iterable[str] | None = None,
        *,
        names: StrPath | None = None,
        names_key: str | None = None,
        images_in: ImagesIn | None = None,
        strip: str = "",
    ) -> None:
        found = open_embeddings(file, names, names_key=names_key, images_in=images_in)
        super().__init__(name, [file] if names is None else [file, names])
        self.extract_layers = chosen_layers(extract_layers, found.layers)
        self.vectors = {layer: found.read(layer) for layer in self.extract_layers}
        self.image_names = without_beginning(found.names, strip, self.file)
        self._refuse_contradictions(found)
        if found.unused and extract_layers is None:
            _log.warning(
                "Model %r: of %s, %s is not read: it is not an array [images, features].",
                name, found.path, listed(found.unused),
            )  # fmt: skip

    def _refuse_contradictions(self, found: EmbeddingFile) -> None:
        """Refuse an image that is there twice, with different vectors."""
        first_row: dict[str, int] = {}
        for row, name in enumerate(self.image_names):
            first = first_row.setdefault(name, row)
            if first == row:
                continue
            for layer, rows in self.vectors.items():
                if not np.array_equal(rows[first], rows[row], equal_nan=True):
                    msg = (
                        f"{self.file} has {name!r} twice, as vectors {first + 1} and {row + 1} of "
                        f"{len(found.names)}, which differ in layer {layer!r}. Keep one of them."
                    )
                    raise InputError(msg)


def without_beginning(names: Sequence[str], beginning: str, file: object) -> list[str]:
    """Take off what all names begin with."""
    if not beginning:
        return list(names)
    start = alike_name(beginning).rstrip("/") + "/"
    plain = [alike_name(name) for name in names]
    other = next((name for name in plain if not name.startswith(start)), None)
    if other is not None:
        msg = (
            f"The 'strip' parameter must be what all names of {file} begin with. {other!r} does "
            f"not begin with {start!r}."
        )
        raise InputError(msg)
    return [name[len(start) :] for name in plain]
