"""The HDF5 files of rsatoolbox: ``RDMs.save``, as ``rsatoolbox.rdm.load_rdm`` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facebench.data.embedding_files.table import NAME_KEYS, decoded
from facebench.data.rdms.table import Part
from facebench.errors import InputError
from facebench.types import Float64Array
from facebench.utils.suggestions import listed

__all__ = ["is_rsatoolbox", "rsatoolbox_parts", "write_rsatoolbox"]

_DISTANCES, _PATTERNS, _RDMS = "dissimilarities", "pattern_descriptors", "rdm_descriptors"
# What names of patterns are called there, the usual ones of facebench beside.
_USUAL = ("conds", "conditions", "stimulus", "stimuli", "stim", *NAME_KEYS)


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        msg = f"{path} is an HDF5 file. Reading and writing it needs h5py: "
        raise InputError(msg + "pip install 'facebench[h5]'.") from error
    return h5py


def is_rsatoolbox(path: Path) -> bool:
    """Tell whether an HDF5 file is one of rsatoolbox."""
    with _h5py(path).File(path, "r") as file:
        return _DISTANCES in file and _PATTERNS in file


def rsatoolbox_parts(path: Path, names_key: str | None) -> list[Part]:
    """Read the RDMs; names are a descriptor of the patterns, labels one of the RDMs.

    Parameters
    ----------
    path : Path
        The file.
    names_key : str or None
        The descriptor that holds the names; None looks for the usual ones.

    Raises
    ------
    InputError
        If no descriptor, or several, may hold the names.
    """
    with _h5py(path).File(path, "r") as file:
        vectors = np.atleast_2d(np.asarray(file[_DISTANCES][()], dtype=np.float64))
        patterns = _texts(file[_PATTERNS])
        rdms = _texts(file[_RDMS]) if _RDMS in file else {}
    known = [key for key in patterns if key.casefold() in _USUAL] or list(patterns)
    if (names_key is not None and names_key not in patterns) or (
        names_key is None and len(known) != 1
    ):
        has = f"It has {listed(patterns)}" if patterns else "It has none that is text"
        msg = (
            f"{path} does not say which pattern descriptor names the images. {has}: say names_key."
        )
        raise InputError(msg)
    names = patterns[names_key or known[0]]
    n_pairs = len(names) * (len(names) - 1) // 2
    if vectors.shape[1] != n_pairs:
        msg = (
            f"{path} has {vectors.shape[1]} dissimilarities for {len(names)} names. There must be "
            f"{n_pairs}."
        )
        raise InputError(msg)
    own = [labels for labels in rdms.values() if len(set(labels)) == len(vectors)]
    labels = own[0] if own else [f"rdm_{number + 1}" for number in range(len(vectors))]
    return [Part(label, names, row) for label, row in zip(labels, vectors, strict=True)]


def _texts(group: Any) -> dict[str, list[str]]:
    """Give the descriptors that are text; numbers name no image."""
    found: dict[str, list[str]] = {}
    for key, dataset in group.items():
        if getattr(dataset, "shape", None) and dataset.dtype.kind in "SO":
            found[key] = decoded(dataset[()])
    return found


def write_rsatoolbox(
    path: Path, names: Sequence[str], labels: Sequence[str], vectors: Float64Array, measure: str
) -> None:
    """Write RDMs as ``RDMs.save`` does.

    Parameters
    ----------
    path : Path
        The file; it is replaced.
    names, labels : sequence of str
        Images, and what each RDM is of.
    vectors : array, shape [K, P]
        The RDMs.
    measure : str
        What the distances are.

    Raises
    ------
    InputError
        If a name is not ASCII, which rsatoolbox cannot read.
    """
    for name in (*names, *labels):
        if not name.isascii():
            msg = f"The HDF5 files of rsatoolbox hold names in ASCII only. Got {name!r}."
            raise InputError(msg)
    with _h5py(path).File(path, "w") as file:
        file.attrs["dissimilarity_measure"] = measure
        file[_DISTANCES] = vectors
        file.create_group("descriptors")
        for group, key, values in ((_RDMS, "layer", labels), (_PATTERNS, "images", names)):
            file.create_group(group)
            file[group]["index"] = np.arange(len(values))
            file[group][key] = np.array(list(values)).astype("S")
